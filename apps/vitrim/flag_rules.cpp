#include "flag_rules.h"

#include <stdexcept>

#include "command.h"

namespace vitrim::app {

namespace {

const CLI::Option& option_of(const CLI::App& command, const std::string& flag) {
  const CLI::Option* option = command.get_option_no_throw(flag);
  if (option == nullptr)
    throw std::logic_error("vitrim " + command.get_name() + " has no " + flag + ", which a rule names");
  return *option;
}

bool has(const CLI::App& command, const std::string& flag) {
  return command.get_option_no_throw(flag) != nullptr;
}

}  // namespace

AskedFlags::AskedFlags(const CLI::App& command) : command_(command) {
  prunes = (has(command, "--target-macs") && has(command, "--attention-macs") &&
            command.count("--target-macs") + command.count("--attention-macs") > 0) ||
           (has(command, "--target-params") && command.count("--target-params") > 0);
}

std::string AskedFlags::passed(const std::string& name) const {
  if (name.starts_with("--"))
    return option_of(command_, name).count() > 0 && !value(name).empty() ? name : "";
  for (const std::string& setting : option_of(command_, "--set").results()) {
    std::string key = setting.substr(0, setting.find('='));
    if (key == name || key.starts_with(name + ".")) return key;
  }
  return "";
}

bool AskedFlags::is(const std::string& flag) const {
  const CLI::Option& option = option_of(command_, flag);
  return option.count() > 0 && option.as<bool>();
}

std::string AskedFlags::value(const std::string& flag) const {
  const CLI::Option& option = option_of(command_, flag);
  if (option.count() == 0) return option.get_default_str();
  std::string text;
  for (const std::string& part : option.results()) text += (text.empty() ? "" : ",") + part;
  return text;
}

void check_flags(const CLI::App& command, const AskedFlags& asked) {
  if (const std::string wrong = pipeline::broken_rule(command.get_name(), asked); !wrong.empty())
    throw UsageError(wrong);
}

}  // namespace vitrim::app
