#include "vitrim/quantize/weights.h"

#include <ATen/ATen.h>

#include <limits>
#include <stdexcept>

namespace vitrim::quantize {

namespace {

constexpr double kMost = 127;  // -128 is left out, so that a layer and its negative are alike
constexpr double kSmallest = 0.85, kLargest = 1.1, kStep = 0.01;  // scales tried, of max / 127

at::Tensor rounded(const at::Tensor& weight, const at::Tensor& scale) {
  return (weight / scale).round_().clamp_(-kMost, kMost);
}

}  // namespace

QuantizedWeight quantize_weight(const at::Tensor& weight) {
  const at::NoGradGuard no_grad;
  if (weight.dim() != 2)
    throw std::invalid_argument("[quantize::quantize_weight] a weight has two dimensions");
  const at::Tensor w = weight.detach().to(at::kFloat);
  if (!at::isfinite(w).all().item<bool>())
    throw std::invalid_argument("[quantize::quantize_weight] a weight is not finite");
  const at::Tensor largest = w.abs().amax(1, /*keepdim=*/true);
  // Of rows of zeros, and of such small ones that their scale would be zero.
  const at::Tensor usual = at::where(largest / kMost > 0, largest / kMost, at::ones_like(largest));
  at::Tensor best = usual.clone();
  at::Tensor least = at::full_like(usual, std::numeric_limits<float>::infinity());
  for (double part = kSmallest; part < kLargest + kStep / 2; part += kStep) {
    const at::Tensor scale = usual * part;
    const at::Tensor error = (w - rounded(w, scale) * scale).square_().sum(1, /*keepdim=*/true);
    const at::Tensor better = error < least;
    best = at::where(better, scale, best);
    least = at::where(better, error, least);
  }
  const at::Tensor values = rounded(w, best);
  const at::Tensor squares = values.square().sum(1, /*keepdim=*/true),
                   refitted = (w * values).sum(1, /*keepdim=*/true) / squares;
  return {values.to(at::kChar), at::where((squares > 0).logical_and(refitted > 0), refitted, best)};
}

at::Tensor dequantized(const QuantizedWeight& weight) { return weight.values.to(at::kFloat) * weight.scale; }

}  // namespace vitrim::quantize
