#include "chain.h"

// The header-only form of the library, as in src/train/recipe_toml.cpp.
#define TOML_HEADER_ONLY 1
#define TOML_MAX_NESTED_VALUES 16
#include <toml++/toml.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <set>

#include "chain_files.h"
#include "command.h"
#include "vitrim/core/atomic_file.h"
#include "vitrim/core/error.h"
#include "vitrim/core/suggest.h"
#include "vitrim/train/recipe.h"

namespace vitrim::app {
namespace {

constexpr size_t kLongestChain = size_t{1} << 20;

const std::vector<std::string> kTopKeys = {"model", "output",  "calib", "eval",
                                           "train", "classes", "all",   "step"};

std::string place_of(const toml::node& node) { return "line " + std::to_string(node.source().begin.line); }

[[noreturn]] void unknown(const Chain& chain, const toml::key& key, const std::string& what,
                          const std::vector<std::string>& valid) {
  throw FormatError(chain.source, "line " + std::to_string(key.source().begin.line),
                    "unknown " + what + " \"" + std::string(key.str()) + "\"; did you mean \"" +
                        nearest(key.str(), valid) + "\"?");
}

std::string number_text(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.17g", value);
  return text;
}

// One word of a command line.
std::string word_of(const Chain& chain, const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* whole = node.as_integer()) return std::to_string(whole->get());
  if (const auto* number = node.as_floating_point()) return number_text(number->get());
  throw FormatError(chain.source, place_of(node),
                    "expected a string in quotes, a number, true, false or a list");
}

std::string text_of(const Chain& chain, const toml::node& node, const std::string& key) {
  const auto* text = node.as_string();
  if (!text) throw FormatError(chain.source, place_of(node), key + " must be a string in quotes");
  return text->get();
}

std::string dashed(std::string_view key) {
  std::string out(key);
  std::replace(out.begin(), out.end(), '_', '-');
  return out;
}

std::vector<std::string> flags_of(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back(name);
  }
  return names;
}

bool has_flag(const CLI::App& command, const std::string& flag) {
  const std::vector<std::string> names = flags_of(command);
  return std::find(names.begin(), names.end(), flag) != names.end();
}

const CLI::App& command_of(const CLI::App& app, const std::string& name) { return *app.get_subcommand(name); }

bool given(const ChainStep& step, const std::string& flag) {
  return std::any_of(step.flags.begin(), step.flags.end(),
                     [&](const auto& one) { return one.first == flag; });
}

// A key and its value as flags; `false` is the same as no key.
void add_flag(const Chain& chain, const toml::key& key, const toml::node& node, ChainStep& step) {
  const std::string flag = dashed(key.str());
  if (const auto* truth = node.as_boolean()) {
    if (truth->get()) step.flags.emplace_back(flag, "");
    return;
  }
  const auto* list = node.as_array();
  if (!list) {
    step.flags.emplace_back(flag, word_of(chain, node));
    return;
  }
  std::string joined;  // every flag with several values accepts them separated by commas
  for (const toml::node& item : *list) joined += (joined.empty() ? "" : ",") + word_of(chain, item);
  step.flags.emplace_back(flag, joined);
}

// Keys of the chain itself do not belong to a step.
const std::set<std::string>& own_flags() {
  static const std::set<std::string> kFlags = {"output", "json", "help", "help-all"};
  return kFlags;
}

void read_step(const Chain& chain, const toml::table& table, const CLI::App& app, ChainStep& step) {
  step.line = static_cast<int>(table.source().begin.line);
  const toml::node* const command = table.get("command");
  if (!command)
    throw FormatError(chain.source, place_of(table),
                      "the step has no command; add one, such as command = \"compress\"");
  step.command = text_of(chain, *command, "command");
  const std::vector<std::string>& commands = chain_commands();
  if (std::find(commands.begin(), commands.end(), step.command) == commands.end())
    throw FormatError(chain.source, place_of(*command),
                      "\"" + step.command + "\" is not a command of a chain; did you mean \"" +
                          nearest(step.command, commands) + "\"?");
  step.name = step.command;
  std::vector<std::string> valid = flags_of(command_of(app, step.command));
  std::erase_if(valid, [](const std::string& flag) { return own_flags().contains(flag); });
  for (const auto& [key, node] : table) {
    if (key == "command") continue;
    if (key == "name" || key == "from") {
      (key == "name" ? step.name : step.from) = text_of(chain, node, std::string(key.str()));
      continue;
    }
    if (std::find(valid.begin(), valid.end(), dashed(key.str())) == valid.end()) {
      valid.insert(valid.end(), {"name", "from"});
      unknown(chain, key, "key of " + step.command, valid);
    }
    add_flag(chain, key, node, step);
  }
  if (step.name.empty() || step.name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                       "0123456789_-") != std::string::npos)
    throw FormatError(chain.source, place_of(table),
                      "the name of a step may contain only letters, digits, - and _");
}

