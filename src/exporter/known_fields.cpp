#include "exporter/known_fields.h"

#include <stdexcept>

#include "core/json.h"
#include "exporter/executor.h"

namespace vitrim::exporter {

namespace {

void check(const json::Json& object, const std::string& prefix, const std::string& place,
           const std::set<std::string>& more) {
  for (const auto& [key, value] : object.items()) {
    if (architecture::common_fields().contains(prefix + key) || executor().fields.contains(prefix + key) ||
        more.contains(prefix + key))
      continue;
    throw std::invalid_argument(place + executor().name + " does not know what \"" + key +
                                "\" does to a model");
  }
}

}  // namespace

void check_known_fields(const std::string& spec_json, const std::string& place,
                        const std::set<std::string>& more) {
  const json::Json document = json::parse(spec_json, "the ModelSpec");
  check(document, "", place, more);
  for (const json::Json& block : document.at("blocks")) check(block, "blocks.", place, more);
}

}  // namespace vitrim::exporter
