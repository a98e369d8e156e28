// vitrim completion: a script that completes commands and flags in bash and zsh.

#include <algorithm>
#include <sstream>

#include "command.h"

namespace vitrim::app {
namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

// The words that an option accepts, "{f32,bf16}" in the name of its type; none if it accepts anything.
std::string choices(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const size_t begin = type.find('{'), end = type.find('}');
  if (begin == std::string::npos || end == std::string::npos) return "";
  std::string words = type.substr(begin + 1, end - begin - 1);
  std::replace(words.begin(), words.end(), ',', ' ');
  return words;
}

std::string script(const CLI::App& app, bool zsh) {
  std::vector<std::string> names;
  std::ostringstream cases;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
    std::vector<std::string> flags;
    std::ostringstream values;
    for (const CLI::Option* option : command->get_options()) {
      if (option->get_group().empty()) continue;
      std::string pattern;
      for (const std::string& name : option->get_lnames()) {
        flags.push_back("--" + name);
        pattern += (pattern.empty() ? "--" : "|--") + name;
      }
      const std::string words = choices(*option);
      if (!pattern.empty() && !words.empty())
        values << "        " << pattern << ") COMPREPLY=($(compgen -W '" << words
               << "' -- \"$current\")); return ;;\n";
    }
    cases << "    " << command->get_name() << ")\n      flags='" << joined(flags) << "'\n";
    if (!values.str().empty()) cases << "      case \"$previous\" in\n" << values.str() << "      esac\n";
    cases << "      ;;\n";
  }
  std::ostringstream out;
  out << "# Completion of vitrim, made by `vitrim completion " << (zsh ? "zsh" : "bash") << "`.\n";
  if (zsh)  // if no start-up file has loaded zsh's own completion yet
    out << "(( $+functions[compdef] )) || { autoload -U compinit && compinit; }\n"
           "autoload -U +X bashcompinit && bashcompinit\n";
  out << "_vitrim() {\n"
         "  local current=\"${COMP_WORDS[COMP_CWORD]}\" previous=\"${COMP_WORDS[COMP_CWORD-1]}\" flags=''\n"
         "  COMPREPLY=()\n"
         "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
         "    COMPREPLY=($(compgen -W '"
      << joined(names)
      << " --help --help-all --version' -- \"$current\"))\n"
         "    return\n"
         "  fi\n"
         "  case \"${COMP_WORDS[1]}\" in\n"
      << cases.str()
      << "  esac\n"
         "  case \"$current\" in\n"
         "    -*) COMPREPLY=($(compgen -W \"$flags\" -- \"$current\")) ;;\n"
         "  esac\n"  // nothing: the shell completes file names
         "}\n"
         "complete -o default -o bashdefault -F _vitrim vitrim\n";
  return out.str();
}

}  // namespace

void add_completion(CLI::App& app, Context& context) {
  auto shell = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand(
      "completion", "print a script that completes commands and flags: source <(vitrim completion bash)");
  command->add_option("SHELL", *shell, "shell for which the script is printed: bash or zsh")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh"}));
  command->callback([shell, &app, &context] {
    context.run = [shell, &app] { write_standard_output(script(app, *shell == "zsh")); };
  });
}

}  // namespace vitrim::app
