#include "rules.h"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "vitrim/pipeline/option_rules.h"
#include "vitrim/pipeline/prune.h"

namespace vitrim::python {

namespace py = pybind11;

namespace {

using Pair = std::pair<std::string_view, std::string_view>;

// The program's options whose arguments have another name; the others have that of the flag.
constexpr std::array kRenamed = {Pair{"--no-absorb", "absorb"}, Pair{"--auto", "choose"},
                                 Pair{"--calib", "images"}, Pair{"--images", "count"}};
// The program's settings that are arguments.
constexpr std::array kSettings = {Pair{"fit.learning_rate", "learning_rate"},
                                  Pair{"fit.ridge", "ridge"},
                                  Pair{"fit.cls_weight", "cls_weight"},
                                  Pair{"fit.held_out", "held_out"},
                                  Pair{"fit.flip", "flip"},
                                  Pair{"channels.round", "round"},
                                  Pair{"channels.score_images", "score_images"},
                                  Pair{"indicators.epochs", "indicator_epochs"},
                                  Pair{"indicators.learning_rate", "indicator_rate"},
                                  Pair{"indicators.temperature", "temperature"}};

std::string argument_of(std::string_view flag) {
  for (const Pair& pair : kRenamed) {
    if (pair.first == flag) return std::string(pair.second);
  }
  std::string out(flag.substr(2));
  std::replace(out.begin(), out.end(), '-', '_');
  return out;
}

class AskedArguments : public pipeline::Asked {
 public:
  explicit AskedArguments(const py::dict& arguments) : arguments_(arguments) {
    prunes = (*this)("--target-macs") || (*this)("--attention-macs") || (*this)("--target-params");
  }

  std::string passed(const std::string& name) const override {
    if (name.starts_with("--")) {
      const std::string argument = argument_of(name);
      // Every call returns its model, and prune() does not train.
      if (name == "--output" || name == "--few-shot") return argument;
      return has(argument, /*meant=*/name != "--no-absorb") ? argument : "";
    }
    for (const auto& [key, argument] : kSettings) {
      const bool meant = key == name || key.starts_with(name + ".");
      if (meant && has(std::string(argument), true)) return std::string(argument);
    }
    return "";
  }

  bool is(const std::string& flag) const override { return (*this)(flag); }

  std::string value(const std::string& flag) const override {
    const std::string argument = argument_of(flag);
    if (has(argument, true)) return py::str(arguments_[argument.c_str()]).cast<std::string>();
    const pipeline::PruneOptions usual;
    if (flag == "--scope") return prune::to_string(usual.scope);
    if (flag == "--channels-by") return usual.criterion;
    if (flag == "--begin-with") return prune::to_string(usual.indicators.begin_with);
    if (flag == "--similarity") return prune::to_string(usual.indicators.similarity);
    return "";
  }

  // A sentence of the rules with the names of the arguments.
  std::string spelled(const std::string& sentence) const {
    std::string out;
    for (size_t i = 0; i < sentence.size();) {
      const size_t end =
          sentence.compare(i, 2, "--") == 0
              ? std::min(sentence.find_first_not_of("abcdefghijklmnopqrstuvwxyz-", i), sentence.size())
              : i;
      const std::string flag = sentence.substr(i, end - i);
      const std::string argument = flag.empty() ? "" : argument_of(flag);
      if (flag.empty() || !arguments_.contains(argument)) {
        out += sentence[i++];
        continue;
      }
      out += flag == "--no-absorb" ? "absorb=False" : argument;
      i = end;
    }
    return out;
  }

 private:
  // Whether the argument was passed; a bool counts as passed if it is `meant`.
  bool has(const std::string& argument, bool meant) const {
    if (!arguments_.contains(argument)) return false;
    const py::object given = arguments_[argument.c_str()];
    if (py::isinstance<py::bool_>(given)) return given.cast<bool>() == meant;
    const bool sized =
        py::isinstance<py::str>(given) || py::isinstance<py::list>(given) || py::isinstance<py::tuple>(given);
    return !given.is_none() && !(sized && py::len(given) == 0);
  }

  const py::dict& arguments_;
};

}  // namespace

void check_options(const std::string& command, const py::dict& arguments) {
  const AskedArguments asked(arguments);
  const std::string wrong = pipeline::broken_rule(command, asked);
  if (!wrong.empty()) throw std::invalid_argument(asked.spelled(wrong));
}

}  // namespace vitrim::python
