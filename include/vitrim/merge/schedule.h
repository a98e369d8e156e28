#pragma once
// How many pairs of tokens each block merges (ToMe, arXiv 2210.09461). Only ViTs, and there only blocks that
// keep their attention.

#include <cstdint>
#include <string>
#include <vector>

#include "vitrim/core/model_spec.h"

namespace vitrim::merge {

/// Blocks that can merge, from the image on. Throws std::invalid_argument for a family whose attention looks
/// through windows or at a smaller map: there every token has its place.
std::vector<int> merging_blocks(const ModelSpec& spec);

/// `pairs` in every block that can merge but the first `start` of them (the convention of ToMe's authors:
/// removed attention does not count): [num_blocks].
std::vector<int64_t> constant_schedule(const ModelSpec& spec, int start, int64_t pairs);
/// "13", "1:24" (start and pairs) or one number per block that can merge, "8,8,0,16". Throws
/// std::invalid_argument.
std::vector<int64_t> parse_schedule(const std::string& text, const ModelSpec& spec);

/// The spec with this schedule. More pairs than a block has are clipped, with a warning unless `quiet`.
ModelSpec with_schedule(ModelSpec spec, const std::vector<int64_t>& pairs, bool quiet = false);
/// The schedule that a spec carries: [num_blocks].
std::vector<int64_t> schedule_of(const ModelSpec& spec);
/// The spec with nothing merged.
ModelSpec unmerged(ModelSpec spec);
/// The constant schedule with the fewest pairs whose model needs at most `macs`. Throws std::invalid_argument
/// where no schedule does.
ModelSpec within_macs(const ModelSpec& spec, int start, int64_t macs);
/// "pairs of tokens merged by block: 0,24,24" and the like.
std::string describe_schedule(const ModelSpec& spec);

}  // namespace vitrim::merge
