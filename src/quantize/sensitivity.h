#pragma once
// What each layer's int8 costs: the KL that it adds on images kept out of all fits.

#include <vector>

#include "quantize/work.h"
#include "vitrim/data/loader.h"
#include "vitrim/model/model.h"

namespace vitrim::quantize {

/// The float model on a few images: its stream before each block, and what it says.
struct FloatRun {
  std::vector<at::Tensor> before;  ///< [num_blocks + 1], the last after the last block; float32 [n, N, C]
  at::Tensor answers;
};

/// Runs the float model on the first `count` images.
FloatRun run_float(const model::Model& teacher, const data::ImageBatch& images, int64_t count,
                   int64_t batch_size);

/// Mean KL to `run.answers`, nats, with each unit of `work` alone int8; in the order of work.units(). Cost:
/// half a pass of the images a unit.
std::vector<double> kl_of_units(const Work& work, const model::Model& teacher, const FloatRun& run,
                                int64_t batch_size);

}  // namespace vitrim::quantize
