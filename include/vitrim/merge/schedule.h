#pragma once
// Merging schedules: how many pairs of tokens each block merges (ToMe, arXiv 2210.09461). Only ViTs can
// merge, and only in blocks that keep their attention.

#include <cstdint>
#include <string>
#include <vector>

#include "vitrim/core/model_spec.h"

namespace vitrim::merge {

/// The blocks that can merge, ascending. Throws std::invalid_argument for a family whose attention works in
/// windows or on a smaller map, because there every token has a fixed place.
std::vector<int> merging_blocks(const ModelSpec& spec);

/// The schedule [num_blocks] with `pairs` pairs in every block that can merge, except the first `start` of
/// them (the convention of ToMe's authors; blocks without attention do not count).
std::vector<int64_t> constant_schedule(const ModelSpec& spec, int start, int64_t pairs);
/// Parses "13", "1:24" (start and pairs) or one number per block that can merge, "8,8,0,16", into
/// [num_blocks]. Throws std::invalid_argument on anything else.
std::vector<int64_t> parse_schedule(const std::string& text, const ModelSpec& spec);

/// The spec with this schedule. Numbers above what a block can merge are clipped, with a warning unless
/// `quiet`.
ModelSpec with_schedule(ModelSpec spec, const std::vector<int64_t>& pairs, bool quiet = false);
/// The schedule in a spec: [num_blocks].
std::vector<int64_t> schedule_of(const ModelSpec& spec);
/// The spec without any merging.
ModelSpec unmerged(ModelSpec spec);
/// The spec with the constant schedule that has the fewest pairs and needs at most `macs` multiply-adds.
/// Throws std::invalid_argument if there is none.
ModelSpec within_macs(const ModelSpec& spec, int start, int64_t macs);
/// Describes a schedule: "pairs of tokens merged by block: 0,24,24" and the like.
std::string describe_schedule(const ModelSpec& spec);

}  // namespace vitrim::merge
