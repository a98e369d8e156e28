#pragma once
// What can be done to a model, and what it costs by count: every combination of removed attention, static
// attention, narrower heads, narrower MLPs, merged tokens and int8.

#include <cstdint>
#include <string>
#include <vector>

#include "vitrim/core/model_spec.h"
#include "vitrim/core/plan_artifacts.h"
#include "vitrim/plan/budget.h"

namespace vitrim::plan {

struct GridOptions {
  int most_removed = -1;  ///< attention layers; -1: half of them
  int64_t round = 8;      ///< widths of a head are multiples of it, or the full width
  bool remove = true, fix = true, prune = true, mlp = true, merge = true;
  bool quantize = false;
};

/// The values that candidates combine. The first of each is "leave it".
struct MoveGrid {
  std::vector<std::vector<int>> sets;  ///< [k] the set of k layers to remove
  std::vector<std::vector<int>>
      fixed;  ///< [k] the set of k layers whose attention becomes static, but for those removed
  std::vector<int64_t>
      widths;  ///< channels that a head keeps at most: 0 (all), then descending to three eighths
  std::vector<int64_t>
      mlps;  ///< hidden units that an MLP keeps at most: 0 (all), then 7, 6, 5 and 4 eighths of the widest
  std::vector<PlanMerging> mergings;  ///< none, then by start, ascending in pairs
  std::vector<bool> int8;             ///< false, and where int8 is a move true
};

/// Sets are the first k layers with attention until better are known; at least one layer keeps its attention.
/// Families that can't merge have the merging of no pairs alone. Starts are 0 and a third of the layers:
/// early blocks lose most by merging.
MoveGrid make_grid(const ModelSpec& dense, const GridOptions& options = {});

/// `dense` with what the row does done to it (its other members say nothing here). Merging counts blocks that
/// keep their attention; more pairs than there are tokens for are clipped, and a start beyond the last such
/// block merges nothing.
ModelSpec candidate_spec(const ModelSpec& dense, const PlanRow& row);

/// Pairs that each block of `spec`, a candidate's, merges. [num_blocks]
std::vector<int64_t> merging_schedule(const ModelSpec& spec, const PlanMerging& merging);

/// The spec with all linear layers of its blocks in int8.
ModelSpec in_int8(ModelSpec spec);

/// A combination of the grid with what the budgets ask about it.
struct Candidate {
  PlanRow row;
  ModelSpec spec;             ///< candidate_spec() of the row
  std::vector<double> costs;  ///< as predicted, a budget each
  bool measured() const { return row.measured_kl.has_value(); }
};

/// Every combination of the grid but the dense model itself and those that come to the same architecture as
/// one before (clipped pairs), with parameters and multiply-adds and without costs; the first index (removal)
/// is slowest.
std::vector<Candidate> enumerate(const ModelSpec& dense, const MoveGrid& grid);

/// "6 removed, width 40, MLPs of 576, 8 pairs from layer 4"; "dense" where nothing is done.
std::string describe(const PlanRow& row);

/// Which points no other point beats: in no coordinate higher and in one lower. points [n][coordinates]; of
/// equal points the first counts.
std::vector<bool> undominated(const std::vector<std::vector<double>>& points);

}  // namespace vitrim::plan
