#include "vitrim/train/loss.h"

#include <ATen/ATen.h>
#include <ATen/core/Reduction.h>

#include <cmath>

#include "vitrim/data/dataset.h"

namespace vitrim::train {

at::Tensor soft_cross_entropy(const at::Tensor& logits, const at::Tensor& targets) {
  return -(targets * at::log_softmax(logits, -1)).sum();
}

at::Tensor distillation_loss(const at::Tensor& student, const at::Tensor& teacher, double temperature) {
  const at::Tensor log_q = at::log_softmax(student / temperature, 1),
                   log_p = at::log_softmax(teacher / temperature, 1);
  const int64_t places = student.numel() / (student.size(0) * student.size(1));
  return (log_p.exp() * (log_p - log_q)).sum() * (temperature * temperature / static_cast<double>(places));
}

at::Tensor stream_loss(const at::Tensor& student, const at::Tensor& teacher) {
  constexpr double kEps = 1e-6;
  const auto normed = [](const at::Tensor& x) {
    return at::layer_norm(x.to(at::kFloat), {x.size(2)}, {}, {}, kEps);
  };
  const auto per_row = static_cast<double>(student.size(1) * student.size(2));
  return (normed(student) - normed(teacher)).square().sum() / per_row;
}

at::Tensor pixel_cross_entropy(const at::Tensor& logits, const at::Tensor& targets, double smoothing) {
  const int64_t height = targets.size(1), width = targets.size(2);
  const at::Tensor whole = at::upsample_bilinear2d(logits, {height, width}, /*align_corners=*/false);
  const at::Tensor sum = at::cross_entropy_loss(whole, targets.to(at::kLong), {}, at::Reduction::Sum,
                                                data::kIgnoredClass, smoothing);
  return sum / static_cast<double>(height * width);
}

at::Tensor high_frequency_content(const at::Tensor& x, const ModelSpec& spec) {
  const auto [height, width] = spec.stage_grid(spec.num_stages() - 1);
  const at::Tensor map =
      x.slice(1, spec.prefix_tokens()).to(at::kFloat).reshape({x.size(0), height, width, -1});
  // The distance of every frequency from zero, in units of pi along the longer of the two axes.
  auto frequencies = [](int64_t n) {
    return at::fft_fftfreq(n, 1.0, at::TensorOptions(at::kFloat)).abs() * 2;
  };
  const at::Tensor radius =
      at::maximum(frequencies(height).unsqueeze(1), frequencies(width).unsqueeze(0)).to(x.device());
  const at::Tensor high = (radius > 0.5).to(at::kFloat), low = 1 - high;
  // The small constant keeps the derivative of the amplitude finite at zero.
  const at::Tensor spectrum = at::fft_fft2(map, std::nullopt, {1, 2});
  const at::Tensor amplitude = (at::real(spectrum).square() + at::imag(spectrum).square() + 1e-12)
                                   .sqrt()
                                   .mean(-1);  // [n, height, width]
  const at::Tensor above = (amplitude * high).sum({1, 2}) / high.sum(),
                   below = (amplitude * low).sum({1, 2}) / low.sum();
  return (above.log() - below.log()).sum();
}

}  // namespace vitrim::train
