#include "vitrim/plan/candidates.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <stdexcept>

#include "vitrim/architecture/channels.h"
#include "vitrim/architecture/parameters.h"
#include "vitrim/eval/cost.h"
#include "vitrim/merge/schedule.h"
#include "vitrim/surgery/make_static.h"
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

MoveGrid make_grid(const ModelSpec& dense, const GridOptions& options) {
  if (options.round < 1) throw std::invalid_argument("[plan::make_grid] widths are multiples of at least 1");
  const std::vector<int> layers = attention_layers(dense);
  const int count = static_cast<int>(layers.size());
  MoveGrid grid{{{}}, {{}}, {0}, {0}, {{}}, {false}};
  if (options.quantize) grid.int8.push_back(true);
  const int most = std::min(options.most_removed < 0 ? (count + 1) / 2 : options.most_removed, count - 1);
  for (int k = 1; options.remove && k <= most; ++k)
    grid.sets.emplace_back(layers.begin(), layers.begin() + k);
  const bool can_be_fixed =
      dense.family == "vit" && std::none_of(dense.blocks.begin(), dense.blocks.end(), [](const BlockSpec& b) {
        return b.attention == AttentionKind::kStatic;
      });
  for (int k = 1; options.fix && can_be_fixed && k <= most; ++k)
    grid.fixed.emplace_back(layers.begin(), layers.begin() + k);
  int64_t full = 0;
  for (const BlockSpec& block : dense.blocks) full = std::max({full, block.qk_dim, block.v_dim});
  const int64_t least = std::max<int64_t>(options.round, (3 * full + 7) / 8);
  if (options.prune) {
    for (int64_t width = (full - 1) / options.round * options.round; width >= least; width -= options.round)
      grid.widths.push_back(width);
  }
  int64_t hidden = 0;
  for (const BlockSpec& block : dense.blocks) hidden = std::max(hidden, block.mlp_dim);
  for (int64_t eighths = 7; options.mlp && eighths >= 4; --eighths) {
    const int64_t width = hidden * eighths / 8 / options.round * options.round;
    if (width > 0 && width < (grid.mlps.size() > 1 ? grid.mlps.back() : hidden)) grid.mlps.push_back(width);
  }
  if (options.merge && can_merge(dense)) {
    // The number of pairs per merging block that leaves next to no tokens at the end, and fractions of it.
    for (const int start : count > 2 ? std::vector<int>{0, count / 3} : std::vector<int>{0}) {
      const double each = static_cast<double>(dense.num_tokens() - dense.prefix_tokens()) / (count - start);
      int64_t last = 0;
      for (const double share : {0.25, 0.5, 0.75, 1.0, 1.25}) {
        const int64_t pairs = std::llround(share * each);
        if (pairs > last) grid.mergings.push_back({start, pairs});
        last = std::max(last, pairs);
      }
    }
  }
  return grid;
}

std::vector<int64_t> merging_schedule(const ModelSpec& spec, const PlanMerging& merging) {
  if (merging.start >= static_cast<int>(merge::merging_blocks(spec).size()))
    return std::vector<int64_t>(spec.blocks.size(), 0);
  return merge::constant_schedule(spec, merging.start, merging.pairs);
}

ModelSpec candidate_spec(const ModelSpec& dense, const PlanRow& row) {
  ModelSpec spec = row.fixed.empty() ? dense : surgery::make_static(dense, row.fixed);
  if (!row.removed.empty()) spec = surgery::remove_attention(spec, row.removed);
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i) {
    BlockSpec& block = spec.blocks[static_cast<size_t>(i)];
    const auto narrow = [&](architecture::ChannelGroup group, int64_t most, int64_t& width) {
      if (most > 0 && architecture::can_prune(spec, i, group)) width = std::min(width, most);
    };
    narrow(architecture::ChannelGroup::kQk, row.width, block.qk_dim);
    narrow(architecture::ChannelGroup::kV, row.width, block.v_dim);
    narrow(architecture::ChannelGroup::kMlp, row.mlp, block.mlp_dim);
  }
  if (row.merging.pairs > 0 && can_merge(spec))
    spec = merge::with_schedule(spec, merging_schedule(spec, row.merging), /*quiet=*/true);
  return row.int8 ? in_int8(std::move(spec)) : spec;
}

ModelSpec in_int8(ModelSpec spec) {
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i) {
    for (const architecture::QuantizableLayer& layer : architecture::quantizable_layers(spec, i))
      spec.blocks[static_cast<size_t>(i)].int8.*layer.member = true;
  }
  return spec;
}

std::vector<Candidate> enumerate(const ModelSpec& dense, const MoveGrid& grid) {
  std::vector<Candidate> candidates;
  PlanRow row;
  const auto with_mergings = [&] {
    std::vector<ModelSpec> seen;
    for (const PlanMerging& merging : grid.mergings) {
      row.merging = merging;
      row.int8 = false;
      const ModelSpec plain = candidate_spec(dense, row);
      if (std::find(seen.begin(), seen.end(), plain) != seen.end())
        continue;  // equal to another candidate after clipping
      seen.push_back(plain);
      const eval::ModelCost cost = eval::count_cost(plain);
      row.params = cost.params;
      row.macs = cost.macs;
      for (const bool int8 : grid.int8) {
        row.int8 = int8;
        if (int8 || plain != dense) candidates.push_back({row, int8 ? in_int8(plain) : plain, {}});
      }
    }
  };
  const auto with_widths = [&] {
    for (const int64_t width : grid.widths) {
      row.width = width;
      for (const int64_t mlp : grid.mlps) {
        row.mlp = mlp;
        with_mergings();
      }
    }
  };
  for (const std::vector<int>& removed : grid.sets) {
    row.removed = removed;
    for (const std::vector<int>& fixed : grid.fixed) {
      // Static layers that are not removed, or none.
      const bool beyond = fixed.size() > removed.size() &&
                          std::includes(fixed.begin(), fixed.end(), removed.begin(), removed.end());
      if (!fixed.empty() && !beyond) continue;
      row.fixed.clear();
      if (!fixed.empty())
        std::set_difference(fixed.begin(), fixed.end(), removed.begin(), removed.end(),
                            std::back_inserter(row.fixed));
      with_widths();
    }
  }
  return candidates;
}

std::string describe(const PlanRow& row) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (!row.removed.empty()) add(std::to_string(row.removed.size()) + " removed");
  if (!row.fixed.empty()) add(std::to_string(row.fixed.size()) + " static");
  if (row.width > 0) add("width " + std::to_string(row.width));
  if (row.mlp > 0) add("MLPs of " + std::to_string(row.mlp));
  if (const auto& [start, pairs] = row.merging; pairs > 0) {
    add(std::to_string(pairs) + (pairs == 1 ? " pair" : " pairs") +
        (start > 0 ? " from layer " + std::to_string(start) : ""));
  }
  if (row.int8) add("int8");
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
