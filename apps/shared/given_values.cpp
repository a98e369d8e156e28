#include "given_values.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <vector>

namespace vitrim::app {

namespace {

namespace fs = std::filesystem;

bool is_output(const CLI::Option& option) {
  const std::string name = option.get_name();
  return name == "--output" || name == "--json" || name == "--report" || name == "--write-spec" ||
         name == "--state";
}

// Outputs that are documents; other outputs are models.
bool is_result(const CLI::Option& option, const CLI::App& command) {
  const std::string name = option.get_name();
  const std::string& of = command.get_name();
  if (name == "--output") return of == "report" || of == "analyze";
  return is_output(option) && name != "--state";
}

// Whether writing the file `path` would overwrite `input`, or a file in that folder that is not a result.
bool replaces(const fs::path& path, const fs::path& input) {
  std::error_code failed;
  if (!fs::is_regular_file(path, failed)) return false;
  if (fs::is_regular_file(input, failed)) return fs::equivalent(path, input, failed);
  if (!fs::is_directory(input, failed) || path.extension() == ".json" || path.extension() == ".html")
    return false;
  const fs::path whole = fs::weakly_canonical(path, failed), folder = fs::weakly_canonical(input, failed);
  return std::mismatch(folder.begin(), folder.end(), whole.begin(), whole.end()).first == folder.end();
}

bool reads_model(const CLI::Option& option) {
  const std::string name = option.get_name();
  return name == "MODEL" || name == "--init" || name == "--against";
}

// Whether writing a model to `output` would replace the model `input`, or put another model's config.json
// beside it.
bool replaces_model(const fs::path& output, const fs::path& input) {
  std::error_code failed;
  if (!fs::exists(input, failed)) return false;
  if (!fs::is_directory(output, failed))
    return fs::equivalent(output, fs::is_directory(input, failed) ? input / "model.safetensors" : input,
                          failed);
  const fs::path parent = input.has_parent_path() ? input.parent_path() : fs::path(".");
  return fs::equivalent(output, fs::is_directory(input, failed) ? input : parent, failed);
}

std::string replaced_model(const CLI::App& command) {
  std::error_code failed;
  const CLI::Option* const output = command.get_option_no_throw("--output");
  if (!output || is_result(*output, command) || command.get_name() == "sweep") return {};
  for (const CLI::Option* option : command.get_options()) {
    if (!reads_model(*option)) continue;
    for (const std::string& path : output->results()) {
      for (const std::string& input : option->results()) {
        // An exported graph may lie beside the checkpoint that it was made from.
        if (command.get_name() == "export" && fs::is_directory(path, failed)) continue;
        if (replaces_model(path, input))
          return (fs::is_directory(path, failed) ? "--output is the folder of the model "
                                                 : "--output would replace the model ") +
                 input + ", which the command reads (" + option->get_name() +
                 "); name another file or folder";
      }
    }
  }
  return {};
}

std::string replaced_input(const CLI::App& command) {
  for (const CLI::Option* result : command.get_options()) {
    if (!is_result(*result, command)) continue;
    for (const CLI::Option* option : command.get_options()) {
      if (is_output(*option)) continue;
      for (const std::string& path : result->results()) {
        for (const std::string& input : option->results()) {
          if (replaces(path, input))
            return result->get_name() + " would replace " + path + ", which the command reads (" +
                   option->get_name() + "); name another file";
        }
      }
    }
  }
  return {};
}

std::string wrong_value_of(const CLI::Option& option) {
  const bool is_number = option.get_type_name().find("FLOAT") != std::string::npos;
  for (const std::string& value : option.results()) {
    if (value.empty()) return option.get_name() + ": the value is empty; pass one, or leave it out";
    if (is_number && !std::isfinite(std::strtod(value.c_str(), nullptr)))
      return option.get_name() + ": " + value + " is not a finite number";
  }
  return {};
}

}  // namespace

std::string wrong_value(const CLI::App& app) {
  std::vector<const CLI::App*> commands{&app};
  for (const CLI::App* command : app.get_subcommands()) commands.push_back(command);
  for (const CLI::App* command : commands) {
    for (const CLI::Option* option : command->get_options()) {
      if (std::string wrong = wrong_value_of(*option); !wrong.empty()) return wrong;
    }
    if (std::string wrong = replaced_input(*command); !wrong.empty()) return wrong;
    if (std::string wrong = replaced_model(*command); !wrong.empty()) return wrong;
  }
  return {};
}

std::string without_type_bounds(const std::string& message) {
  const size_t range = message.find(" not in range 0.0"), value = message.rfind("Value ", range);
  constexpr size_t kShown = 60;  // the largest double has 309 digits
  if (range == std::string::npos || value == std::string::npos || message.size() - range < kShown)
    return message;
  const std::string given = message.substr(value + 6, range - value - 6);
  const double number = std::strtod(given.c_str(), nullptr);
  return message.substr(0, value) + given +
         (!std::isfinite(number) ? " is not a finite number"
          : number == 0          ? " is not positive"
          : number < 0           ? " is negative"
                                 : " is too large");
}

}  // namespace vitrim::app
