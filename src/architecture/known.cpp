// Published architectures by name.

#include "architecture/known.h"

#include <stdexcept>

#include "vitrim/architecture/known.h"
#include "vitrim/core/suggest.h"

namespace vitrim::architecture {

namespace {

const std::map<std::string, ModelSpec>& known() {
  static const std::map<std::string, ModelSpec> specs = [] {
    std::map<std::string, ModelSpec> out;
    add_known_vits(out);
    add_known_stages(out);
    for (auto& [name, spec] : out) spec.name = name;
    return out;
  }();
  return specs;
}

}  // namespace

ModelSpec known_spec(const std::string& name) {
  const auto found = known().find(name);
  if (found != known().end()) return found->second;
  throw std::invalid_argument("[architecture::known_spec] there is no architecture '" + name +
                              "'; the nearest name is '" + nearest(name, known_names()) + "'");
}

std::vector<std::string> known_names() {
  std::vector<std::string> names;
  for (const auto& [name, spec] : known()) names.push_back(name);
  return names;
}

bool is_known_name(const std::string& name) { return known().count(name) > 0; }

}  // namespace vitrim::architecture
