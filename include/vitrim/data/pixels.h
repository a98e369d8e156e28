#pragma once
// Loads sets of images into plain memory, decoded on all cores. Programs without LibTorch read images with
// it, and loader.h makes tensors from its result.

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
  int64_t max_corrupt = 0;  ///< largest number of corrupt images to skip (with a warning that names them);
                            ///< with more, loading fails
  std::vector<int64_t> indices;  ///< indices of the images to load, in this order; empty: all
  int64_t channels = 3;          ///< 1: images are converted to grey first; see image_channels()
};

/// Images that are ready for a model except for normalize(), stored as 8-bit integers.
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

/// The number of channels to read images with for a model: 3, or 1 (grey images) if the model's first layer
/// reads one channel. Throws vitrim::Error that names `source` and both numbers if the model reads any other
/// number. Call it before decoding images.
int64_t image_channels(const ModelSpec& spec, const std::string& source);

/// Decodes and transforms images. An image that resizing would make larger than dataset.max_pixels() counts
/// as corrupt. Throws vitrim::Error that names the corrupt images (the first ten) if there are more than
/// max_corrupt, or if no image is left.
PixelBatch decode_images(const Dataset& dataset, const LoadOptions& options);

/// Normalises images [begin, end) to float32 [end - begin, channels, side, side] at `out`: (x / 255 - mean) /
/// std. Throws std::invalid_argument if the range is outside the batch.
void normalize(const PixelBatch& images, int64_t begin, int64_t end, float* out);

}  // namespace vitrim::data
