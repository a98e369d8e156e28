#pragma once
#include "core/json.h"
#include "vitrim/core/model_spec.h"

namespace vitrim {

/// The spec as a member of a larger document. Reading checks keys and types, not whether the spec is a
/// possible model.
json::Json write_model_spec(const ModelSpec& spec);
ModelSpec read_model_spec(const json::Json& json, const json::Place& place);

}  // namespace vitrim
