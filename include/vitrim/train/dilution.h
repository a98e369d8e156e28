#pragma once
// Dilution learning (NOSE): a chosen attention layer is faded out of its block by y = (2 - lambda) x + lambda
// A(LN1 x), with lambda falling from 1 to 0.

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "vitrim/model/model.h"

namespace vitrim::train {

struct Dilution {
  std::vector<int> layers;          ///< layers whose attention is removed
  double epochs = 0;                ///< epochs until lambda is 0; 0: lambda is 0 from the start
  std::string schedule = "linear";  ///< "linear": 1 - t; "cosine": (1 + cos(pi t)) / 2, where t is the
                                    ///< finished share of `epochs`; "held_out": see HeldOutLambda
  /// s, the factor on the stream x at lambda = 0: y = (s - (s - 1) lambda) x + lambda A(LN1 x). NOSE uses 2.
  /// It is 1 if the MLPs are fitted to do the layer's work (absorption), so that the block ends as y = x.
  double stream = 2;
};

/// Lambda after `epoch` epochs (fractions allowed); exactly 0 from `epochs` on. Throws std::invalid_argument
/// if the schedule is not a function of the epoch.
double dilution_lambda(const Dilution& dilution, double epoch);

/// Lambda controlled by the loss on images that are not trained on. It falls from 1 to 0 in 20 equal steps.
/// The loss is measured 40 times, at equal distances over the dilution's epochs, for the first time at their
/// beginning. Lambda falls by one step if the loss is not above its value at the previous step, so that a
/// step waits until the model has recovered. It also falls, whatever the loss is, if there are no more
/// measurements left than steps. Therefore lambda reaches 0 after half of the epochs at the earliest, and
/// always before their end.
struct HeldOutLambda {
  static constexpr int64_t kSteps = 20, kLooks = 2 * kSteps;
  int64_t looks = 0, fallen = 0;                               ///< measurements and steps so far
  double reference = std::numeric_limits<double>::infinity();  ///< the loss at the last fall of lambda
  double lambda() const { return 1 - static_cast<double>(fallen) / static_cast<double>(kSteps); }
  /// Whether a measurement is due after the share `done` of the dilution's epochs.
  bool due(double done) const;
  /// Updates lambda with a measured loss.
  void look(double loss);
};

/// One gain per block: for the chosen layers the gain at lambda (see Dilution::stream), for the others kKeep.
std::vector<model::BlockGain> dilution_gains(const Dilution& dilution, double lambda, int blocks);

}  // namespace vitrim::train
