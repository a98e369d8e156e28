#include "help_format.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <sstream>

namespace vitrim::app {
namespace {

size_t terminal_width() {
  constexpr size_t kUsual = 100, kNarrowest = 60, kWidest = 120;
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kUsual;
  return std::clamp<size_t>(size.ws_col, kNarrowest, kWidest);
}

// What the user types: names, the kind of value or the allowed words, and whether the option is required.
std::string typed(const CLI::Option& option, bool positional) {
  std::string out = positional ? option.get_name(true, false) : option.get_name(false, true);
  for (size_t at; (at = out.find("{false}")) != std::string::npos;) out.erase(at, 7);
  if (option.get_type_size() != 0) {
    std::string kind = option.get_type_name();
    const size_t colon = kind.find(':');
    const bool words = colon != std::string::npos && kind[colon + 1] == '{';
    kind = words ? kind.substr(colon + 1) : kind.substr(0, colon);
    if (!kind.empty() && !(positional && kind == "TEXT")) out += " " + kind;
    if (option.get_expected_max() == CLI::detail::expected_max_vector_size) out += " ...";
    if (option.get_required()) out += " REQUIRED";
  }
  return out;
}

std::string names(const std::set<CLI::Option*>& options) {
  std::set<std::string> sorted;  // the parser sorts them by their addresses
  for (const CLI::Option* option : options) {
    if (!option->get_group().empty())
      sorted.insert(option->get_name());  // without those that only --help-all shows
  }
  std::string out;
  for (const std::string& name : sorted) out += (out.empty() ? "" : ", ") + name;
  return out;
}

std::string meaning(const CLI::Option& option) {
  std::string out = option.get_description();
  if (const std::string needed = names(option.get_needs()); !needed.empty()) out += "; needs " + needed;
  if (const std::string others = names(option.get_excludes()); !others.empty())
    out += "; not together with " + others;
  const std::string usual = option.get_default_str();
  if (option.get_type_size() != 0 && !usual.empty()) out += " (default: " + usual + ")";
  return out;
}

}  // namespace

std::string wrapped(const std::string& text, size_t width) {
  std::istringstream words(text);
  std::string word, out;
  size_t column = 0;
  while (words >> word) {
    if (column > 0 && column + 1 + word.size() > width) {
      out += '\n';
      column = 0;
    } else if (column > 0) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
  }
  return out;
}

std::string HelpFormat::make_option(const CLI::Option* option, bool positional) const {
  std::stringstream out;
  CLI::detail::format_help(out, typed(*option, positional),
                           wrapped(meaning(*option), terminal_width() - column_width_), column_width_);
  return out.str();
}

// A hidden group leaves an empty line.
std::string HelpFormat::make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const {
  std::string out = CLI::Formatter::make_help(app, std::move(name), mode);
  for (size_t at; (at = out.find("\n\n\n")) != std::string::npos;) out.erase(at, 1);
  return out;
}

std::string HelpFormat::make_subcommand(const CLI::App* command) const {
  std::stringstream out;
  CLI::detail::format_help(out, command->get_display_name(true),
                           wrapped(command->get_description(), terminal_width() - column_width_),
                           column_width_);
  return out.str();
}

}  // namespace vitrim::app
