#include "vitrim/analysis/spectrum.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "vitrim/distributed/group.h"

namespace vitrim::analysis {

namespace {

// Weights [H * W, kSpectrumRadii] of each DFT bin at each radius. A bin at radius f (in 0..1) is split
// between the two nearest radii; every column is normalised to a mean. A radius without a near bin takes the
// nearest bins, so that small grids work too.
at::Tensor ring_weights(int64_t height, int64_t width) {
  at::Tensor weights = at::zeros({height * width, kSpectrumRadii}, at::kDouble);
  auto w = weights.accessor<double, 2>();
  auto frequency = [](int64_t index, int64_t size) {  // |f| / pi
    const int64_t folded = std::min(index, size - index);
    return size > 1 ? 2.0 * static_cast<double>(folded) / static_cast<double>(size) : 0.0;
  };
  std::vector<double> radius;
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) radius.push_back(std::max(frequency(y, height), frequency(x, width)));
  }
  std::vector<double> rings = radius;
  std::sort(rings.begin(), rings.end());
  rings.erase(
      std::unique(rings.begin(), rings.end(), [](double a, double b) { return std::abs(a - b) < 1e-9; }),
      rings.end());
  std::vector<int64_t> ring_size(rings.size(), 0), ring_of(radius.size());
  for (size_t b = 0; b < radius.size(); ++b) {
    ring_of[b] = std::min_element(
                     rings.begin(), rings.end(),
                     [&](double p, double q) { return std::abs(p - radius[b]) < std::abs(q - radius[b]); }) -
                 rings.begin();
    ++ring_size[ring_of[b]];
  }
  for (int64_t r = 0; r < kSpectrumRadii; ++r) {
    const double target = static_cast<double>(r) / static_cast<double>(kSpectrumRadii - 1);
    // The rings on both sides of the target, and the weight of the upper one.
    size_t upper = std::lower_bound(rings.begin(), rings.end(), target - 1e-9) - rings.begin();
    upper = std::min(upper, rings.size() - 1);
    const size_t lower = rings[upper] <= target + 1e-9 || upper == 0 ? upper : upper - 1;
    const double share = upper == lower ? 1.0 : (target - rings[lower]) / (rings[upper] - rings[lower]);
    for (size_t b = 0; b < radius.size(); ++b) {
      const auto ring = static_cast<size_t>(ring_of[b]);
      if (ring == upper) w[b][r] += share / static_cast<double>(ring_size[ring]);
      if (ring == lower && lower != upper) w[b][r] += (1 - share) / static_cast<double>(ring_size[ring]);
    }
  }
  return weights;
}

}  // namespace

at::Tensor radial_amplitude(const at::Tensor& tokens) {
  if (tokens.dim() != 4)
    throw std::invalid_argument("[analysis::radial_amplitude] tokens must be [B, H, W, C]");
  const int64_t height = tokens.size(1), width = tokens.size(2);
  const at::Tensor amplitude = at::fft_fft2(tokens.to(at::kFloat), {}, {1, 2}).abs();
  const at::Tensor mean = amplitude.to(at::kDouble).mean(at::IntArrayRef{0, 3}).reshape({1, height * width});
  return mean.mm(ring_weights(height, width)).squeeze(0);
}

SpectrumAccumulator::SpectrumAccumulator(const ModelSpec& spec)
    : spec_(spec), sums_(spec.blocks.size()), images_(spec.blocks.size(), 0) {
  for (at::Tensor& sum : sums_) sum = at::zeros({kSpectrumRadii}, at::kDouble);
}

void SpectrumAccumulator::add(int block, const at::Tensor& x) {
  const at::Tensor patches = x.detach().slice(1, spec_.prefix_tokens());
  const Grid grid = spec_.block_grid(block);
  const at::Tensor map = patches.reshape({x.size(0), grid.height, grid.width, x.size(2)});
  sums_[block] += radial_amplitude(map) * static_cast<double>(x.size(0));
  images_[block] += x.size(0);
}

void SpectrumAccumulator::merge_ranks(distributed::Group& group) {
  if (sums_.empty()) return;
  at::Tensor sums = at::stack(sums_), images = at::tensor(images_, at::kLong);
  group.all_reduce(sums);
  group.all_reduce(images);
  sums_ = sums.unbind(0);
  for (size_t b = 0; b < images_.size(); ++b) images_[b] = images[static_cast<int64_t>(b)].item<int64_t>();
}

Spectrum SpectrumAccumulator::result() const {
  Spectrum out;
  for (int64_t r = 0; r < kSpectrumRadii; ++r)
    out.radii.push_back(static_cast<double>(r) / static_cast<double>(kSpectrumRadii - 1));
  for (size_t b = 0; b < sums_.size(); ++b) {
    if (images_[b] == 0) continue;
    const at::Tensor log = (sums_[b] / static_cast<double>(images_[b])).clamp_min(1e-30).log();
    const at::Tensor relative = (log - log[0]).contiguous();
    out.log_amplitude.emplace_back(relative.data_ptr<double>(), relative.data_ptr<double>() + kSpectrumRadii);
  }
  return out;
}

Spectrum measure_spectrum(const model::Model& model, const data::ImageBatch& images, int64_t batch_size,
                          distributed::Group* ranks) {
  const at::NoGradGuard no_grad;
  distributed::Group& group = distributed::or_alone(ranks);
  const distributed::Share share = group.share(images.size());
  SpectrumAccumulator spectrum(model.spec());
  for (int64_t begin = share.begin; begin < share.end; begin += batch_size) {
    at::Tensor x = model.embed(normalized(images, begin, std::min(share.end, begin + batch_size)));
    for (int i = 0; i < model.num_blocks(); ++i) {
      x = model.run_block(i, x, model::kKeep, nullptr);
      spectrum.add(i, x);
    }
  }
  spectrum.merge_ranks(group);
  return spectrum.result();
}

}  // namespace vitrim::analysis
