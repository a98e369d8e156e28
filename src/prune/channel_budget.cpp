#include "vitrim/prune/channel_budget.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <stdexcept>

#include "vitrim/architecture/channels.h"
#include "vitrim/architecture/cost.h"
#include "vitrim/architecture/parameters.h"
#include "vitrim/core/macs_target.h"

namespace vitrim::prune {

using architecture::ChannelGroup;

namespace {

int64_t counted(const ModelSpec& spec, const Target& target) {
  if (target.params) return architecture::count_parameters(spec);
  if (!target.attention_only) return architecture::total_macs(spec);
  int64_t total = 0;
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i)
    total += architecture::attention_macs(spec, i);
  return total;
}

}  // namespace

Target parse_target(const std::string& text, bool attention_only, const ModelSpec& spec, bool params) {
  Target out{0, attention_only, params};
  out.macs = parse_count(text, counted(spec, out), params ? "parameters" : "MACs");
  return out;
}

ChannelBudget::ChannelBudget(const ModelSpec& spec, std::vector<Unit> units, Target target, int64_t round)
    : spec_(spec), units_(std::move(units)), target_(target) {
  if (round < 1)
    throw std::invalid_argument("[prune::ChannelBudget] widths can't be multiples of " +
                                std::to_string(round));
  std::map<int, Block> blocks;
  for (size_t u = 0; u < units_.size(); ++u) {
    const Unit& unit = units_[u];
    std::vector<int64_t> widths;
    for (int64_t w = round; w < unit.width; w += round) widths.push_back(w);
    widths.push_back(unit.width);
    choices_.push_back(std::move(widths));
    Block& block = blocks[unit.block];
    block.index = unit.block;
    (unit.group == ChannelGroup::kQk  ? block.qk
     : unit.group == ChannelGroup::kV ? block.v
                                      : block.mlp) = static_cast<int>(u);
  }
  std::vector<int64_t> smallest;
  for (const auto& widths : choices_) smallest.push_back(widths.front());
  floor_ = macs(smallest);
  const int64_t dense = counted(spec_, target_);
  if (target_.macs > dense)
    throw std::invalid_argument("[prune::ChannelBudget] the target is above what the model has (" +
                                giga(dense) + ")");
  if (target_.macs < floor_) {
    const bool mlp = std::any_of(units_.begin(), units_.end(),
                                 [](const Unit& unit) { return unit.group == ChannelGroup::kMlp; });
    throw std::invalid_argument("[prune::ChannelBudget] " + giga(target_.macs) + " can't be reached: with " +
                                std::to_string(round) + " channels in every head " + giga(floor_) +
                                " are left; raise the target" +
                                (round > 1 ? ", or use a smaller channels.round" : "") +
                                (target_.attention_only || mlp ? "" : ", or --scope attention+mlp") +
                                (spec_.qk_norm ? "; q and k keep all of theirs before a q/k norm" : ""));
  }
  // A block's MACs are a + b qk + c v + d qk v + e mlp: five measurements.
  double in_blocks = 0;
  for (auto& entry : blocks) {
    const int index = entry.first;
    auto& block = entry.second;
    auto at = [&](int64_t qk, int64_t v, int64_t mlp) {
      ModelSpec changed = spec_;
      BlockSpec& b = changed.blocks[static_cast<size_t>(index)];
      if (block.qk >= 0) b.qk_dim = qk;
      if (block.v >= 0) b.v_dim = v;
      if (block.mlp >= 0) b.mlp_dim = mlp;
      // For the whole model: the contribution of the other blocks is constant.
      if (target_.params) return static_cast<double>(architecture::count_parameters(changed));
      const int64_t m = target_.attention_only ? 0 : architecture::mlp_macs(changed, index);
      return static_cast<double>(architecture::attention_macs(changed, index) + m);
    };
    const double base = at(1, 1, 1);
    block.per_both = at(2, 2, 1) - at(2, 1, 1) - at(1, 2, 1) + base;
    block.per_qk = at(2, 1, 1) - base - block.per_both;
    block.per_v = at(1, 2, 1) - base - block.per_both;
    block.per_mlp = at(1, 1, 2) - base;
    block.constant = base - block.per_qk - block.per_v - block.per_both - block.per_mlp;
    const BlockSpec& dense_block = spec_.blocks[static_cast<size_t>(index)];
    in_blocks += at(dense_block.qk_dim, dense_block.v_dim, dense_block.mlp_dim);
    blocks_.push_back(block);
  }
  constant_ = static_cast<double>(dense) - in_blocks;
}

