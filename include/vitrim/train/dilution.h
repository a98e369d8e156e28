#pragma once
// Dilution learning (NOSE): a chosen attention layer fades out of its block, y = (2 - lambda) x + lambda
// A(LN1 x), lambda from 1 to 0.

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "vitrim/model/model.h"

namespace vitrim::train {

struct Dilution {
  std::vector<int> layers;          ///< whose attention goes
  double epochs = 0;                ///< until lambda is 0; 0: from the start
  std::string schedule = "linear";  ///< "linear": 1 - t; "cosine": (1 + cos(pi t)) / 2, t = share of
                                    ///< `epochs` done; "held_out": HeldOutLambda
  /// Of the stream x at lambda 0: y = (s - (s - 1) lambda) x + lambda A(LN1 x). 2 is NOSE's; 1 where the MLPs
  /// take the layer's work over (absorption), so that the block ends as y = x.
  double stream = 2;
};

/// Lambda after `epoch` epochs (fractions allowed); exactly 0 from `epochs` on. Throws std::invalid_argument
/// on a schedule that is no function of the epoch.
double dilution_lambda(const Dilution& dilution, double epoch);

/// Lambda by the loss on images that are not trained on: it falls from 1 to 0 in 20 equal steps. The loss is
/// looked at 40 times, at equal distances over the dilution's epochs, first at their beginning. Lambda falls
/// a step where the loss is not above what it was at the step before, so that a step waits until the model
/// has recovered from the last one; and where no more looks are left than steps, whatever the loss says.
/// Lambda is therefore 0 after half of the epochs at the earliest, and before their end in any case.
struct HeldOutLambda {
  static constexpr int64_t kSteps = 20, kLooks = 2 * kSteps;
  int64_t looks = 0, fallen = 0;                               ///< so far
  double reference = std::numeric_limits<double>::infinity();  ///< the loss at the last step
  double lambda() const { return 1 - static_cast<double>(fallen) / static_cast<double>(kSteps); }
  /// Whether a look is due after `done` of the dilution's epochs, a share of them.
  bool due(double done) const;
  /// Takes in what a look saw.
  void look(double loss);
};

/// One gain per block: what Dilution::stream says at lambda for the chosen layers, kKeep for the others.
std::vector<model::BlockGain> dilution_gains(const Dilution& dilution, double lambda, int blocks);

}  // namespace vitrim::train
