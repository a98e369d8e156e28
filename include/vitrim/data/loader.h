#pragma once
// Whole sets of images in memory, decoded on all cores.

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "vitrim/core/model_spec.h"
#include "vitrim/data/dataset.h"

namespace vitrim::data {

struct LoadOptions {
  PreprocessSpec preprocess;
  int threads = 0;  ///< 0: all cores
  int64_t max_corrupt =
      0;  ///< corrupt images that are skipped (named in a warning, counted) before the load fails
  std::vector<int64_t> indices;  ///< which images, in this order; empty: all
  int64_t channels = 3;          ///< 1: images are made grey before anything else; see image_channels()
};

/// The channels in which images are read for a model: 3, or 1 where its first layer takes one, which means
/// grey images. Throws vitrim::Error naming `source` and both numbers where the model takes others, which
/// images don't have; call it before images are decoded.
int64_t image_channels(const ModelSpec& spec, const std::string& source);

/// Images ready for a model, kept as 8-bit (a quarter of the memory of floats, and exact).
struct ImageBatch {
  at::Tensor pixels;                 ///< uint8 [n, channels, crop, crop]
  std::vector<int64_t> labels;       ///< [n]; -1: none
  std::vector<std::string> names;    ///< [n]
  std::vector<std::string> corrupt;  ///< names of the images that were skipped
  PreprocessSpec preprocess;
  std::string description, fingerprint;
  int64_t size() const { return static_cast<int64_t>(labels.size()); }
};

/// Decodes, transforms. An image that resizing would make larger than dataset.max_pixels() counts as corrupt.
/// Throws vitrim::Error naming the corrupt images (the first ten) where there are more than max_corrupt, and
/// where none is left.
ImageBatch load_images(const Dataset& dataset, const LoadOptions& options);

/// Normalises images [begin, end) to float32 [end - begin, channels, crop, crop]: (x / 255 - mean) / std.
at::Tensor normalized(const ImageBatch& images, int64_t begin, int64_t end);
/// The images at these indices, in this order.
ImageBatch select_images(const ImageBatch& images, const std::vector<int64_t>& indices);
/// `count` indices spread evenly over 0..size-1 when size > count (class folders sort by class, so a prefix
/// would see few classes), else all.
std::vector<int64_t> spread_indices(int64_t size, int64_t count);

}  // namespace vitrim::data
