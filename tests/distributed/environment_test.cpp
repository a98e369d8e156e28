// The rank of a process, from environments given as a table.

#include "../../src/distributed/environment.h"

#include <gtest/gtest.h>

#include <map>

#include "../core/expect_throw.h"
#include "vitrim/core/error.h"

namespace vitrim::distributed {
namespace {

using Table = std::map<std::string, std::string>;

Rendezvous rendezvous(const Table& table) {
  return rendezvous_from_environment([&](const char* name) -> std::optional<std::string> {
    const auto found = table.find(name);
    if (found == table.end()) return std::nullopt;
    return found->second;
  });
}

std::string refusal(const Table& table) {
  return message_of<Error>([&] { rendezvous(table); });
}

const Table kTorchrun = {{"RANK", "3"},
                         {"WORLD_SIZE", "8"},
                         {"LOCAL_RANK", "1"},
                         {"MASTER_ADDR", "node1"},
                         {"MASTER_PORT", "29500"}};
const Table kSlurm = {{"SLURM_PROCID", "5"},
                      {"SLURM_NTASKS", "8"},
                      {"SLURM_STEP_NUM_TASKS", "8"},
                      {"SLURM_LOCALID", "1"},
                      {"SLURM_STEP_NODELIST", "gpu[03-05],big1"},
                      {"SLURM_JOB_ID", "40123"},
                      {"SLURM_STEP_ID", "0"}};

Table with(Table table, const std::string& name, const std::string& value) {
  table[name] = value;
  return table;
}

Table without(Table table, const std::string& name) {
  table.erase(name);
  return table;
}

TEST(Environment, NothingIsAGroupOfOne) {
  EXPECT_EQ(rendezvous({}).size, 1);
  EXPECT_EQ(rendezvous({{"MASTER_ADDR", "node1"}, {"MASTER_PORT", "1"}}).size, 1);
}

TEST(Environment, Torchrun) {
  const Rendezvous found = rendezvous(kTorchrun);
  EXPECT_EQ(found.rank, 3);
  EXPECT_EQ(found.size, 8);
  EXPECT_EQ(found.local_rank, 1);
  EXPECT_EQ(found.host, "node1");
  EXPECT_EQ(found.port, 29500);
  EXPECT_FALSE(found.store_is_up);
  const Rendezvous agent = rendezvous(
      with(with(kTorchrun, "TORCHELASTIC_USE_AGENT_STORE", "True"), "TORCHELASTIC_RESTART_COUNT", "2"));
  EXPECT_TRUE(agent.store_is_up);
  EXPECT_EQ(agent.store_prefix, "/worker/attempt_2");
}

TEST(Environment, TorchrunGoesBeforeSlurm) {
  Table both = kSlurm;
  both.insert(kTorchrun.begin(), kTorchrun.end());
  EXPECT_EQ(rendezvous(both).rank, 3);
}

TEST(Environment, HalfSetOrContradictory) {
  for (const char* name : {"WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT", "RANK"}) {
    EXPECT_TRUE(contains(refusal(without(kTorchrun, name)), name)) << name;
  }
  EXPECT_TRUE(contains(refusal({{"WORLD_SIZE", "1"}}), "RANK"));
  EXPECT_TRUE(contains(refusal(with(kTorchrun, "RANK", "8")), "RANK is 8 and WORLD_SIZE is 8"));
  EXPECT_TRUE(contains(refusal(with(kTorchrun, "LOCAL_RANK", "8")), "LOCAL_RANK"));
  for (const char* bad : {"", "x", "-1", "3.5", "3 ", "99999999999999999999"}) {
    EXPECT_TRUE(contains(refusal(with(kTorchrun, "RANK", bad)), std::string("RANK is '") + bad + "'"));
  }
  EXPECT_TRUE(contains(refusal(with(kTorchrun, "WORLD_SIZE", "0")), "WORLD_SIZE"));
  EXPECT_TRUE(contains(refusal(with(kTorchrun, "MASTER_PORT", "65536")), "MASTER_PORT"));
}

TEST(Environment, OneRankNeedsNoAddress) {
  EXPECT_EQ(rendezvous({{"RANK", "0"}, {"WORLD_SIZE", "1"}}).size, 1);
  EXPECT_TRUE(contains(refusal({{"RANK", "1"}, {"WORLD_SIZE", "1"}}), "contradicts"));
}

TEST(Environment, Slurm) {
  const Rendezvous found = rendezvous(kSlurm);
  EXPECT_EQ(found.rank, 5);
  EXPECT_EQ(found.size, 8);
  EXPECT_EQ(found.local_rank, 1);
  EXPECT_EQ(found.host, "gpu03");
  EXPECT_EQ(found.port, 15000 + 40123 % 15000);
  const Rendezvous named = rendezvous(with(with(kSlurm, "MASTER_ADDR", "other"), "MASTER_PORT", "7777"));
  EXPECT_EQ(named.host, "other");
  EXPECT_EQ(named.port, 7777);
}

TEST(Environment, SlurmWithoutAStepOfSeveralTasksIsOneProcess) {
  EXPECT_EQ(rendezvous(without(kSlurm, "SLURM_STEP_ID")).size, 1);  // a batch script
  EXPECT_EQ(rendezvous(with(kSlurm, "SLURM_STEP_ID", "4294967290")).size,
            1);  // salloc's own interactive step
  EXPECT_EQ(rendezvous(with(kSlurm, "SLURM_STEP_NUM_TASKS", "1")).size,
            1);                                                            // one task of a larger allocation
  EXPECT_EQ(rendezvous(without(kSlurm, "SLURM_STEP_NUM_TASKS")).size, 8);  // Slurm versions without it
}

TEST(Environment, HalfSetSlurm) {
  EXPECT_TRUE(contains(refusal(without(kSlurm, "SLURM_LOCALID")), "SLURM_LOCALID"));
  EXPECT_TRUE(contains(refusal(without(kSlurm, "SLURM_STEP_NODELIST")), "MASTER_ADDR"));
  EXPECT_TRUE(contains(refusal(without(kSlurm, "SLURM_JOB_ID")), "MASTER_PORT"));
  EXPECT_TRUE(contains(refusal(with(kSlurm, "SLURM_PROCID", "8")), "contradicts"));
}

TEST(Environment, FirstSlurmHost) {
  EXPECT_EQ(first_slurm_host("login"), "login");
  EXPECT_EQ(first_slurm_host("a,b"), "a");
  EXPECT_EQ(first_slurm_host("gpu[03-05,9],login"), "gpu03");
  EXPECT_EQ(first_slurm_host("gpu[7]"), "gpu7");
  EXPECT_EQ(first_slurm_host("a[4,6-9].cluster.org,b[1-2]"), "a4.cluster.org");
  EXPECT_EQ(first_slurm_host("rack[1-2]node[03-04],x"), "rack1node03");
  for (const char* bad : {"", ",a", "gpu[", "gpu[]", "gpu[-3]"}) {
    EXPECT_TRUE(contains(message_of<Error>([&] { first_slurm_host(bad); }), "MASTER_ADDR")) << bad;
  }
}

TEST(Environment, Loopback) {
  for (const char* host : {"localhost", "127.0.0.1", "127.1.2.3", "::1"})
    EXPECT_TRUE(is_loopback(host)) << host;
  for (const char* host : {"node1", "128.0.0.1", "localhost.org", ""})
    EXPECT_FALSE(is_loopback(host)) << host;
}

}  // namespace
}  // namespace vitrim::distributed
