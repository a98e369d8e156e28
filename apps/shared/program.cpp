#include "program.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <iostream>
#include <new>
#include <sstream>

#include "given_values.h"
#include "signals.h"
#include "streams.h"
#include "vitrim/checkpoint/locate.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"
#include "vitrim/core/suggest.h"

namespace vitrim::app {

namespace {

std::string& name_of_program() {
  static std::string& name = *new std::string("vitrim");  // never destroyed: signals are reported at exit too
  return name;
}

// The first line of LibTorch's messages, without its stack trace; vitrim's own messages without the name of
// the function.
std::string sentence(const std::string& text) {
  const std::string line = text.substr(0, text.find('\n'));
  const size_t end = line.find("] ");
  const bool named = line.starts_with('[') && end != std::string::npos &&
                     line.substr(0, end).find("::") != std::string::npos;
  return named ? line.substr(end + 2) : line;
}

bool has_commands(const CLI::App& app) {
  return !app.get_subcommands([](const CLI::App*) { return true; }).empty();
}

const CLI::App& active_command(const CLI::App& app) {
  const auto parsed = app.get_subcommands();
  return parsed.empty() ? app : *parsed.front();
}

// "MODEL, --calib and --output are required": everything that a command needs and that is missing; empty if
// nothing is missing.
std::string missing_options(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    if (option->get_required() && option->count() == 0) names.push_back(option->get_name());
  }
  std::string out;
  for (size_t i = 0; i < names.size(); ++i)
    out += (i == 0 ? "" : i + 1 == names.size() ? " and " : ", ") + names[i];
  return names.empty() ? "" : out + (names.size() == 1 ? " is required" : " are required");
}

// The words that a command does not take, and the positional arguments that it does.
std::string unexpected(const CLI::App& command) {
  std::string words, taken;
  for (const std::string& word : command.remaining()) words += (words.empty() ? "" : " ") + word;
  for (const CLI::Option* option : command.get_options()) {
    if (option->get_positional()) taken += (taken.empty() ? "" : " ") + option->get_name();
  }
  return "unexpected argument: " + words + "; besides flags the command takes " +
         (taken.empty() ? "nothing" : taken);
}

// Every flag and subcommand that would have been valid at its place.
std::vector<std::string> valid_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(sub->get_name());
  for (const CLI::Option* option : active_command(app).get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

bool known(const std::string& word, const std::vector<std::string>& names) {
  const std::string flag = word.substr(0, word.find('='));
  return std::find(names.begin(), names.end(), flag) != names.end();
}

// The text of --help or --version, for which the parser throws an `error` with exit code 0.
std::string help_text(const CLI::App& app, const CLI::ParseError& error) {
  std::ostringstream text, nothing;
  app.exit(error, text, nothing);
  return text.str();
}

// Context::options of the parsed command line: all options except those for output paths and the number of
// threads.
std::string given_options(const CLI::App& app) {
  std::string out;
  for (const CLI::App* command : app.get_subcommands()) {
    out += command->get_name() + "\n";
    for (const CLI::Option* option : command->get_options()) {
      const std::string name = option->get_name();
      const bool own = name == "--json" || name == "--report" || name == "--output" || name == "--state" ||
                       name == "--quiet" || name == "--threads";
      if (option->count() == 0 || own) continue;
      out += name;
      for (const std::string& value : option->results()) out += " " + value;
      out += "\n";
    }
  }
  return out;
}

// Prints what is wrong with the command line, with the nearest valid name; returns the exit code, 2.
int report_usage(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv,
                 bool help_was_shown) {
  std::string message = without_type_bounds(error.what());
  if (const std::string missing = missing_options(active_command(app));
      !missing.empty() && error.get_name() == "RequiredError")
    message = missing;
  if (error.get_name() == "ArgumentMismatch" && message.ends_with(" missing"))
    message = message.substr(0, message.find(':')) + " needs a value";
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ExtrasError))
    message = unexpected(active_command(app));
  const std::vector<std::string> names = valid_names(app);
  const bool commands = has_commands(app);
  if (argc == 1 && commands) message = "name a command";
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const bool flag = word.rfind("--", 0) == 0 && word.size() > 2;
    if ((flag || (i == 1 && commands)) && !known(word, names)) {
      const std::string meant = close_to(word.substr(0, word.find('=')), names);
      message = (flag ? "unknown flag " : "unknown command ") + word +
                (meant.empty() ? "" : "; did you mean " + meant + "?");
      break;
    }
  }
  std::cerr << program_name() << ": " << printable(message) << '\n';
  if (!help_was_shown) {
    const std::string command =
        app.get_subcommands().empty() ? "" : " " + app.get_subcommands().front()->get_name();
    std::cerr << "See " << program_name() << command << " --help.\n";
  }
  return 2;
}

}  // namespace

const std::string& program_name() { return name_of_program(); }

void begin_program(const std::string& name) {
  name_of_program() = name;
  hold_standard_streams();
  std::signal(SIGXFSZ, SIG_IGN);  // a write beyond the file size limit then fails, with a sentence about it
}

Context make_context(int argc, char** argv) {
  Context context;
  for (int i = 0; i < argc; ++i) {
    const std::string word = i == 0 ? program_name() : argv[i];
    const bool plain = !word.empty() && word.find_first_of(" \t\n'\"\\$`*?;&|<>()") == std::string::npos;
    context.command_line += (i ? " " : "") + (plain ? word : "'" + word + "'");
  }
  return context;
}

std::vector<std::string> expanded_arguments(int argc, char** argv) {
  std::vector<std::string> words;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const size_t value = word.starts_with("--") ? word.find('=') + 1 : 0;  // 0 if there is no =
    words.push_back(word.substr(0, value) + checkpoint::expand_home(word.substr(value)));
  }
  return words;
}

int fail(const std::string& message) {
  std::cerr << program_name() << ": " << printable(message) << '\n';
  return 1;
}

int run_program(CLI::App& app, Context& context, int argc, char** argv, const HelpHooks& hooks) {
  try {
    std::vector<std::string> words = expanded_arguments(argc, argv);
    std::reverse(words.begin(), words.end());  // the order that CLI11 expects
    app.parse(std::move(words));
    context.options = given_options(app);
    if (const std::string wrong = wrong_value(app); !wrong.empty()) throw CLI::ValidationError(wrong);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) {
      const std::string help = hooks.before_mistake ? hooks.before_mistake() : "";
      std::cerr << help;
      return report_usage(app, error, argc, argv, !help.empty());
    }
    if (hooks.before_help && error.get_name() == "CallForHelp") hooks.before_help();
    // Printed where a failed write is detected.
    context.run = [text = help_text(app, error)] { write_standard_output(text); };
  }
  try {
    context.run();
    check_standard_output();
    // Some file systems report a full disk or quota only here.
    if (std::fclose(stdout) != 0) return fail("cannot write to standard output: the disk may be full");
    return 0;
  } catch (const UsageError& error) {
    fail(sentence(error.what()));
    return 2;
  } catch (const Interrupted&) {
    return say_stopped();
  } catch (const std::bad_alloc&) {
    return fail("out of memory; use fewer images (--images) or a smaller --batch-size");
  } catch (const std::exception& error) {
    return fail(sentence(error.what()));
  }
}

}  // namespace vitrim::app
