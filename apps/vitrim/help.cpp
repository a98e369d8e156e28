#include "help.h"

#include <algorithm>
#include <map>
#include <regex>
#include <string>
#include <utility>
#include <vector>

namespace vitrim::app {
namespace {

// Options that most calls need, in every command that has them.
const std::vector<std::string>& common() {
  static const std::vector<std::string> kNames = {"MODEL",  "FILE",    "--output",  "--calib",
                                                  "--data", "--eval",  "--classes", "--report",
                                                  "--json", "--quiet", "--help"};
  return kNames;
}

// The other options that --help shows, by command; a command that is not listed shows all.
const std::map<std::string, std::vector<std::string>>& own() {
  static const std::map<std::string, std::vector<std::string>> kNames = {
      {"analyze", {"--remove", "--images", "--criterion", "--search"}},
      {"compress",
       {"--static", "--remove", "--remove-attention", "--images", "--quantize", "--target-macs",
        "--attention-macs", "--controls", "--epochs", "--save-dtype", "--threads"}},
      {"prune",
       {"--few-shot", "--target-macs", "--attention-macs", "--channels-by", "--images", "--epochs",
        "--recipe"}},
      {"merge", {"--r", "--schedule", "--target-macs", "--start", "--auto"}},
      {"quantize", {"--keep", "--images", "--train", "--save-dtype"}},
      {"plan", {"--budget", "--images", "--quantize", "--threads"}},
      {"bench", {"--against", "--batch", "--engine", "--rounds", "--threads", "--precision"}},
      {"eval",
       {"--images", "--knn", "--train", "--probe", "--retrieval", "--against", "--engine", "--mean", "--std",
        "--resize", "--precision"}},
      {"export", {"--format", "--precision", "--dynamic-batch", "--batch"}},
      {"sweep", {"--remove", "--attention-macs", "--target-macs", "--images"}},
      {"train",
       {"--spec", "--init", "--recipe", "--epochs", "--batch-size", "--learning-rate", "--resume", "--head",
        "--new-head", "--set"}},
      {"dilute",
       {"--remove", "--remove-attention", "--recipe", "--epochs", "--dilution-epochs", "--batch-size",
        "--learning-rate", "--resume", "--set"}},
      {"inspect", {"--remove-attention", "--image-size", "--num-heads", "--write-spec"}},
  };
  return kNames;
}

bool contains(const std::vector<std::string>& names, const CLI::Option& option) {
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return option.check_name(name); });
}

// The examples of --help-all run in a checkout; here they use files that a user would have.
std::string with_own_files(std::string text) {
  static const std::vector<std::pair<std::regex, std::string>> kNames = {
      {std::regex("models/synthetic_vit\\.safetensors"), "model.safetensors"},
      {std::regex("models/synthetic_vit\\.json"), "architecture.json"},
      {std::regex("synthetic:calib:[0-9]+"), "images/"},
      {std::regex("synthetic:train:[0-9]+"), "training_images/"},
      {std::regex("synthetic:test:[0-9]+"), "labelled_images/"},
      {std::regex("Examples in the root of a checkout:"), "Examples:"}};
  for (const auto& [name, own_name] : kNames) text = std::regex_replace(text, name, own_name);
  return text;
}

void shorten(CLI::App& command) {
  command.footer(with_own_files(command.get_footer()));
  const auto found = own().find(command.get_name());
  if (found == own().end()) return;
  int hidden = 0;
  for (CLI::Option* option : command.get_options()) {
    if (option->get_group().empty() || contains(common(), *option) || contains(found->second, *option))
      continue;
    option->group("");
    ++hidden;
  }
  if (hidden == 0) return;
  // The text before the examples is a list of settings.
  std::string examples = command.get_footer();
  examples.erase(0, std::min(examples.find("Examples:"), examples.size()));
  command.footer("More options: vitrim " + command.get_name() + " --help-all\n" + examples);
}

CLI::App* command_named(CLI::App& app, const std::string& name) {
  for (CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (command->get_name() == name) return command;
  }
  return nullptr;
}

}  // namespace

void add_help_all(CLI::App& app) {
  app.set_help_flag("-h,--help", "show this help");
  app.set_help_all_flag("--help-all", "show every option");
  app.footer(
      "First steps:\n"
      "  vitrim inspect MODEL                      what a checkpoint is made of\n"
      "  vitrim compress MODEL --calib IMAGES/ --static 25% -o smaller.safetensors\n"
      "  vitrim quantize MODEL -o int8.safetensors\n"
      "  vitrim COMMAND --help                     options of a command, with examples");
}

void keep_short(CLI::App& app) {
  for (CLI::App* command : app.get_subcommands()) shorten(*command);
}

std::string first_help(CLI::App& app, int argc, char** argv) {
  if (argc == 1) return app.help();
  CLI::App* const command = argc == 2 ? command_named(app, argv[1]) : nullptr;
  if (!command) return "";
  shorten(*command);
  return command->help("vitrim");
}

}  // namespace vitrim::app
