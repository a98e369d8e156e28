#pragma once
// Whether the writers know all that a spec says.

#include <string>

#include "vitrim/core/model_spec.h"

namespace vitrim::exporter {

/// Throws std::invalid_argument, beginning with `place`, where the spec's JSON has a key that this module was not written for: it could change what a
/// model computes, and files would be silently wrong. A new field goes into the list once the writers follow it.
void check_known_fields(const ModelSpec& spec, const std::string& place);

}  // namespace vitrim::exporter
