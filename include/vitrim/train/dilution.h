#pragma once
// Dilution learning (NOSE): a chosen attention layer fades out of its block, y = (2 - lambda) x + lambda
// A(LN1 x), lambda from 1 to 0.

#include <string>
#include <vector>

#include "vitrim/model/model.h"

namespace vitrim::train {

struct Dilution {
  std::vector<int> layers;  ///< whose attention goes
  double epochs = 0;        ///< until lambda is 0; 0: from the start
  std::string schedule =
      "linear";  ///< "linear": 1 - t; "cosine": (1 + cos(pi t)) / 2, t = share of `epochs` done
};

/// Lambda after `epoch` epochs (fractions allowed); exactly 0 from `epochs` on. Throws std::invalid_argument
/// on an unknown schedule.
double dilution_lambda(const Dilution& dilution, double epoch);
/// One gain per block: diluted(lambda) for the chosen layers, kKeep for the others.
std::vector<model::BlockGain> dilution_gains(const Dilution& dilution, double lambda, int blocks);

}  // namespace vitrim::train
