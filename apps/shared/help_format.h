#pragma once
// The layout of --help: lines as wide as the terminal, without the parser's names for ranges.

#include <CLI/CLI.hpp>
#include <string>

namespace vitrim::app {

class HelpFormat : public CLI::Formatter {
 public:
  HelpFormat() {
    label("SUBCOMMAND", "COMMAND");
    label("Positionals", "Arguments");
  }
  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override;
  std::string make_option(const CLI::Option* option, bool positional) const override;
  std::string make_subcommand(const CLI::App* command) const override;
};

/// `text` with some spaces replaced by line breaks, so that lines have at most `width` characters if no word
/// is longer.
std::string wrapped(const std::string& text, size_t width);

}  // namespace vitrim::app
