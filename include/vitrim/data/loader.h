#pragma once
// Loads sets of images as tensors, decoded on all cores. LoadOptions (pixels.h) selects and prepares them.

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "vitrim/data/pixels.h"

namespace vitrim::data {

/// Images that are ready for a model, stored as 8-bit integers (exact, with a quarter of the memory of
/// floats).
struct ImageBatch {
  at::Tensor pixels;                 ///< uint8 [n, channels, crop, crop]
  std::vector<int64_t> labels;       ///< [n]; -1: none
  std::vector<std::string> names;    ///< [n]
  std::vector<std::string> corrupt;  ///< names of the images that were skipped
  PreprocessSpec preprocess;
  std::string description, fingerprint;
  int64_t size() const { return static_cast<int64_t>(labels.size()); }
};

/// Decodes and transforms images. An image that resizing would make larger than dataset.max_pixels() counts
/// as corrupt. Throws vitrim::Error that names the corrupt images (the first ten) if there are more than
/// max_corrupt, or if no image is left.
ImageBatch load_images(const Dataset& dataset, const LoadOptions& options);

/// Normalises images [begin, end) to float32 [end - begin, channels, crop, crop]: (x / 255 - mean) / std.
at::Tensor normalized(const ImageBatch& images, int64_t begin, int64_t end);
/// The images with these indices, in this order.
ImageBatch select_images(const ImageBatch& images, const std::vector<int64_t>& indices);
/// `count` indices spread evenly over 0..size-1, or all if size <= count. (Class folders are sorted by class,
/// so the first images would cover few classes.)
std::vector<int64_t> spread_indices(int64_t size, int64_t count);
/// The images spread_indices(size, count) of `whole` as a data set, with the classes of `whole`; its
/// description and fingerprint state the count. `whole` itself if count is 0 or not below its size.
std::shared_ptr<const Dataset> spread_images(std::shared_ptr<const Dataset> whole, int64_t count);

}  // namespace vitrim::data
