#pragma once
// The classification of images by vitrim-run.

#include <string>
#include <vector>

#include "vitrim/data/pixels.h"
#include "vitrim/runtime/engine.h"

namespace vitrim::app {

/// A class and its probability under the model.
struct Answer {
  int64_t index = 0;
  float logit = 0;
  double probability = 0;  ///< softmax over all classes
};

/// The `count` largest of `logits`, largest first; ties are in the order of the classes.
std::vector<Answer> best(std::span<const float> logits, int64_t count);

/// Logits of all images, [images.size(), engine.outputs()], `batch_size` images at a time. Throws Interrupted
/// if a stop was requested.
std::vector<float> answers(runtime::Engine& engine, const data::PixelBatch& images, int64_t batch_size);

}  // namespace vitrim::app
