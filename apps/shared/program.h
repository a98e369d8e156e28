#pragma once
// Code that vitrim's programs share: the start of a call, usage messages, and exit codes for errors.

#include <CLI/CLI.hpp>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace vitrim::app {

/// Wrong usage that the parser can't detect; exit code 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The command that the program will run, and facts about this call.
struct Context {
  std::string command_line;
  std::string
      options;  ///< the given options that influence the work, one per line; they must be equal on all ranks
  std::function<void()> run;
};

/// Additions of a program to the parser's help; each may be empty.
struct HelpHooks {
  std::function<std::string()>
      before_mistake;                 ///< text on standard error before the message about wrong usage
  std::function<void()> before_help;  ///< called before --help is shown
};

/// The name of this process in messages on standard error, "vitrim" or "vitrim-run".
const std::string& program_name();

/// Call it first, with the program's name. It keeps the descriptors of the standard streams open, watches
/// signals, and lets a write beyond the file size limit fail instead of ending the process.
void begin_program(const std::string& name);
/// The command line, quoted for a shell.
Context make_context(int argc, char** argv);
/// The arguments with `~/` replaced by the home folder, also after the = of a flag, where shells do not
/// expand it.
std::vector<std::string> expanded_arguments(int argc, char** argv);
/// Parses, runs `context.run`, and returns the exit code: 0; 1 with a sentence on standard error; 2 if the
/// command line is wrong; 130 if a signal stopped it. If results could not be written completely to standard
/// output, it is 1.
int run_program(CLI::App& app, Context& context, int argc, char** argv, const HelpHooks& hooks = {});
/// Prints what went wrong and returns the exit code for it, 1.
int fail(const std::string& message);

}  // namespace vitrim::app