int64_t ChannelBudget::macs(const std::vector<int64_t>& widths) const {
  return counted(with_widths(spec_, units_, widths), target_);
}

at::Tensor ChannelBudget::macs(const at::Tensor& shares) const {
  at::Tensor total = at::full({}, constant_, at::kDouble);
  auto kept = [&](int unit, double otherwise) {
    if (unit < 0) return at::full({}, otherwise, at::kDouble);
    return shares[unit] * static_cast<double>(units_[static_cast<size_t>(unit)].width);
  };
  for (const Block& block : blocks_) {
    const BlockSpec& dense = spec_.blocks[static_cast<size_t>(block.index)];
    const at::Tensor qk = kept(block.qk, static_cast<double>(dense.qk_dim)),
                     v = kept(block.v, static_cast<double>(dense.v_dim));
    const at::Tensor mlp = kept(block.mlp, static_cast<double>(dense.mlp_dim));
    total = total + block.constant + block.per_qk * qk + block.per_v * v + block.per_both * qk * v +
            block.per_mlp * mlp;
  }
  return total;
}

std::vector<int64_t> ChannelBudget::fit(const std::function<std::vector<double>(double)>& share,
                                        double limit) const {
  std::vector<double> wanted;
  auto rounded = [&](double shift) {
    wanted = share(shift);
    std::vector<int64_t> widths;
    for (size_t u = 0; u < units_.size(); ++u) {
      const double width = wanted[u] * static_cast<double>(units_[u].width) + 1e-9;
      const auto above = std::upper_bound(choices_[u].begin(), choices_[u].end(), width,
                                          [](double w, int64_t c) { return w < static_cast<double>(c); });
      widths.push_back(above == choices_[u].begin() ? *above : *(above - 1));
    }
    return widths;
  };
  double low = -limit, high = limit;
  if (macs(rounded(high)) <= target_.macs) low = high;
  for (int step = 0; step < 60 && low < high; ++step) {
    const double middle = (low + high) / 2;
    (macs(rounded(middle)) <= target_.macs ? low : high) = middle;
  }
  std::vector<int64_t> widths = rounded(low);
  if (macs(widths) > target_.macs) {  // shares that stay high for every shift
    for (size_t u = 0; u < units_.size(); ++u) widths[u] = choices_[u].front();
  }
  // The remainder from rounding: as long as a step fits, it goes to the unit that is furthest below its
  // share.
  const auto most = static_cast<int64_t>(std::floor(static_cast<double>(target_.macs) * 1.005));
  while (true) {
    int best = -1;
    double largest = -std::numeric_limits<double>::infinity();
    int64_t best_width = 0;
    for (size_t u = 0; u < units_.size(); ++u) {
      const auto next = std::upper_bound(choices_[u].begin(), choices_[u].end(), widths[u]);
      if (next == choices_[u].end()) continue;
      std::vector<int64_t> more = widths;
      more[u] = *next;
      if (macs(more) > most) continue;
      const double missing =
          (wanted[u] * static_cast<double>(units_[u].width) - static_cast<double>(widths[u])) /
              static_cast<double>(*next - widths[u]) +
          2;
      if (missing > largest) {
        largest = missing;
        best = static_cast<int>(u);
        best_width = *next;
      }
    }
    if (best < 0 || macs(widths) >= target_.macs) return widths;
    widths[static_cast<size_t>(best)] = best_width;
  }
}

}  // namespace vitrim::prune
