#include "distributed/environment.h"

#include <charconv>

#include "vitrim/core/error.h"

namespace vitrim::distributed {
namespace {

int parse_number(const char* name, const std::string& text, int least, int most) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most) {
    throw Error(std::string("the environment's ") + name + " is '" + text + "', but a number from " +
                std::to_string(least) + " to " + std::to_string(most) + " is needed");
  }
  return value;
}

constexpr int kMany = 1 << 20;

void check_rank(const char* rank_name, int rank, const char* size_name, int size) {
  if (rank >= size) {
    throw Error(std::string("the environment contradicts itself: ") + rank_name + " is " +
                std::to_string(rank) + " and " + size_name + " is " + std::to_string(size) +
                ", but ranks count from 0");
  }
}

Rendezvous from_torchrun(const GetVariable& get) {
  std::string missing;
  for (const char* name : {"RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"}) {
    if (!get(name)) missing += (missing.empty() ? "" : ", ") + std::string(name);
  }
  Rendezvous rendezvous;
  if (const auto size = get("WORLD_SIZE")) rendezvous.size = parse_number("WORLD_SIZE", *size, 1, kMany);
  if (const auto rank = get("RANK")) rendezvous.rank = parse_number("RANK", *rank, 0, kMany);
  if (!get("RANK") || (!missing.empty() && rendezvous.size > 1)) {
    throw Error("the environment names only some of torchrun's variables: " + missing +
                " missing; start with torchrun, set all of them, or unset RANK and WORLD_SIZE");
  }
  if (!get("WORLD_SIZE")) throw Error("the environment has RANK but no WORLD_SIZE; set or unset both");
  check_rank("RANK", rendezvous.rank, "WORLD_SIZE", rendezvous.size);
  if (rendezvous.size == 1) return rendezvous;
  rendezvous.local_rank = parse_number("LOCAL_RANK", *get("LOCAL_RANK"), 0, kMany);
  check_rank("LOCAL_RANK", rendezvous.local_rank, "WORLD_SIZE", rendezvous.size);
  rendezvous.host = *get("MASTER_ADDR");
  rendezvous.port = parse_number("MASTER_PORT", *get("MASTER_PORT"), 1, 65535);
  if (get("TORCHELASTIC_USE_AGENT_STORE").value_or("") == "True") {
    rendezvous.store_is_up = true;
    rendezvous.store_prefix = "/worker/attempt_" + get("TORCHELASTIC_RESTART_COUNT").value_or("0");
  }
  return rendezvous;
}

// The steps that Slurm itself creates (batch, interactive, extern) have the highest possible numbers.
bool in_slurm_step(const GetVariable& get) {
  const auto step = get("SLURM_STEP_ID");
  if (!step || !get("SLURM_PROCID")) return false;
  uint64_t number = 0;
  std::from_chars(step->data(), step->data() + step->size(), number);
  return number < 0xfffffff0;
}

Rendezvous from_slurm(const GetVariable& get, const char* size_name) {
  Rendezvous rendezvous;
  rendezvous.size = parse_number(size_name, *get(size_name), 1, kMany);
  if (rendezvous.size == 1) return rendezvous;
  rendezvous.rank = parse_number("SLURM_PROCID", *get("SLURM_PROCID"), 0, kMany);
  check_rank("SLURM_PROCID", rendezvous.rank, size_name, rendezvous.size);
  const auto local = get("SLURM_LOCALID"), job = get("SLURM_JOB_ID");
  auto nodes = get("SLURM_STEP_NODELIST");
  if (!nodes) nodes = get("SLURM_JOB_NODELIST");
  if (!local) throw Error("the environment has Slurm's SLURM_PROCID but no SLURM_LOCALID; start with srun");
  rendezvous.local_rank = parse_number("SLURM_LOCALID", *local, 0, kMany);
  if (const auto host = get("MASTER_ADDR")) {
    rendezvous.host = *host;
  } else if (nodes) {
    rendezvous.host = first_slurm_host(*nodes);
  } else {
    throw Error(
        "the environment has Slurm's SLURM_PROCID but no SLURM_STEP_NODELIST; start with srun, or set "
        "MASTER_ADDR");
  }
  if (const auto port = get("MASTER_PORT")) {
    rendezvous.port = parse_number("MASTER_PORT", *port, 1, 65535);
  } else if (job) {
    // Jobs that share a node get different ports, below those that systems assign automatically (32768 and
    // up).
    rendezvous.port = 15000 + parse_number("SLURM_JOB_ID", *job, 0, 2147483647) % 15000;
  } else {
    throw Error(
        "the environment has Slurm's SLURM_PROCID but no SLURM_JOB_ID; start with srun, or set MASTER_PORT");
  }
  return rendezvous;
}

}  // namespace

Rendezvous rendezvous_from_environment(const GetVariable& get) {
  if (get("RANK") || get("WORLD_SIZE")) return from_torchrun(get);
  const char* size_name = get("SLURM_STEP_NUM_TASKS") ? "SLURM_STEP_NUM_TASKS" : "SLURM_NTASKS";
  if (in_slurm_step(get) && get(size_name)) return from_slurm(get, size_name);
  return {};
}

std::string first_slurm_host(const std::string& list) {
  const auto fail = [&]() -> std::string {
    throw Error("Slurm's node list '" + list + "' names no first host; set MASTER_ADDR");
  };
  const size_t end = list.find_first_of(",[");
  const std::string prefix = list.substr(0, end);
  if (end == std::string::npos || list[end] == ',') return prefix.empty() ? fail() : prefix;
  const size_t close = list.find(']', end);
  if (close == std::string::npos) return fail();
  const std::string ranges = list.substr(end + 1, close - end - 1);
  const std::string first = ranges.substr(0, ranges.find_first_of("-,"));
  if (first.empty()) return fail();
  // The text after the bracket, up to the next comma, belongs to the name and may itself contain brackets:
  // "rack[1-2]node[3-4]".
  const std::string rest = list.substr(close + 1);
  return prefix + first + (rest.empty() || rest[0] == ',' ? "" : first_slurm_host(rest));
}

bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.rfind("127.", 0) == 0;
}

}  // namespace vitrim::distributed
