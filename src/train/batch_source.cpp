#include "vitrim/train/batch_source.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "train/streams.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"
#include "vitrim/core/random.h"
#include "vitrim/data/augment.h"
#include "vitrim/data/transform.h"

namespace vitrim::train {

namespace {

SamplerOptions sampler_options(const data::Dataset& dataset, const Recipe& recipe,
                               const BatchSourceOptions& options) {
  SamplerOptions out;
  out.images = dataset.size();
  out.batch_size = recipe.batch_size;
  out.repeats = recipe.repeats;
  out.ranks = options.ranks;
  out.seed = options.seed;
  out.shard_ends = dataset.shard_ends();
  return out;
}

// Beta(alpha, alpha) by Joehnk's method, which is fast for alpha up to about 1, the range of mixing.
double beta(double alpha, Random& random) {
  while (true) {
    const double x = std::pow(random.uniform(), 1 / alpha), y = std::pow(random.uniform(), 1 / alpha);
    if (x + y > 0 && x + y <= 1) return x / (x + y);
  }
}

// Options that change images without their masks, or targets that can't be mixed, are refused.
void check_segmentation(const Recipe& recipe) {
  std::string surplus;
  const auto refuse = [&](bool on, const char* key) {
    if (on) surplus += (surplus.empty() ? "" : ", ") + std::string(key);
  };
  refuse(recipe.mixup > 0, "mixing.mixup");
  refuse(recipe.cutmix > 0, "mixing.cutmix");
  refuse(recipe.augment.rand_augment_ops > 0, "augment.rand_augment_ops");
  refuse(recipe.augment.erase_probability > 0, "augment.erase_probability");
  if (!surplus.empty())
    throw std::invalid_argument("the recipe's " + surplus +
                                " would change images and not their masks; set to 0 what segmentation can't "
                                "use, or use --recipe ade20k");
}

}  // namespace

BatchSource::BatchSource(const data::Dataset& dataset, const Recipe& recipe, BatchSourceOptions options)
    : dataset_(dataset),
      recipe_(recipe),
      options_(options),
      sampler_(sampler_options(dataset, recipe, options_)) {
  if (options_.task == Task::kClassification) {
    check_labels();
    return;
  }
  check_segmentation(recipe);
  if (!dataset.has_masks())
    throw Error(dataset.description() +
                " has no masks; training a model for segmentation needs an ADE20K folder or synthetic-masks");
  if (dataset.num_classes() != options_.num_classes) {
    throw Error(dataset.description() + " has " + std::to_string(dataset.num_classes()) +
                " classes, but the model " + std::to_string(options_.num_classes) +
                "; pass --head to train a new head for this data");
  }
  recipe_.segmentation.horizontal_flip = recipe.augment.horizontal_flip;
  recipe_.segmentation.color_jitter = recipe.augment.color_jitter;
}

void BatchSource::check_labels() const {
  const data::Dataset& dataset = dataset_;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const int64_t label = dataset.label(i);
    if (label < 0)
      throw Error(dataset.name(i) + " has no label; training needs a folder with one folder a class");
    if (label >= options_.num_classes) {
      throw Error(dataset.name(i) + " is of class " + std::to_string(label) + ", but the model has " +
                  std::to_string(options_.num_classes) +
                  " classes; pass --new-head to train a new classifier for this data");
    }
  }
}

void BatchSource::begin_epoch(int64_t epoch) {
  if (epoch == epoch_) return;
  epoch_ = epoch;
  order_ = sampler_.epoch(epoch);
}

data::SegmentedImage BatchSource::read(int64_t& index) const {
  for (int64_t tried = 0;; ++tried) {
    try {
      const bool segments = options_.task == Task::kSegmentation;
      data::SegmentedImage out =
          segments ? data::read_segmented(dataset_, index) : data::SegmentedImage{dataset_.read(index), {}};
      const data::ResizeLimit limit{dataset_.max_pixels(), dataset_.name(index)};
      if (segments) {
        // The largest target of the short side, and the longest long side that augment_segmented() allows.
        const auto side = static_cast<int64_t>(
            static_cast<double>(options_.preprocess.resize.value_or(options_.preprocess.crop)) *
            recipe_.segmentation.scale_max);
        const bool tall = out.image.height > out.image.width;
        limit.check(out.image, tall ? side * 4 : side, tall ? side : side * 4);
      } else if (!recipe_.augment.random_resized_crop) {
        limit.check(out.image, options_.preprocess);
      }
      if (options_.channels == 1) data::make_grey(out.image);
      return out;
    } catch (const FormatError& error) {
      {
        const std::lock_guard lock(corrupt_mutex_);
        const bool fresh = corrupt_.insert(index).second;
        const auto count = static_cast<int64_t>(corrupt_.size());
        if (count > options_.max_corrupt || tried + 1 >= dataset_.size()) {
          throw Error(std::string(error.what()) + "; " + std::to_string(count) +
                      " corrupt images are more than --max-corrupt " + std::to_string(options_.max_corrupt) +
                      " allows: replace or remove them, or allow more and --resume");
        }
        if (fresh) log_warning(std::string(error.what()) + "; the next image replaces it");
      }
      index = (index + 1) % dataset_.size();
    }
  }
}

