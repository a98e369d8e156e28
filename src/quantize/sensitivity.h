#pragma once
// The cost of each layer's quantisation: the KL divergence that it adds on images held out from all fits.

#include <vector>

#include "quantize/work.h"
#include "vitrim/data/loader.h"
#include "vitrim/model/model.h"

namespace vitrim::quantize {

/// The float model's results on a few images: its stream before each block, and its outputs.
struct FloatRun {
  std::vector<at::Tensor> before;  ///< [num_blocks + 1], the last after the last block; float32 [n, N, C]
  at::Tensor answers;
};

/// Runs the float model on the first `count` images.
FloatRun run_float(const model::Model& teacher, const data::ImageBatch& images, int64_t count,
                   int64_t batch_size);

/// Mean KL divergence from `run.answers` in nats, with only one unit of `work` int8, for each unit in the
/// order of work.units(). Cost: half a pass over the images per unit.
std::vector<double> kl_of_units(const Work& work, const model::Model& teacher, const FloatRun& run,
                                int64_t batch_size);

}  // namespace vitrim::quantize
