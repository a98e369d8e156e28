#pragma once
// Whole sets of images in plain memory, decoded on all cores: what programs without LibTorch read images
// with, and what loader.h makes tensors of.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "vitrim/core/model_spec.h"
#include "vitrim/data/dataset.h"

namespace vitrim::data {

struct LoadOptions {
  PreprocessSpec preprocess;
  int threads = 0;          ///< 0: all cores
  int64_t max_corrupt = 0;  ///< corrupt images that are skipped (named in a warning, counted) before it fails
  std::vector<int64_t> indices;  ///< which images, in this order; empty: all
  int64_t channels = 3;          ///< 1: images are made grey before anything else; see image_channels()
};

/// Images ready for a model but for normalize(), kept as 8-bit.
struct PixelBatch {
  std::shared_ptr<uint8_t[]> pixels;  ///< [size(), channels, side, side]
  int64_t channels = 3, side = 0;
  std::vector<int64_t> labels;       ///< [n]; -1: none
  std::vector<std::string> names;    ///< [n]
  std::vector<std::string> corrupt;  ///< names of the images that were skipped
  PreprocessSpec preprocess;
  std::string description, fingerprint;
  int64_t size() const { return static_cast<int64_t>(labels.size()); }
  int64_t image_bytes() const { return channels * side * side; }
};

/// The channels in which images are read for a model: 3, or 1 where its first layer takes one, which means
/// grey images. Throws vitrim::Error naming `source` and both numbers where the model takes others, which
/// images don't have; call it before images are decoded.
int64_t image_channels(const ModelSpec& spec, const std::string& source);

/// Decodes and transforms. An image that resizing would make larger than dataset.max_pixels() counts as
/// corrupt. Throws vitrim::Error naming the corrupt images (the first ten) where there are more than
/// max_corrupt, and where none is left.
PixelBatch decode_images(const Dataset& dataset, const LoadOptions& options);

/// Normalises images [begin, end) to float32 [end - begin, channels, side, side] at `out`:
/// (x / 255 - mean) / std. Throws std::invalid_argument where the batch has no such images.
void normalize(const PixelBatch& images, int64_t begin, int64_t end, float* out);

}  // namespace vitrim::data
