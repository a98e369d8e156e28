#pragma once
// The candidates of a plan and their counted costs: every combination of removed attention, static attention,
// narrower heads, narrower MLPs, merged tokens and int8.

#include <cstdint>
#include <string>
#include <vector>

#include "vitrim/core/model_spec.h"
#include "vitrim/core/plan_artifacts.h"
#include "vitrim/plan/budget.h"

namespace vitrim::plan {

struct GridOptions {
  int most_removed = -1;  ///< largest number of attention layers to remove; -1: half of them
  int64_t round = 8;      ///< the width of a head is a multiple of this, or its full width
  bool remove = true, fix = true, prune = true, mlp = true, merge = true;
  bool quantize = false;
};

/// The values of each move that candidates combine. The first value of each move changes nothing.
struct MoveGrid {
  std::vector<std::vector<int>> sets;  ///< [k] the set of k layers to remove
  std::vector<std::vector<int>>
      fixed;  ///< [k] the set of k layers whose attention becomes static, unless it is removed
  std::vector<int64_t> widths;  ///< largest number of channels per head: 0 (all), then descending to three
                                ///< eighths of the full width
  std::vector<int64_t> mlps;  ///< largest number of hidden units per MLP: 0 (all), then 7, 6, 5 and 4 eighths
                              ///< of the widest MLP
  std::vector<PlanMerging> mergings;  ///< no merging, then by start, ascending in pairs
  std::vector<bool> int8;             ///< false; and true if int8 is a move
};

/// The grid of a model. Until better sets are known, each set holds the first k layers with attention; at
/// least one layer keeps its attention. For families that can't merge, the only merging is none. Starts of
/// merging are 0 and a third of the layers, because merging loses most in early blocks.
MoveGrid make_grid(const ModelSpec& dense, const GridOptions& options = {});

/// The spec of `dense` after the moves of `row` (its measured figures are ignored). Merging counts blocks
/// that keep their attention; a number of pairs above what a block can merge is clipped, and a start after
/// the last such block merges nothing.
ModelSpec candidate_spec(const ModelSpec& dense, const PlanRow& row);

/// The number of pairs that each block of `spec`, a candidate's spec, merges: [num_blocks].
std::vector<int64_t> merging_schedule(const ModelSpec& spec, const PlanMerging& merging);

/// The spec with all linear layers of its blocks in int8.
ModelSpec in_int8(ModelSpec spec);

/// A combination of the grid, with its costs in the quantities of the budgets.
struct Candidate {
  PlanRow row;
  ModelSpec spec;             ///< candidate_spec() of the row
  std::vector<double> costs;  ///< predicted costs, one per budget
  bool measured() const { return row.measured_kl.has_value(); }
};

/// All combinations of the grid except the dense model and those with the same architecture as an earlier one
/// (because pairs were clipped). Parameters and multiply-adds are filled in, costs are not. The first index
/// (removal) varies slowest.
std::vector<Candidate> enumerate(const ModelSpec& dense, const MoveGrid& grid);

/// A description of the row: "6 removed, width 40, MLPs of 576, 8 pairs from layer 4"; "dense" if it changes
/// nothing.
std::string describe(const PlanRow& row);

/// The Pareto front of points [n][coordinates]: true for each point that no other point dominates, that is,
/// is nowhere higher and in one coordinate lower. Of equal points only the first counts.
std::vector<bool> undominated(const std::vector<std::vector<double>>& points);

}  // namespace vitrim::plan
