#include "vitrim/data/loader.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <ATen/ops/from_blob.h>

#include <stdexcept>
#include <utility>

#include "data/decode_batch.h"
#include "data/normalization.h"
#include "vitrim/data/transform.h"

namespace vitrim::data {

ImageBatch load_images(const Dataset& dataset, const LoadOptions& options) {
  return decode_batch(dataset, options, "decode",
                      [&](const Image& image, int64_t) { return preprocess(image, options.preprocess); });
}

ImageBatch decode_batch(const Dataset& dataset, const LoadOptions& options, const std::string& stage,
                        const Prepare& prepare) {
  PixelBatch read = decode_images(dataset, options, stage, prepare);
  ImageBatch batch;
  batch.pixels = at::from_blob(
      read.pixels.get(), {read.size(), read.channels, read.side, read.side}, [held = read.pixels](void*) {},
      at::kByte);
  batch.labels = std::move(read.labels);
  batch.names = std::move(read.names);
  batch.corrupt = std::move(read.corrupt);
  batch.preprocess = options.preprocess;
  batch.description = std::move(read.description);
  batch.fingerprint = std::move(read.fingerprint);
  return batch;
}

ImageBatch select_images(const ImageBatch& images, const std::vector<int64_t>& indices) {
  ImageBatch out = images;
  out.pixels = images.pixels.index_select(0, at::tensor(indices, at::kLong));
  out.labels.clear();
  out.names.clear();
  for (int64_t i : indices) {
    out.labels.push_back(images.labels.at(static_cast<size_t>(i)));
    out.names.push_back(images.names.at(static_cast<size_t>(i)));
  }
  return out;
}

at::Tensor normalized(const ImageBatch& images, int64_t begin, int64_t end) {
  if (begin < 0 || begin > end || end > images.size()) {
    throw std::invalid_argument("[data::normalized] images " + std::to_string(begin) + " to " +
                                std::to_string(end) + " of " + std::to_string(images.size()));
  }
  const int64_t side = images.pixels.size(2), plane = side * images.pixels.size(3);
  const int64_t channels = images.pixels.size(1);
  at::Tensor result = at::empty({end - begin, channels, side, images.pixels.size(3)}, at::kFloat);
  const uint8_t* in = images.pixels.const_data_ptr<uint8_t>() + begin * channels * plane;
  auto* out = result.data_ptr<float>();
  at::parallel_for(0, (end - begin) * channels, 1, [&](int64_t first, int64_t last) {
    for (int64_t p = first; p < last; ++p)
      normalize_plane(in + p * plane, plane, images.preprocess, static_cast<size_t>(p % channels),
                      out + p * plane);
  });
  return result;
}

}  // namespace vitrim::data
