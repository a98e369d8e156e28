#include "vitrim/model/quantized.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace vitrim::model {

QuantizedRows quantize_rows(const at::Tensor& x) {
  const at::Tensor largest = x.abs().amax(-1, /*keepdim=*/true);
  const at::Tensor steps = at::where(largest > 0, 127.0f / largest, at::zeros_like(largest));
  return {(x * steps).round(), largest / 127.0f};
}

at::Tensor quantized_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& scale,
                            const at::Tensor& bias) {
  constexpr int64_t kExact = 1024;  // 1024 * 127 * 127 < 2^24
  const QuantizedRows rows = quantize_rows(x);
  const int64_t in = weight.size(1);
  at::Tensor sums;
  for (int64_t begin = 0; begin < in; begin += kExact) {
    const int64_t end = std::min(in, begin + kExact);
    const at::Tensor part = at::linear(rows.values.slice(-1, begin, end), weight.slice(1, begin, end));
    if (in <= kExact) {
      sums = part;
    } else {  // not numbers become zero here, and not numbers again by their rows' factors
      sums = begin == 0 ? part.to(at::kInt) : sums.add_(part.to(at::kInt));
    }
  }
  const at::Tensor out = sums.to(at::kFloat) * rows.factors * scale.flatten();
  return bias.defined() ? out + bias : out;
}

}  // namespace vitrim::model