void BatchSource::load(int64_t position, at::Tensor& image, at::Tensor& target) const {
  int64_t index = order_[static_cast<size_t>(position)];
  const data::SegmentedImage original = read(index);
  // Positions continue from epoch to epoch, so no two images of a run are augmented alike.
  Random random(options_.seed,
                stream(Stream::kAugment,
                       static_cast<uint64_t>(epoch_ * static_cast<int64_t>(order_.size()) + position)));
  if (options_.task == Task::kSegmentation) {
    const data::SegmentedImage varied =
        data::augment_segmented(original, options_.preprocess, recipe_.segmentation, random);
    data::normalize(varied.image, options_.preprocess, image.mutable_data_ptr<float>(), options_.channels);
    target.copy_(data::mask_tensor(varied.mask));
    return;
  }
  const data::Image varied = data::augment(original.image, options_.preprocess, recipe_.augment, random);
  data::normalize(varied, options_.preprocess, image.mutable_data_ptr<float>(), options_.channels);
  data::random_erase(image, recipe_.augment, random);
  const double off = recipe_.label_smoothing / static_cast<double>(options_.num_classes);
  target.fill_(off);
  target[dataset_.label(index)] = 1 - recipe_.label_smoothing + off;
}

void BatchSource::mix(int64_t position, at::Tensor& images, at::Tensor& targets, int64_t row) const {
  Random random(
      options_.seed,
      stream(Stream::kMix, static_cast<uint64_t>(epoch_ * static_cast<int64_t>(order_.size()) + position)));
  if (random.uniform() >= recipe_.mix_probability) return;
  const bool cut = recipe_.cutmix > 0 && (recipe_.mixup <= 0 || random.uniform() < recipe_.cutmix_share);
  double lambda = beta(cut ? recipe_.cutmix : recipe_.mixup, random);
  at::Tensor a = images[row], b = images[row + 1];
  if (cut) {
    // A box with share 1 - lambda of the area around a random centre, clipped at the border; lambda is then
    // the share that remains.
    const int64_t height = images.size(2), width = images.size(3);
    const double side = std::sqrt(1 - lambda);
    const auto tall = static_cast<int64_t>(static_cast<double>(height) * side),
               wide = static_cast<int64_t>(static_cast<double>(width) * side);
    const int64_t y = random.below(height), x = random.below(width);
    const int64_t top = std::max<int64_t>(0, y - tall / 2), bottom = std::min(height, y + tall / 2);
    const int64_t left = std::max<int64_t>(0, x - wide / 2), right = std::min(width, x + wide / 2);
    lambda = 1 - static_cast<double>((bottom - top) * (right - left)) / static_cast<double>(height * width);
    at::Tensor box_a = a.slice(1, top, bottom).slice(2, left, right),
               box_b = b.slice(1, top, bottom).slice(2, left, right);
    const at::Tensor kept = box_a.clone();
    box_a.copy_(box_b);
    box_b.copy_(kept);
  } else {
    const at::Tensor both = a + b;
    a.mul_(lambda).add_(b, 1 - lambda);
    b.copy_(both - a);
  }
  at::Tensor p = targets[row], q = targets[row + 1];
  const at::Tensor both = p + q;
  p.mul_(lambda).add_(q, 1 - lambda);
  q.copy_(both - p);
}

at::Tensor BatchSource::stochastic_depth(int64_t first_position, int64_t n) const {
  at::Tensor keep = at::ones({options_.depth, 2, n});
  auto value = keep.accessor<float, 3>();
  for (int64_t i = 0; i < n; ++i) {
    Random random(options_.seed, stream(Stream::kDropPath,
                                        static_cast<uint64_t>(epoch_ * static_cast<int64_t>(order_.size()) +
                                                              first_position + i)));
    for (int64_t block = 0; block < options_.depth; ++block) {
      const double rate = options_.depth > 1 ? recipe_.drop_path * static_cast<double>(block) /
                                                   static_cast<double>(options_.depth - 1)
                                             : 0;
      for (int64_t branch = 0; branch < 2; ++branch) {
        value[block][branch][i] = random.uniform() < rate ? 0.0f : static_cast<float>(1 / (1 - rate));
      }
    }
  }
  return keep;
}

at::Tensor BatchSource::empty_targets(int64_t n) const {
  if (options_.task == Task::kSegmentation)
    return at::empty({n, options_.preprocess.crop, options_.preprocess.crop}, at::kByte);
  return at::empty({n, options_.num_classes});
}

Rows BatchSource::rows(int64_t step, int64_t begin, int64_t end) const {
  if (epoch_ < 0) throw std::logic_error("[train::BatchSource] begin_epoch comes first");
  const bool mixes = recipe_.mixup > 0 || recipe_.cutmix > 0;
  // A pair is mixed completely, even if only one of its rows is requested.
  const int64_t first = mixes ? begin / 2 * 2 : begin,
                last = mixes ? std::min(batch_size(), (end + 1) / 2 * 2) : end;
  const int64_t side = options_.preprocess.crop, base = step * batch_size();
  at::Tensor images = at::empty({last - first, options_.channels, side, side}),
             targets = empty_targets(last - first);
  for (int64_t row = first; row < last; ++row) {
    at::Tensor image = images[row - first], target = targets[row - first];
    load(base + row, image, target);
  }
  if (mixes) {
    for (int64_t row = first; row + 1 < last; row += 2) mix(base + row, images, targets, row - first);
  }
  Rows out;
  out.images = images.slice(0, begin - first, end - first);
  out.targets = targets.slice(0, begin - first, end - first);
  if (recipe_.drop_path > 0) out.keep = stochastic_depth(base + begin, end - begin);
  return out;
}

}  // namespace vitrim::train
