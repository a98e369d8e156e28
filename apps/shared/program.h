#pragma once
// What vitrim's programs share: how a call begins, how usage is explained, how errors become exit codes.

#include <CLI/CLI.hpp>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace vitrim::app {

/// A wrong use that the parser could not see; exit code 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// What the program will do, and facts about this call.
struct Context {
  std::string command_line;
  std::string options;  ///< given ones that steer the work, one a line: the same on all ranks
  std::function<void()> run;
};

/// What a program adds to the parser's help; each may be empty.
struct HelpHooks {
  std::function<std::string()> before_mistake;  ///< what is said on standard error before a wrong use is
  std::function<void()> before_help;            ///< called before --help is shown
};

/// The name under which this process speaks on standard error, "vitrim" or "vitrim-run".
const std::string& program_name();

/// Call first, with the program's name: keeps the standard streams' descriptors, watches signals, lets a file
/// size limit fail the write.
void begin_program(const std::string& name);
/// The call as a shell would take it.
Context make_context(int argc, char** argv);
/// The arguments with `~/` as the home folder, also after the = of a flag, where shells leave it alone.
std::vector<std::string> expanded_arguments(int argc, char** argv);
/// Parses, runs `context.run` and returns the exit code: 0, 1 with a sentence on standard error, 2 where the
/// command line is wrong, 130 where a signal stopped it. Results are on standard output whole, or it is 1.
int run_program(CLI::App& app, Context& context, int argc, char** argv, const HelpHooks& hooks = {});
/// Says what went wrong; the exit code that goes with it, 1.
int fail(const std::string& message);

}  // namespace vitrim::app