// The values of flags that a step does not set itself.
void complete(const Chain& chain, const toml::table* all, const CLI::App& app, ChainStep& step) {
  const CLI::App& command = command_of(app, step.command);
  const auto fill = [&](const std::string& flag, const std::string& value) {
    if (!value.empty() && has_flag(command, flag) && !given(step, flag)) step.flags.emplace_back(flag, value);
  };
  if (step.command != "export")
    fill("classes", chain.classes);  // there they are names for the file's metadata
  if (all) {
    for (const auto& [key, node] : *all) {
      const std::string flag = dashed(key.str());
      if (has_flag(command, flag) && !given(step, flag)) add_flag(chain, key, node, step);
    }
  }
  if (step.command != "export") fill("calib", chain.calib);  // export takes images for int8 models only
  fill("eval", chain.eval);
  if (step.command == "prune" && !given(step, "data")) {
    step.flags.emplace_back("data", chain.calib);
    if (!given(step, "few-shot")) step.flags.emplace_back("few-shot", "");
  }
  if (step.command == "eval") fill("data", chain.eval);
  if ((step.command == "eval" && !given(step, "retrieval")) || given(step, "eval"))
    fill("train", chain.train);
  const bool compares = step.command == "bench" || (step.command == "eval" && given(step, "retrieval"));
  if (compares && !step.from.empty()) fill("against", chain.model);
}

void connect(const Chain& chain, std::vector<ChainStep>& steps) {
  std::set<std::string> names;
  std::string newest;  // the latest step that wrote a model
  std::vector<std::string> models;
  for (ChainStep& step : steps) {
    const std::string place = "line " + std::to_string(step.line);
    if (step.name == step.command) {
      for (int number = 2; names.contains(step.name); ++number)
        step.name = step.command + "_" + std::to_string(number);
    }
    if (!names.insert(step.name).second)
      throw FormatError(chain.source, place, "two steps have the name \"" + step.name + "\"");
    if (step.from.empty()) {
      step.from = newest;
    } else if (step.from == "model") {
      step.from.clear();
    } else if (std::find(models.begin(), models.end(), step.from) == models.end()) {
      models.emplace_back("model");
      throw FormatError(chain.source, place,
                        "from = \"" + step.from +
                            "\": no earlier step with that name writes a model; did you mean \"" +
                            nearest(step.from, models) + "\"? (\"model\" is the chain's own)");
    }
    if (!makes_model(step.command) || step.command == "export") continue;
    newest = step.name;
    models.push_back(step.name);
  }
}

// Recipes of training are also called recipes, and their files lie beside those of chains.
constexpr const char* kForTraining = "settings for train, dilute and prune, which take them with --recipe ";

// What a name that is not that of a file stands for; empty if it is no name of a built-in recipe.
std::string built_in_hint(const std::string& source) {
  const std::string name = std::filesystem::path(source).stem().string();
  const auto holds = [&](const std::vector<std::string>& names) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  if (holds(chain_names())) return name + " is a built-in recipe: vitrim run " + name;
  if (holds(train::recipe_names())) return name + " is a built-in list of " + kForTraining + name;
  return {};
}

// A recipe of training has other keys at its top than a chain.
void check_kind(const Chain& chain, const toml::table& top) {
  if (top.contains("step")) return;
  const std::vector<std::string> keys = train::recipe_keys();
  for (const auto& [key, node] : top) {
    const std::string section = std::string(key.str()) + ".";
    if (key.str() == "include" || std::any_of(keys.begin(), keys.end(), [&](const std::string& one) {
          return one.starts_with(section);
        })) {
      throw FormatError(chain.source, place_of(node),
                        "this file has no steps; it has " + (kForTraining + chain.source));
    }
  }
}

