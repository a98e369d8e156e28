#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "vitrim/core/random.h"
#include "vitrim/eval/segmentation.h"

namespace vitrim::eval {

namespace {

using Images = std::vector<std::vector<ClassPixels>>;

std::vector<ClassPixels> totals(const Images& images, const std::vector<int64_t>& drawn, int64_t classes) {
  std::vector<ClassPixels> out(static_cast<size_t>(classes));
  for (const int64_t i : drawn) {
    for (const ClassPixels& c : images[static_cast<size_t>(i)]) {
      ClassPixels& sum = out.at(static_cast<size_t>(c.class_index));
      sum.labelled += c.labelled;
      sum.predicted += c.predicted;
      sum.both += c.both;
    }
  }
  return out;
}

double ratio(int64_t part, int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole)
                   : std::numeric_limits<double>::quiet_NaN();
}

double iou(const ClassPixels& c) { return ratio(c.both, c.labelled + c.predicted - c.both); }

double mean_of_finite(const std::vector<double>& values) {
  double sum = 0;
  int64_t count = 0;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    sum += value;
    ++count;
  }
  return count > 0 ? sum / static_cast<double>(count) : std::numeric_limits<double>::quiet_NaN();
}

std::vector<int64_t> all_of(size_t n) {
  std::vector<int64_t> out(n);
  std::iota(out.begin(), out.end(), 0);
  return out;
}

// The 95 % interval of `figure` over resampled images.
template <typename Figure>
std::pair<double, double> interval(size_t n, uint64_t seed, const Figure& figure) {
  constexpr int kResamples = 2000;
  Random random(seed, /*stream=*/0x6d696f75);
  std::vector<double> values(kResamples);
  std::vector<int64_t> drawn(n);
  for (double& value : values) {
    for (int64_t& i : drawn) i = random.below(static_cast<int64_t>(n));
    value = figure(drawn);
  }
  // Without any labelled pixel there is no figure.
  values.erase(std::remove_if(values.begin(), values.end(), [](double v) { return std::isnan(v); }),
               values.end());
  if (values.empty())
    return {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::quiet_NaN()};
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) {
    return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1))];
  };
  return {at(0.025), at(0.975)};
}

std::vector<double> class_ious(const Images& images, const std::vector<int64_t>& drawn, int64_t classes) {
  std::vector<double> out;
  for (const ClassPixels& c : totals(images, drawn, classes)) out.push_back(iou(c));
  return out;
}

// mIoU of the images `drawn`, over the classes that have an IoU in `whole`, that of all images. A class
// without a pixel among those drawn keeps its IoU of all images.
double resampled_miou(const Images& images, const std::vector<int64_t>& drawn,
                      const std::vector<double>& whole) {
  std::vector<double> values = class_ious(images, drawn, static_cast<int64_t>(whole.size()));
  for (size_t c = 0; c < values.size(); ++c) {
    if (std::isnan(values[c])) values[c] = whole[c];
  }
  return mean_of_finite(values);
}

int64_t labelled_pixels(const std::vector<ClassPixels>& image) {
  return std::accumulate(image.begin(), image.end(), int64_t{0},
                         [](int64_t sum, const ClassPixels& c) { return sum + c.labelled; });
}

}  // namespace

std::vector<ClassPixels> count_pixels(const at::Tensor& predicted, const at::Tensor& truth) {
  if (predicted.sizes() != truth.sizes() || predicted.scalar_type() != at::kByte ||
      truth.scalar_type() != at::kByte) {
    throw std::invalid_argument("[eval::count_pixels] two uint8 masks of one size are needed");
  }
  const at::Tensor p = predicted.contiguous(), t = truth.contiguous();
  const uint8_t *said = p.const_data_ptr<uint8_t>(), *is = t.const_data_ptr<uint8_t>();
  std::array<ClassPixels, 256> counts{};
  for (int64_t i = 0; i < t.numel(); ++i) {
    if (is[i] == data::kIgnoredClass) continue;
    ++counts[is[i]].labelled;
    ++counts[said[i]].predicted;
    if (is[i] == said[i]) ++counts[is[i]].both;
  }
  std::vector<ClassPixels> out;
  for (size_t c = 0; c < counts.size(); ++c) {
    counts[c].class_index = static_cast<int64_t>(c);
    if (counts[c].labelled > 0 || counts[c].predicted > 0) out.push_back(counts[c]);
  }
  return out;
}

SegmentationFigures summarise_pixels(Images images, int64_t classes) {
  SegmentationFigures out;
  const std::vector<int64_t> all = all_of(images.size());
  std::vector<double> accuracies;
  int64_t both = 0, labelled = 0;
  for (const ClassPixels& c : totals(images, all, classes)) {
    out.class_iou.push_back(iou(c));
    accuracies.push_back(ratio(c.both, c.labelled));
    both += c.both;
    labelled += c.labelled;
  }
  out.miou = mean_of_finite(out.class_iou);
  out.mean_accuracy = mean_of_finite(accuracies);
  out.pixel_accuracy = ratio(both, labelled);
  out.miou_ci95 = interval(images.size(), 0, [&](const std::vector<int64_t>& drawn) {
    return resampled_miou(images, drawn, out.class_iou);
  });
  out.images = std::move(images);
  return out;
}

PairedResult compare_miou(const SegmentationFigures& first, const SegmentationFigures& second,
                          uint64_t seed) {
  const Images &a = first.images, &b = second.images;
  bool same = !a.empty() && a.size() == b.size() && first.class_iou.size() == second.class_iou.size();
  for (size_t i = 0; same && i < a.size(); ++i) same = labelled_pixels(a[i]) == labelled_pixels(b[i]);
  if (!same) {
    throw std::invalid_argument("[eval::compare_miou] " + std::to_string(a.size()) + " and " +
                                std::to_string(b.size()) +
                                " images, or their labelled pixels, can't be paired");
  }
  PairedResult out;
  const auto difference = [&](const std::vector<int64_t>& drawn) {
    return resampled_miou(b, drawn, second.class_iou) - resampled_miou(a, drawn, first.class_iou);
  };
  out.difference = difference(all_of(a.size()));
  out.ci95 = interval(a.size(), seed, difference);
  out.mcnemar_p = std::numeric_limits<double>::quiet_NaN();
  return out;
}

}  // namespace vitrim::eval
