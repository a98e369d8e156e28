#include "export/known_fields.h"

#include <set>
#include <stdexcept>

#include "core/json.h"
#include "vitrim/architecture/executor.h"

namespace vitrim::exporter {

namespace {

void check(const json::Json& object, const std::string& prefix, const std::string& place,
           const std::set<std::string>& more) {
  // What all executors follow, and what the writers do beyond that.
  static const std::set<std::string> known = [] {
    std::set<std::string> fields = architecture::common_fields();
    fields.insert({"focusing_factor", "filter_size", "activation", "gated_mlp", "blocks.window",
                   "blocks.shift", "blocks.sr_ratio", "blocks.merge", "blocks.own_filters", "blocks.filter"});
    return fields;
  }();
  for (const auto& [key, value] : object.items()) {
    if (!known.contains(prefix + key) && !more.contains(prefix + key))
      throw std::invalid_argument(place + "the writer does not know what \"" + key + "\" does to a model");
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
