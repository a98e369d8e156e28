#include "vitrim/core/assumption.h"

namespace vitrim {

std::string guesses_text(const std::string& path, const std::vector<Assumption>& assumed) {
  std::string list, flags;
  for (const Assumption& one : assumed) {
    if (!one.guess) continue;
    list += (list.empty() ? "" : ", ") + one.field + " " + one.value + " (" + one.why + ")";
    if (!one.flag.empty() && flags.find(one.flag) == std::string::npos)
      flags += (flags.empty() ? "" : ", ") + one.flag;
  }
  if (list.empty()) return {};
  return path + ": its files do not say everything, and these values are assumed: " + list +
         (flags.empty() ? "" : "; if one is wrong, state the right value with " + flags);
}

}  // namespace vitrim
