#include "vitrim/data/pixels.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <thread>

#include "data/decode_images.h"
#include "data/for_each_index.h"
#include "data/normalization.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"
#include "vitrim/data/transform.h"

namespace vitrim::data {
namespace {

/// HWC to CHW, the layout that convolutions read. With one channel: the first.
void write_planes(const Image& image, int64_t channels, uint8_t* planes) {
  const int64_t plane = image.height * image.width;
  for (int64_t i = 0; i < plane; ++i) {
    for (int64_t c = 0; c < channels; ++c) planes[c * plane + i] = image.pixels[i * 3 + c];
  }
}

std::string join_first(const std::vector<std::string>& names, size_t limit) {
  std::string text;
  for (size_t i = 0; i < names.size() && i < limit; ++i) text += (i == 0 ? "" : ", ") + names[i];
  return names.size() > limit ? text + ", ..." : text;
}

int thread_count(int requested, int64_t images) {
  const int64_t all = requested > 0 ? requested : std::max<int64_t>(1, std::thread::hardware_concurrency());
  return static_cast<int>(std::min<int64_t>(all, images));
}

/// An image as `options` requires it before it is resized.
Image read_for(const Dataset& dataset, int64_t index, const LoadOptions& options) {
  Image image = dataset.read(index);
  ResizeLimit{dataset.max_pixels(), dataset.name(index)}.check(image, options.preprocess);
  if (options.channels == 1) make_grey(image);
  return image;
}

PixelBatch allocate(int64_t n, int64_t channels, int64_t side) {
  PixelBatch batch;
  batch.channels = channels;
  batch.side = side;
  try {
    batch.pixels = std::make_shared_for_overwrite<uint8_t[]>(static_cast<size_t>(n * batch.image_bytes()));
  } catch (const std::exception&) {
    throw Error("[data::load_images] no memory for " + std::to_string(n) + " images of " +
                std::to_string(side) + " x " + std::to_string(side) + " pixels; load fewer images");
  }
  return batch;
}

/// Warns about corrupt images; throws if there are more than allowed, or if no image is left.
void judge_corrupt(const std::vector<std::string>& corrupt, int64_t total, const std::string& first_reason,
                   int64_t allowed) {
  if (corrupt.empty()) return;
  const std::string text = std::to_string(corrupt.size()) + " of " + std::to_string(total) +
                           " images are corrupt: " + join_first(corrupt, 10) +
                           " (the first: " + first_reason + ")";
  const int64_t count = static_cast<int64_t>(corrupt.size());
  if (count > allowed) {
    throw Error(text + "; replace or remove them, or allow them with --max-corrupt " + std::to_string(count));
  }
  if (count == total) throw Error(text + "; no image is left");
  log_warning(text + "; they are skipped");
}

}  // namespace

int64_t image_channels(const ModelSpec& spec, const std::string& source) {
  if (spec.in_channels == 3 || spec.in_channels == 1) return spec.in_channels;
  throw Error(
      source + ": the model takes images of " + std::to_string(spec.in_channels) +
      " channels, and images have 3, or 1 where they are read as grey; only models of 3 channels or 1 "
      "can be run on image files");
}

PixelBatch decode_images(const Dataset& dataset, const LoadOptions& options) {
  return decode_images(dataset, options, "decode",
                       [&](const Image& image, int64_t) { return preprocess(image, options.preprocess); });
}

PixelBatch decode_images(const Dataset& dataset, const LoadOptions& options, const std::string& stage,
                         const Prepare& prepare) {
  std::vector<int64_t> indices = options.indices;
  if (indices.empty()) {
    indices.resize(dataset.size());
    std::iota(indices.begin(), indices.end(), 0);
  }
  for (const int64_t index : indices) {
    if (index >= 0 && index < dataset.size()) continue;
    throw std::invalid_argument("[data::load_images] image " + std::to_string(index) +
                                " was requested, but " + dataset.description() + " has 0 to " +
                                std::to_string(dataset.size() - 1));
  }
  if (indices.empty()) throw Error(dataset.description() + ": no images to load");

  const int64_t n = static_cast<int64_t>(indices.size()), side = options.preprocess.crop;
  if (side < 1)
    throw std::invalid_argument("[data::load_images] preprocess.crop must be at least 1, not " +
                                std::to_string(side));
  if (options.channels != 3 && options.channels != 1) {
    throw std::invalid_argument("[data::load_images] images are read in 3 channels or 1, not in " +
                                std::to_string(options.channels));
  }
  PixelBatch batch = allocate(n, options.channels, side);
  const int64_t image_bytes = batch.image_bytes();
  uint8_t* const bytes = batch.pixels.get();
  std::vector<std::string> problems(n);  // empty: the image is whole
  {
    std::optional<Progress> progress;
    if (!stage.empty()) progress.emplace(stage, n, "images");
    for_each_index(n, thread_count(options.threads, n), [&](int64_t i) {
      try {
        write_planes(prepare(read_for(dataset, indices[i], options), indices[i]), options.channels,
                     bytes + i * image_bytes);
      } catch (const FormatError& error) {
        problems[i] = error.what();
      }
      check_cancelled();
      if (progress) progress->advance();
    });
  }

  std::string first_reason;
  int64_t kept = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (!problems[i].empty()) {
      if (batch.corrupt.empty()) first_reason = problems[i];
      batch.corrupt.push_back(dataset.name(indices[i]));
      continue;
    }
    if (kept < i) std::copy_n(bytes + i * image_bytes, image_bytes, bytes + kept * image_bytes);
    ++kept;
    batch.labels.push_back(dataset.label(indices[i]));
    batch.names.push_back(dataset.name(indices[i]));
  }
  judge_corrupt(batch.corrupt, n, first_reason, options.max_corrupt);
  batch.preprocess = options.preprocess;
  batch.description = dataset.description();
  batch.fingerprint = dataset.fingerprint();
  if (n < dataset.size()) batch.fingerprint += ", " + std::to_string(n) + " of them used";
  return batch;
}

void normalize(const PixelBatch& images, int64_t begin, int64_t end, float* out) {
  if (begin < 0 || begin > end || end > images.size()) {
    throw std::invalid_argument("[data::normalize] images " + std::to_string(begin) + " to " +
                                std::to_string(end) + " of " + std::to_string(images.size()));
  }
  const int64_t plane = images.side * images.side;
  const uint8_t* in = images.pixels.get() + begin * images.image_bytes();
  for (int64_t i = begin; i < end; ++i) {
    for (int64_t c = 0; c < images.channels; ++c, in += plane, out += plane)
      normalize_plane(in, plane, images.preprocess, static_cast<size_t>(c), out);
  }
}

}  // namespace vitrim::data
