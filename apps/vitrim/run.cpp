// vitrim run: runs a chain of commands from a file. Every step is a new call of the program. A step's result
// is kept, and made again only if one of its inputs has changed.

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>
#include <utility>

#include "chain.h"
#include "command.h"
#include "core/json.h"
#include "signals.h"
#include "vitrim/checkpoint/locate.h"
#include "vitrim/core/artifact_json.h"
#include "vitrim/core/atomic_file.h"
#include "vitrim/core/error.h"
#include "vitrim/core/interrupt.h"
#include "vitrim/core/log.h"
#include "vitrim/core/manifest.h"
#include "vitrim/core/suggest.h"
#include "vitrim/data/dataset.h"

namespace vitrim::app {
namespace {

namespace fs = std::filesystem;
using json::Json;

struct RunFlags {
  CommonFlags common;
  std::string recipe;
  ChainOverrides given;
  bool again = false, dry = false;
};

struct StepOutcome {
  std::string key;
  bool cached = false;
  double seconds = 0;
};

// A fingerprint of an input: a file's content, a model's weights, or the names and sizes in a folder of
// images; empty if `word` is not a path.
std::string identity_of(const std::string& word) {
  std::error_code failed;
  if (word.empty() || word.size() > 4096) return "";
  std::string path = word;
  if (!fs::exists(path, failed)) {
    try {
      path = checkpoint::locate(word);  // a model in the local cache of a hub
    } catch (const Error&) {
      return "";
    }
    if (!fs::exists(path, failed)) return "";
  }
  if (fs::is_regular_file(path, failed)) return sha256_hex(read_text_file(path));
  if (!fs::is_directory(path, failed)) return "";
  const fs::path weights = fs::path(path) / "model.safetensors";
  if (fs::is_regular_file(weights, failed)) return sha256_hex(read_text_file(weights.string()));
  std::vector<std::string> names;
  for (fs::recursive_directory_iterator entry(path, failed), end; !failed && entry != end;
       entry.increment(failed)) {
    std::error_code unreadable;
    if (!entry->is_regular_file(unreadable)) continue;
    names.push_back(entry->path().lexically_relative(path).string() + " " +
                    std::to_string(entry->file_size(unreadable)));
  }
  std::sort(names.begin(), names.end());
  return fingerprint(names);
}

std::string key_of(const std::vector<std::string>& words) {
  std::string text = version() + "\n";
  bool named_output = false;
  for (const std::string& word : words) {
    const size_t equals = word.starts_with("--") ? word.find('=') : std::string::npos;
    // Files at the destination of results are not inputs.
    const bool output = std::exchange(named_output, word == "-o") || word.starts_with("--json=");
    text += word + "\n";
    if (!output) text += identity_of(equals == std::string::npos ? word : word.substr(equals + 1)) + "\n";
  }
  return sha256_hex(text);
}

std::string record_path(const std::string& folder) { return folder + "/step.json"; }

// {file: hash} of all files that the step wrote.
Json outputs_in(const std::string& folder) {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const std::string name = entry.path().lexically_relative(folder).string();
    if (entry.is_regular_file() && name != "step.json") files.push_back(name);
  }
  std::sort(files.begin(), files.end());
  Json out = Json::object();
  for (const std::string& name : files) out[name] = sha256_hex(read_text_file(folder + "/" + name));
  return out;
}

// Whether the folder's contents were made with this key and are complete.
bool is_made(const std::string& folder, const std::string& key) {
  std::error_code failed;
  if (!fs::is_regular_file(record_path(folder), failed)) return false;
  const auto record = json::try_parse(read_text_file(record_path(folder)));
  if (!record || !record->is_object() || record->value("key", "") != key) return false;
  return record->contains("outputs") && (*record)["outputs"] == outputs_in(folder);
}

void parse_step(const Chain& chain, const ChainStep& step, std::vector<std::string> words) {
  CLI::App probe{"", "vitrim"};
  Context unused;
  probe.require_subcommand(1);
  add_commands(probe, unused);
  std::reverse(words.begin(), words.end());
  try {
    probe.parse(std::move(words));
  } catch (const CLI::ParseError& error) {
    throw FormatError(chain.source, "line " + std::to_string(step.line), step.name + ": " + error.what());
  }
}

// Runs the program with these arguments and returns its exit status. A stop is passed on to it.
int run_call(std::vector<std::string> words) {
  words.insert(words.begin(), "vitrim");
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child < 0) throw Error(std::string("cannot start the next step: ") + std::strerror(errno));
  if (child == 0) {
    execv("/proc/self/exe", arguments.data());
    _exit(127);
  }
  leave_saying_to_child(true);
  bool told = false;
  for (int status = 0;;) {
    const pid_t ended = waitpid(child, &status, WNOHANG);
    if (ended == child) {
      const int result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      leave_saying_to_child(result == 130);
      return result;
    }
    if (ended < 0 && errno != EINTR)
      throw Error(std::string("cannot wait for the step: ") + std::strerror(errno));
    if (cancel_requested() && !told) {
      kill(child, SIGTERM);
      told = true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

void run_step(const Chain& chain, size_t number, const std::vector<std::string>& words, bool quiet,
              StepOutcome& outcome) {
  const std::string folder = step_folder(chain, number);
  fs::create_directories(folder);
  fs::remove(record_path(folder));
  std::vector<std::string> call = words;
  if (quiet) call.emplace_back("--quiet");
  const auto began = std::chrono::steady_clock::now();
  const int status = run_call(std::move(call));
  check_cancelled();
  if (status == 130) throw Interrupted();
  if (status != 0) {
    const std::string text = chain.source + ": line " + std::to_string(chain.steps[number].line) + ": step " +
                             chain.steps[number].name +
                             " failed; correct the recipe and run it again: the steps before it are kept";
    if (status == 2) throw UsageError(text);
    throw Error(text);
  }
  outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  Json record;
  record["key"] = outcome.key;
  record["seconds"] = outcome.seconds;
  record["outputs"] = outputs_in(folder);
  write_text_file(record_path(folder), json::dump(record, 1) + "\n");
}

std::string document(const Chain& chain, const Context& context, const RunFlags& flags,
                     const std::vector<StepOutcome>& outcomes) {
  EvalResult carrier;  // only to write the manifest
  carrier.manifest = manifest_of(context, flags.common, "");
  Json out;
  out["kind"] = "run";
  out["version"] = 1;
  out["manifest"] = json::parse(to_json(carrier), "the manifest")["manifest"];
  out["recipe"] = resolved(chain);
  out["steps"] = Json::array();
  for (size_t i = 0; i < outcomes.size(); ++i) {
    Json step;
    step["name"] = chain.steps[i].name;
    step["arguments"] = step_arguments(chain, i);
    step["folder"] = step_folder(chain, i);
    step["key"] = outcomes[i].key;
    step["cached"] = outcomes[i].cached;
    step["seconds"] = outcomes[i].seconds;
    out["steps"].push_back(step);
  }
  return json::dump(out, 1) + "\n";
}

std::string shown(const std::vector<std::string>& words) {
  std::string out = "vitrim";
  for (const std::string& word : words) out += " " + word;
  return out;
}

void run(const RunFlags& flags, const Context& context, const CLI::App& app) {
  flags.common.apply();
  const Chain chain = read_chain(flags.recipe, flags.given, app);
  for (size_t i = 0; i < chain.steps.size(); ++i) parse_step(chain, chain.steps[i], step_arguments(chain, i));
  if (flags.dry) {
    for (size_t i = 0; i < chain.steps.size(); ++i) tell("%s\n", shown(step_arguments(chain, i)).c_str());
    return;
  }
  for (const ChainStep& step : chain.steps) {
    for (const auto& [flag, value] : step.flags) {
      if (flag == "calib" || flag == "eval" || flag == "data" || flag == "train") data::check_source(value);
    }
  }
  fs::create_directories(chain.output);
  std::vector<StepOutcome> outcomes;
  const bool quiet = !flags.common.speaks();
  for (size_t i = 0; i < chain.steps.size(); ++i) {
    check_cancelled();
    const std::vector<std::string> words = step_arguments(chain, i);
    StepOutcome outcome;
    outcome.key = key_of(words);
    const std::string folder = step_folder(chain, i);
    outcome.cached = !flags.again && is_made(folder, outcome.key);
    log_info("step " + std::to_string(i + 1) + " of " + std::to_string(chain.steps.size()) + ", " +
             chain.steps[i].name + (outcome.cached ? ": as before, in " + folder : ""));
    if (!outcome.cached) run_step(chain, i, words, quiet, outcome);
    outcomes.push_back(std::move(outcome));
    write_text_file(chain.output + "/run.json", document(chain, context, flags, outcomes));
  }
  flags.common.write_json(document(chain, context, flags, outcomes));
  if (!flags.common.speaks()) return;
  const auto made =
      std::count_if(outcomes.begin(), outcomes.end(), [](const auto& one) { return !one.cached; });
  tell("%zu steps, %td of them run, the others as before; results in %s\n", outcomes.size(), made,
       chain.output.c_str());
}

}  // namespace

void add_run(CLI::App& app, Context& context) {
  auto flags = std::make_shared<RunFlags>();
  CLI::App* command =
      app.add_subcommand("run", "run a chain of commands from a recipe; finished steps are kept");
  std::string names;
  for (const std::string& name : chain_names()) names += (names.empty() ? "" : ", ") + name;
  command->add_option("RECIPE", flags->recipe, "TOML file of steps, or a built-in recipe: " + names)
      ->required();
  command->add_option("--model", flags->given.model,
                      "model that the chain begins with, in place of the recipe's");
  command->add_option("-o,--output", flags->given.output, "folder for the results, in place of the recipe's");
  command->add_option("--calib", flags->given.calib,
                      "calibration images (labels unused), in place of the recipe's");
  command->add_option("--eval", flags->given.eval,
                      "labelled images for the evaluation, in place of the recipe's");
  command->add_option("--train", flags->given.train,
                      "labelled images for the evaluation of features, in place of the recipe's");
  command->add_option("--classes", flags->given.classes,
                      "file with the names of the class folders, in the order of the class indices, or "
                      "imagenet-1k, in place of the recipe's");
  command->add_flag("--again", flags->again, "run every step, even if its result exists");
  command->add_flag("--dry-run", flags->dry, "print the command of every step and run none");
  flags->common.add_to(*command, /*computes=*/false);
  command->callback(
      [flags, &app, &context] { context.run = [flags, &app, &context] { run(*flags, context, app); }; });
}

}  // namespace vitrim::app
