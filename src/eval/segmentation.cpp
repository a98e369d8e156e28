#include "vitrim/eval/segmentation.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <stdexcept>

#include "vitrim/architecture/stages.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"
#include "vitrim/data/augment_segmented.h"
#include "vitrim/data/encode.h"
#include "vitrim/data/loader.h"
#include "vitrim/data/transform.h"
#include "vitrim/distributed/group.h"
#include "vitrim/eval/cost.h"
#include "vitrim/model/batches.h"

namespace vitrim::eval {

namespace {

int64_t rounded_up(int64_t size, int64_t unit) { return (size + unit - 1) / unit * unit; }

at::Tensor enlarged(const at::Tensor& logits, int64_t height, int64_t width) {
  if (logits.size(2) == height && logits.size(3) == width) return logits;
  return at::upsample_bilinear2d(logits, {height, width}, /*align_corners=*/false);
}

}  // namespace

struct PixelPredictor::Impl {
  const model::Model& model;
  int64_t window, stride, unit;
  mutable std::mutex mutex;
  mutable std::map<std::pair<int64_t, int64_t>, std::unique_ptr<model::Model>> sized;

  const model::Model& at_size(int64_t height, int64_t width) const {
    if (model.spec().image_size == std::array<int64_t, 2>{height, width}) return model;
    const std::lock_guard lock(mutex);
    auto& found = sized[{height, width}];
    if (!found) found = model.at_size(height, width);
    return *found;
  }

  // [n, 3, H, W] -> [n, K, h, w] for the images as they are; `covered`: whether the map covers exactly
  // the images.
  at::Tensor run(const at::Tensor& images, bool& exact) const {
    const int64_t height = images.size(2), width = images.size(3), tall = rounded_up(height, unit),
                  wide = rounded_up(width, unit);
    exact = tall == height && wide == width;
    // Zero is the mean colour of normalised images.
    const at::Tensor input =
        exact ? images : at::constant_pad_nd(images, {0, wide - width, 0, tall - height}, 0);
    return at_size(tall, wide).forward(input.to(model.device())).logits.to(at::kCPU);
  }

  at::Tensor run_whole(const at::Tensor& image) const {
    bool exact = false;
    const int64_t height = image.size(1), width = image.size(2);
    at::Tensor logits = run(image.unsqueeze(0), exact);
    if (exact) return logits;
    return enlarged(logits, rounded_up(height, unit), rounded_up(width, unit))
        .slice(2, 0, height)
        .slice(3, 0, width);
  }

  // The starts of the windows along a side.
  std::vector<int64_t> begins(int64_t size) const {
    std::vector<int64_t> out;
    for (int64_t at = 0;; at += stride) {
      out.push_back(std::min(at, std::max<int64_t>(0, size - window)));
      if (at + window >= size) return out;
    }
  }

