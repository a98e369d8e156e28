#pragma once
// What vitrim-run says of images.

#include <string>
#include <vector>

#include "vitrim/data/pixels.h"
#include "vitrim/runtime/engine.h"

namespace vitrim::app {

/// A class and what the model gives it.
struct Answer {
  int64_t index = 0;
  float logit = 0;
  double probability = 0;  ///< softmax over all classes
};

/// The `count` largest of `logits`, largest first; ties in the order of the classes.
std::vector<Answer> best(std::span<const float> logits, int64_t count);

/// Logits of all images, [images.size(), engine.outputs()], `batch_size` images at a time. Throws Interrupted
/// where a stop was asked for.
std::vector<float> answers(runtime::Engine& engine, const data::PixelBatch& images, int64_t batch_size);

}  // namespace vitrim::app
