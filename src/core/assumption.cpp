#include "vitrim/core/assumption.h"

#include <algorithm>

namespace vitrim {

std::string guesses_text(const std::string& path, const std::vector<Assumption>& assumed,
                         const std::vector<std::string>& stated) {
  std::string list, flags;
  for (const Assumption& one : assumed) {
    if (!one.guess || std::find(stated.begin(), stated.end(), one.flag) != stated.end()) continue;
    list += (list.empty() ? "" : ", ") + one.field + " " + one.value + " (" + one.why + ")";
    if (!one.flag.empty() && flags.find(one.flag) == std::string::npos)
      flags += (flags.empty() ? "" : ", ") + one.flag;
  }
  if (list.empty()) return {};
  return path + ": its files do not state everything, and these values are assumed: " + list +
         (flags.empty() ? "" : "; if one is wrong, state the right value with " + flags);
}

}  // namespace vitrim
