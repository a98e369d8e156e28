#include "vitrim/plan/candidates.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "vitrim/eval/cost.h"
#include "vitrim/merge/schedule.h"
#include "vitrim/model/channels.h"
#include "vitrim/surgery/remove_attention.h"

namespace vitrim::plan {

namespace {

std::vector<int> attention_layers(const ModelSpec& spec) {
  std::vector<int> out;
  for (size_t i = 0; i < spec.blocks.size(); ++i) {
    if (spec.blocks[i].attention != AttentionKind::kNone) out.push_back(static_cast<int>(i));
  }
  return out;
}

bool can_merge(const ModelSpec& spec) {
  try {
    return !merge::merging_blocks(spec).empty();
  } catch (const std::invalid_argument&) {
    return false;
  }
}

}  // namespace

Grid make_grid(const ModelSpec& dense, const GridOptions& options) {
  if (options.round < 1) throw std::invalid_argument("[plan::make_grid] widths are multiples of at least 1");
  const std::vector<int> layers = attention_layers(dense);
  const int count = static_cast<int>(layers.size());
  Grid grid{{{}}, {0}, {0}};
  const int most = std::min(options.most_removed < 0 ? (count + 1) / 2 : options.most_removed, count - 1);
  for (int k = 1; options.remove && k <= most; ++k)
    grid.sets.emplace_back(layers.begin(), layers.begin() + k);
  int64_t full = 0;
  for (const BlockSpec& block : dense.blocks) full = std::max({full, block.qk_dim, block.v_dim});
  const int64_t least = std::max<int64_t>(options.round, (3 * full + 7) / 8);
  if (options.prune) {
    for (int64_t width = (full - 1) / options.round * options.round; width >= least; width -= options.round)
      grid.widths.push_back(width);
  }
  if (options.merge && can_merge(dense)) {
    // As many pairs in every block as leave next to nothing at the top, and shares of that.
    const double each = static_cast<double>(dense.num_tokens() - dense.prefix_tokens()) / count;
    for (const double share : {0.25, 0.5, 0.75, 1.0, 1.25}) {
      const int64_t pairs = std::llround(share * each);
      if (pairs > grid.pairs.back()) grid.pairs.push_back(pairs);
    }
  }
  return grid;
}

ModelSpec candidate_spec(const ModelSpec& dense, const std::vector<int>& removed, int64_t width,
                         int64_t pairs) {
  ModelSpec spec = removed.empty() ? dense : surgery::remove_attention(dense, removed);
  for (int i = 0; width > 0 && i < static_cast<int>(spec.blocks.size()); ++i) {
    BlockSpec& block = spec.blocks[static_cast<size_t>(i)];
    if (model::can_prune(spec, i, model::ChannelGroup::kQk)) block.qk_dim = std::min(block.qk_dim, width);
    if (model::can_prune(spec, i, model::ChannelGroup::kV)) block.v_dim = std::min(block.v_dim, width);
  }
  if (pairs == 0) return spec;
  return merge::with_schedule(spec, merge::constant_schedule(spec, 0, pairs), /*quiet=*/true);
}

ModelSpec candidate_spec(const ModelSpec& dense, const PlanRow& row) {
  return candidate_spec(dense, row.removed, row.width, row.pairs);
}

std::vector<PlanRow> enumerate(const ModelSpec& dense, const Grid& grid) {
  std::vector<PlanRow> rows;
  for (const std::vector<int>& removed : grid.sets) {
    for (const int64_t width : grid.widths) {
      ModelSpec last;
      for (const int64_t pairs : grid.pairs) {
        const ModelSpec spec = candidate_spec(dense, removed, width, pairs);
        if (spec == last) continue;  // clipped to the one before
        last = spec;
        if (removed.empty() && width == 0 && pairs == 0) continue;
        const eval::ModelCost cost = eval::count_cost(spec);
        PlanRow row;
        row.removed = removed;
        row.width = width;
        row.pairs = pairs;
        row.params = cost.params;
        row.macs = cost.macs;
        rows.push_back(std::move(row));
      }
    }
  }
  return rows;
}

std::string describe(const PlanRow& row) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (!row.removed.empty()) add(std::to_string(row.removed.size()) + " removed");
  if (row.width > 0) add("width " + std::to_string(row.width));
  if (row.pairs > 0) add(std::to_string(row.pairs) + (row.pairs == 1 ? " pair" : " pairs"));
  return text.empty() ? "dense" : text;
}

std::vector<bool> undominated(const std::vector<std::vector<double>>& points) {
  std::vector<bool> out(points.size(), true);
  for (size_t i = 0; i < points.size(); ++i) {
    for (size_t j = 0; j < points.size() && out[i]; ++j) {
      bool no_higher = true, lower = false;
      for (size_t c = 0; c < points[i].size(); ++c) {
        no_higher &= points[j][c] <= points[i][c];
        lower |= points[j][c] < points[i][c];
      }
      if (no_higher && (lower || j < i)) out[i] = false;
    }
  }
  return out;
}

}  // namespace vitrim::plan