// The built-in recipe that `source` may mean, else all of them.
std::string known_chains(const std::string& source) {
  const std::vector<std::string> names = chain_names();
  const std::string meant = close_to(source, names);
  if (!meant.empty()) return "did you mean \"" + meant + "\"?";
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "the built-in ones are " : ", ") + name;
  return out + ".";
}

std::string read_source(const std::string& source, std::string& label) {
  if (const EmbeddedText* file = find_text(chain_files(), source)) {
    label = "recipe " + source;
    return std::string(file->text);
  }
  label = source;
  if (const std::string hint = built_in_hint(source); !hint.empty() && !std::filesystem::exists(source))
    throw Error(source + ": no such file; " + hint);
  if (source.find('/') == std::string::npos && source.find('.') == std::string::npos &&
      !std::filesystem::exists(source))
    throw Error("there is no built-in recipe \"" + source + "\"; " + known_chains(source) +
                " Write the name of a file with its suffix or folder");
  if (std::filesystem::is_directory(source))
    throw Error(source + " is a folder, but a recipe is a TOML file or a built-in one; " + known_chains("") +
                " vitrim-run and vitrim eval run a model");
  return read_text_file(source);
}

// TOML allows only letters, digits and a few marks without quotes; everything is quoted here.
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(c));
      out += code;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

// A few kilobytes, because the parser is recursive for dotted keys.
void check_size(const std::string& label, const std::string& text) {
  if (text.size() > kLongestChain || std::count(text.begin(), text.end(), '.') > 20000)
    throw FormatError(label, "", "it is larger than any recipe; name a TOML file of steps");
  size_t dots = 0;
  for (const char c : text) {
    dots = c == '\n' ? 0 : dots + (c == '.');
    if (dots > 200) throw FormatError(label, "", "a line has more than 200 dots, so this is not a recipe");
  }
}

}  // namespace

const std::vector<std::string>& chain_commands() {
  static const std::vector<std::string> kCommands = {"analyze", "compress", "prune",  "merge", "quantize",
                                                     "eval",    "bench",    "export", "report"};
  return kCommands;
}

bool makes_model(const std::string& command) {
  static const std::set<std::string> kCommands = {"compress", "prune", "merge", "quantize", "export"};
  return kCommands.contains(command);
}

std::vector<std::string> chain_names() { return names_of(chain_files()); }

