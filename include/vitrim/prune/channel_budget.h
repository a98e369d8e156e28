#pragma once
// Multiply-adds as a function of widths, and widths that meet a target.

#include <functional>
#include <string>
#include <vector>

#include "vitrim/prune/units.h"

namespace vitrim::prune {

/// What must be reached: MACs of the whole model, or of its attention layers (projections, mixing; no norms);
/// or parameters of the whole model.
struct Target {
  int64_t macs = 0;  ///< or parameters; all that a ChannelBudget calls MACs then is parameters
  bool attention_only = false;
  bool params = false;
};

/// "70%" (of the dense model's), "2.1G", "350M" or a plain number. Throws std::invalid_argument, also on more
/// than 100 % and on nothing.
Target parse_target(const std::string& text, bool attention_only, const ModelSpec& spec, bool params = false);

class ChannelBudget {
 public:
  /// `round`: widths are multiples of it, or a head's full width. Throws std::invalid_argument where the
  /// target is above what the model has or below what `round` channels in every head leave.
  ChannelBudget(const ModelSpec& spec, std::vector<Unit> units, Target target, int64_t round);

  const std::vector<Unit>& units() const { return units_; }
  const Target& target() const { return target_; }
  /// Exact, counted from the spec.
  int64_t macs(const std::vector<int64_t>& widths) const;
  int64_t floor() const { return floor_; }
  /// The same for kept shares rho [units] (float64, each in 0..1), differentiable: in one block MACs are a +
  /// b qk + c v + d qk v.
  at::Tensor macs(const at::Tensor& shares) const;
  /// Widths allowed in a unit, ascending; the last is the dense one.
  const std::vector<int64_t>& choices(size_t unit) const { return choices_[unit]; }

  /// Widths that meet the target as nearly as rounding lets them. `share(shift)` gives every unit's wanted
  /// share, growing in shift over [-limit, limit]; the shift is found by bisection, the shares are rounded
  /// down, and the rest of the budget goes, step by step, to the units that rounding took most from. Never
  /// above the target by more than half a per cent; below it by less than half a per cent or the smallest
  /// step that would have crossed it.
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