  at::Tensor run_windows(const at::Tensor& image) const {
    const int64_t height = image.size(1), width = image.size(2);
    const int64_t high = std::min(window, height), wide = std::min(window, width);
    at::Tensor sum = at::zeros({1, model.spec().num_classes, height, width}),
               count = at::zeros({1, 1, height, width});
    for (const int64_t top : begins(height)) {
      for (const int64_t left : begins(width)) {
        const at::Tensor logits = run_whole(image.slice(1, top, top + high).slice(2, left, left + wide));
        sum.slice(2, top, top + high).slice(3, left, left + wide).add_(enlarged(logits, high, wide));
        count.slice(2, top, top + high).slice(3, left, left + wide).add_(1);
      }
    }
    return sum.div_(count);
  }
};

PixelPredictor::PixelPredictor(const model::Model& model, int64_t window, int64_t stride) {
  if (!model.spec().segmentation)
    throw std::invalid_argument("[eval::PixelPredictor] the model classifies images, not their pixels");
  const int64_t unit = architecture::size_unit(model.spec());
  if (window < 0 || (window > 0 && window % unit != 0)) {
    throw std::invalid_argument("[eval::PixelPredictor] a window of " + std::to_string(window) +
                                " pixels is not a multiple of the " + std::to_string(unit) +
                                " that the model's maps require");
  }
  if (stride < 0 || stride > window)
    throw std::invalid_argument("[eval::PixelPredictor] windows of " + std::to_string(window) +
                                " pixels at stride " + std::to_string(stride) + " leave gaps");
  impl_.reset(
      new Impl{model, window, stride > 0 ? stride : std::max<int64_t>(1, window * 2 / 3), unit, {}, {}});
}

PixelPredictor::~PixelPredictor() = default;

at::Tensor PixelPredictor::logits(const at::Tensor& image) const {
  const at::NoGradGuard no_grad;
  const bool whole = impl_->window == 0 || (image.size(1) <= impl_->window && image.size(2) <= impl_->window);
  return whole ? impl_->run_whole(image) : impl_->run_windows(image);
}

at::Tensor PixelPredictor::classes(const at::Tensor& image, int64_t height, int64_t width) const {
  constexpr int64_t kAtOnce =
      16;  // number of classes upsampled at a time; all of them at full size would take hundreds of megabytes
  const at::NoGradGuard no_grad;
  const at::Tensor small = logits(image);
  at::Tensor best, chosen;
  for (int64_t first = 0; first < small.size(1); first += kAtOnce) {
    const auto [value, index] = enlarged(small.slice(1, first, first + kAtOnce), height, width)[0].max(0);
    const at::Tensor named = (index + first).to(at::kByte);
    chosen = best.defined() ? at::where(value > best, named, chosen) : named;
    best = best.defined() ? at::maximum(best, value) : value;
  }
  return chosen;
}

std::string PixelPredictor::protocol() const {
  if (impl_->window == 0) return "whole images";
  return "windows of " + std::to_string(impl_->window) + " at stride " + std::to_string(impl_->stride);
}

namespace {

// An image's pixels as planes, uint8 [3, H, W].
at::Tensor planes_of(const data::Image& image) {
  at::Tensor rows = at::empty({image.height, image.width, 3}, at::kByte);
  std::copy(image.pixels.begin(), image.pixels.end(), rows.data_ptr<uint8_t>());
  return rows.permute({2, 0, 1});
}

data::Mask as_mask(const at::Tensor& classes) {
  const at::Tensor rows = classes.contiguous();
  const uint8_t* first = rows.const_data_ptr<uint8_t>();
  return {rows.size(0), rows.size(1), std::vector<uint8_t>(first, first + rows.numel())};
}

SegmentedPicture take_picture(const std::string& name, const data::SegmentedImage& pair,
                              const at::Tensor& predicted) {
  constexpr int64_t kSide = 256;
  const double factor = std::min(
      1.0, static_cast<double>(kSide) / static_cast<double>(std::max(pair.image.height, pair.image.width)));
  const auto side = [&](int64_t size) {
    return std::max<int64_t>(1, std::llrint(static_cast<double>(size) * factor));
  };
  const int64_t height = side(pair.image.height), width = side(pair.image.width);
  const auto small = [&](const data::Mask& mask) {
    return data::mask_data_url(data::mask_tensor(data::resize_mask(mask, height, width)));
  };
  return {name,
          data::jpeg_data_url(planes_of(data::resize(pair.image, height, width, Interpolation::kBilinear))),
          small(pair.mask), small(as_mask(predicted))};
}

struct Seen {
  std::vector<ClassPixels> pixels;
  SegmentedPicture picture;
  std::string problem;  ///< of a corrupt image
};

Seen look(const PixelPredictor& predictor, const data::Dataset& dataset, int64_t index,
          const PreprocessSpec& preprocess, int64_t channels, bool picture) {
  Seen out;
  try {
    data::SegmentedImage pair = data::read_segmented(dataset, index);
    if (channels == 1) data::make_grey(pair.image);
    PreprocessSpec resized = preprocess;
    resized.squash = false;
    data::ResizeLimit{dataset.max_pixels(), dataset.name(index)}.check(pair.image, resized);
    const data::Image image =
        preprocess.resize ? data::resize_short_side(pair.image, *preprocess.resize, preprocess.interpolation)
                          : pair.image;
    at::Tensor input = at::empty({channels, image.height, image.width});
    data::normalize(image, preprocess, input.mutable_data_ptr<float>(), channels);
    const at::Tensor predicted = predictor.classes(input, pair.mask.height, pair.mask.width);
    out.pixels = count_pixels(predicted, data::mask_tensor(pair.mask));
    if (picture) out.picture = take_picture(dataset.name(index), pair, predicted);
  } catch (const FormatError& error) {
    out.problem = error.what();
  }
  return out;
}

// Collects the corrupt images of all ranks, and refuses them or warns.
void judge_problems(const std::vector<Seen>& seen, int64_t all, const AccuracyOptions& options,
                    const std::string& description) {
  std::string text;
  int64_t named = 0;
  for (const Seen& s : seen) {
    if (!s.problem.empty() && named++ < 10) text += (text.empty() ? ": " : "; ") + s.problem;
  }
  if (all == 0) return;
  const std::string what = description + ": " + std::to_string(all) + " images are corrupt" + text;
  if (all > options.max_corrupt)
    throw Error(what + "; replace or remove them, or allow them with --max-corrupt " + std::to_string(all));
  log_warning(what + "; they are skipped");
}

// The counts of every image as numbers, for the other ranks: the number of classes, then four numbers per
// class.
std::vector<int64_t> packed(const std::vector<Seen>& seen) {
  std::vector<int64_t> out;
  for (const Seen& s : seen) {
    if (!s.problem.empty()) continue;
    out.push_back(static_cast<int64_t>(s.pixels.size()));
    for (const ClassPixels& c : s.pixels)
      out.insert(out.end(), {c.class_index, c.labelled, c.predicted, c.both});
  }
  return out;
}

std::vector<std::vector<ClassPixels>> unpacked(const std::vector<int64_t>& numbers) {
  std::vector<std::vector<ClassPixels>> out;
  for (size_t at = 0; at < numbers.size();) {
    const int64_t classes = numbers[at++];
    std::vector<ClassPixels>& image = out.emplace_back();
    for (int64_t c = 0; c < classes; ++c, at += 4)
      image.push_back({numbers[at], numbers[at + 1], numbers[at + 2], numbers[at + 3]});
  }
  return out;
}

}  // namespace

EvalResult evaluate_segmentation(const model::Model& model, const data::Dataset& dataset,
                                 const AccuracyOptions& options) {
  check_evaluable(model, dataset);
  const PixelPredictor predictor(model, options.window, options.stride);
  distributed::Group& group = distributed::or_alone(options.group);
  const distributed::Share share = group.share(dataset.size());
  std::vector<bool> pictured(static_cast<size_t>(share.size()), false);
  for (const int64_t i : data::spread_indices(share.size(), group.is_main() ? options.pictures : 0))
    pictured[static_cast<size_t>(i)] = true;
  std::vector<Seen> seen(static_cast<size_t>(share.size()));
  Progress progress("evaluate", share.size(), "images");
  const int64_t channels = data::image_channels(model.spec(), "the model");
  model::for_each_batch(share.size(), 1, [&](int, int64_t begin, int64_t) {
    seen[static_cast<size_t>(begin)] = look(predictor, dataset, share.begin + begin, options.preprocess,
                                            channels, pictured[static_cast<size_t>(begin)]);
    progress.advance();
  });
  const int64_t own =
      std::count_if(seen.begin(), seen.end(), [](const Seen& s) { return !s.problem.empty(); });
  int64_t corrupt = 0;
  for (const int64_t count : group.concatenate(std::vector<int64_t>{own})) corrupt += count;
  judge_problems(seen, corrupt, options, dataset.description());
  EvalResult result;
  result.segmentation = summarise_pixels(unpacked(group.concatenate(packed(seen))), model.spec().num_classes);
  SegmentationFigures& figures = *result.segmentation;
  if (std::isnan(figures.pixel_accuracy))
    throw Error(dataset.description() + ": no pixel is labelled; there is nothing to evaluate on");
  figures.protocol = predictor.protocol();
  figures.class_names = dataset.class_names();
  for (Seen& s : seen) {
    if (!s.picture.name.empty()) figures.pictures.push_back(std::move(s.picture));
  }
  result.data = dataset.description();
  result.images = static_cast<int64_t>(figures.images.size());
  const ModelCost cost = count_cost(model.spec());
  result.params = cost.params;
  result.macs = cost.macs;
  return result;
}

}  // namespace vitrim::eval