Chain read_chain(const std::string& source, const ChainOverrides& overrides, const CLI::App& app) {
  Chain chain;
  const std::string text = read_source(source, chain.source);
  check_size(chain.source, text);
  toml::table top;
  try {
    top = toml::parse(std::string_view(text), chain.source);
  } catch (const toml::parse_error& error) {
    throw FormatError(chain.source, "line " + std::to_string(error.source().begin.line),
                      std::string(error.description()));
  }
  check_kind(chain, top);
  for (const auto& [key, node] : top) {
    if (std::find(kTopKeys.begin(), kTopKeys.end(), key.str()) == kTopKeys.end())
      unknown(chain, key, "key", kTopKeys);
  }
  const auto take = [&](const char* key, const std::string& stated) {
    const toml::node* const node = top.get(key);
    return !stated.empty() ? stated : node ? text_of(chain, *node, key) : std::string();
  };
  chain.model = take("model", overrides.model);
  chain.output = take("output", overrides.output);
  chain.calib = take("calib", overrides.calib);
  chain.eval = take("eval", overrides.eval);
  chain.train = take("train", overrides.train);
  chain.classes = take("classes", overrides.classes);
  while (chain.output.size() > 1 && chain.output.ends_with('/')) chain.output.pop_back();
  if (chain.model.empty()) throw UsageError(chain.source + " states no model; pass --model MODEL");
  if (chain.output.empty()) throw UsageError(chain.source + " states no output; pass -o FOLDER");
  const toml::node* const all = top.get("all");
  if (all && !all->is_table()) throw FormatError(chain.source, place_of(*all), "all must be a table: [all]");
  if (all) {
    std::vector<std::string> valid;
    for (const std::string& command : chain_commands()) {
      for (const std::string& flag : flags_of(command_of(app, command))) {
        if (!own_flags().contains(flag)) valid.push_back(flag);
      }
    }
    for (const auto& [key, node] : *all->as_table()) {
      if (std::find(valid.begin(), valid.end(), dashed(key.str())) == valid.end())
        unknown(chain, key, "key of [all]", valid);
    }
  }
  const toml::node* const steps = top.get("step");
  const toml::array* const list = steps ? steps->as_array() : nullptr;
  if (!list || list->empty())
    throw FormatError(chain.source, "", "it has no steps; write each as a table [[step]]");
  for (const toml::node& node : *list) {
    const toml::table* const table = node.as_table();
    if (!table) throw FormatError(chain.source, place_of(node), "a step must be a table: [[step]]");
    read_step(chain, *table, app, chain.steps.emplace_back());
  }
  connect(chain, chain.steps);
  for (ChainStep& step : chain.steps) {
    complete(chain, all ? all->as_table() : nullptr, app, step);
    // Steps with the same options are equal, whatever their order in the file.
    std::stable_sort(step.flags.begin(), step.flags.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    const bool needs_calib = step.command == "analyze" || step.command == "compress" ||
                             (step.command == "prune" && given(step, "few-shot"));
    if (needs_calib && chain.calib.empty() && !given(step, "calib") && step.command != "prune")
      throw UsageError(chain.source + ": " + step.command + " needs calibration images; pass --calib DIR");
    if (step.command == "prune" && chain.calib.empty() &&
        std::find(step.flags.begin(), step.flags.end(), std::pair<std::string, std::string>("data", "")) !=
            step.flags.end())
      throw UsageError(chain.source + ": prune needs images; pass --calib DIR");
    if (step.command == "eval" && !given(step, "data"))
      throw UsageError(chain.source + ": eval needs labelled images; pass --eval DIR");
  }
  return chain;
}

std::string step_folder(const Chain& chain, size_t step) {
  char number[16];
  std::snprintf(number, sizeof number, "%02zu_", step + 1);
  return (std::filesystem::path(chain.output) / (number + chain.steps[step].name)).string();
}

std::string step_model(const Chain& chain, size_t step) {
  const ChainStep& one = chain.steps[step];
  if (!makes_model(one.command)) return "";
  const std::string folder = step_folder(chain, step);
  if (one.command != "export") return folder + "/model/";
  const auto format = std::find_if(one.flags.begin(), one.flags.end(),
                                   [](const auto& flag) { return flag.first == "format"; });
  return folder +
         (format == one.flags.end() || format->second == "onnx" ? "/model.onnx" : "/model.safetensors");
}

std::vector<std::string> step_arguments(const Chain& chain, size_t step) {
  const ChainStep& one = chain.steps[step];
  std::vector<std::string> words{one.command};
  if (one.command == "report") {
    for (size_t i = 0; i < step; ++i) {
      const std::string& command = chain.steps[i].command;
      if (command != "export" && command != "report") words.push_back(step_folder(chain, i) + "/result.json");
    }
    words.insert(words.end(), {"-o", step_folder(chain, step) + "/report.html"});
  } else {
    std::string model = chain.model;
    for (size_t i = 0; i < step; ++i) {
      if (chain.steps[i].name == one.from) model = step_model(chain, i);
    }
    words.push_back(model);
    if (makes_model(one.command)) words.insert(words.end(), {"-o", step_model(chain, step)});
  }
  for (const auto& [flag, value] : one.flags)
    words.push_back("--" + flag + (value.empty() ? "" : "=" + value));
  words.push_back("--json=" + step_folder(chain, step) + "/result.json");
  return words;
}

std::string resolved(const Chain& chain) {
  std::string out = "model = " + quoted(chain.model) + "\noutput = " + quoted(chain.output) + "\n";
  if (!chain.calib.empty()) out += "calib = " + quoted(chain.calib) + "\n";
  if (!chain.eval.empty()) out += "eval = " + quoted(chain.eval) + "\n";
  if (!chain.train.empty()) out += "train = " + quoted(chain.train) + "\n";
  if (!chain.classes.empty()) out += "classes = " + quoted(chain.classes) + "\n";
  for (const ChainStep& step : chain.steps) {
    out += "\n[[step]]\ncommand = " + quoted(step.command) + "\nname = " + quoted(step.name) +
           "\nfrom = " + quoted(step.from.empty() ? "model" : step.from) + "\n";
    for (const auto& [flag, value] : step.flags)
      out += flag + " = " + (value.empty() ? "true" : quoted(value)) + "\n";
  }
  return out;
}

}  // namespace vitrim::app
