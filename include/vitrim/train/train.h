#pragma once
// Supervised training of a model on images in memory.

#include <cstdint>
#include <string>
#include <vector>

#include "vitrim/data/loader.h"
#include "vitrim/model/model.h"
#include "vitrim/train/adamw.h"

namespace vitrim::train {

struct TrainOptions {
  int64_t epochs = 10;
  int64_t batch_size = 64;
  double learning_rate = 1e-3;
  AdamWOptions adamw{0.9, 0.999, 1e-8, 0.05};
  double warm_up_epochs = 1;
  double label_smoothing = 0.0;
  double clip_norm = 1.0;   ///< of the whole gradient; 0: no clipping
  uint64_t seed = 0;
};

struct EpochLog {
  int64_t epoch = 0;
  double loss = 0;
  double learning_rate = 0;
  double images_per_second = 0;
};

/// Trains `model` in place: cross-entropy with label smoothing, AdamW, cosine schedule with warm-up, a fresh order every epoch. Throws Error
/// with epoch and batch where the loss is not finite, or where images have no labels the model knows.
std::vector<EpochLog> train(model::Model& model, const data::ImageBatch& images, const TrainOptions& options);

}  // namespace vitrim::train
