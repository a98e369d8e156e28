#pragma once
// Counts multiply-adds as a function of widths, and finds widths that meet a target.

#include <functional>
#include <string>
#include <vector>

#include "vitrim/prune/units.h"

namespace vitrim::prune {

/// The target of pruning: MACs of the whole model, MACs of its attention layers (projections and mixing; no
/// norms), or parameters of the whole model.
struct Target {
  int64_t macs = 0;  ///< MACs, or parameters if `params` is set; then everything that ChannelBudget calls
                     ///< MACs is parameters
  bool attention_only = false;
  bool params = false;
};

/// Parses "70%" (of the dense model), "2.1G", "350M" or a plain number. Throws std::invalid_argument on
/// anything else, on more than 100 %, and on next to nothing (parse_count()).
Target parse_target(const std::string& text, bool attention_only, const ModelSpec& spec, bool params = false);

class ChannelBudget {
 public:
  /// Widths are multiples of `round`, or a head's full width. Throws std::invalid_argument if the target is
  /// above the dense model's value or below the value with `round` channels in every head.
  ChannelBudget(const ModelSpec& spec, std::vector<Unit> units, Target target, int64_t round);

  const std::vector<Unit>& units() const { return units_; }
  const Target& target() const { return target_; }
  /// The MACs with these widths, one per unit; exact, counted from the spec.
  int64_t macs(const std::vector<int64_t>& widths) const;
  int64_t floor() const { return floor_; }
  /// The MACs for kept shares rho [units] (float64, each in 0..1), differentiable. In one block the MACs are
  /// a + b qk + c v + d qk v.
  at::Tensor macs(const at::Tensor& shares) const;
  /// The allowed widths of a unit, ascending; the last one is the dense width.
  const std::vector<int64_t>& choices(size_t unit) const { return choices_[unit]; }

  /// Widths that meet the target as closely as rounding allows. `share(shift)` returns the wanted share of
  /// every unit and must increase with shift over [-limit, limit]. fit() finds the shift by bisection and
  /// rounds the shares down; then it gives the rest of the budget, step by step, to the units that lost most
  /// by rounding. The result is above the target by at most half a per cent; it is below it by less than half
  /// a per cent, or by less than the smallest step that would have crossed it.
  std::vector<int64_t> fit(const std::function<std::vector<double>(double)>& share, double limit) const;

 private:
  struct Block {
    int index = 0;
    int qk = -1, v = -1, mlp = -1;  // positions in units_
    double constant = 0, per_qk = 0, per_v = 0, per_both = 0, per_mlp = 0;
  };
  ModelSpec spec_;
  std::vector<Unit> units_;
  Target target_;
  std::vector<std::vector<int64_t>> choices_;
  std::vector<Block> blocks_;
  double constant_ = 0;
  int64_t floor_ = 0;
};

}  // namespace vitrim::prune
