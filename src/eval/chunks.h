#pragma once

#include <functional>

#include "vitrim/data/loader.h"
#include "vitrim/distributed/group.h"
#include "vitrim/eval/accuracy.h"

namespace vitrim::eval {

/// Decodes the images of `share` for `model`, options.chunk at a time, and calls `use` with each chunk.
/// Returns the number of corrupt images that were skipped. Throws as data::load_images() does if there are
/// more than options.max_corrupt.
int64_t for_each_chunk(const model::Model& model, const data::Dataset& dataset,
                       const AccuracyOptions& options, distributed::Share share,
                       const std::function<void(const data::ImageBatch&)>& use);

}  // namespace vitrim::eval
