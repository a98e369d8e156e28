#pragma once
// Whether the writers know all that a spec says.

#include <set>
#include <string>

namespace vitrim::exporter {

/// Throws std::invalid_argument, beginning with `place`, where a spec's JSON (to_json) has a key that this
/// module was not written for: it could change what a model computes, and files would be silently wrong. A
/// new field goes into the list once the writers follow it; `more` is known to this writer alone.
void check_known_fields(const std::string& spec_json, const std::string& place,
                        const std::set<std::string>& more = {});

}  // namespace vitrim::exporter
