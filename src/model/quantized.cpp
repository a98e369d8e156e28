#include "vitrim/model/quantized.h"

#include <ATen/ATen.h>
#include <ATen/cpu/Utils.h>

#include <algorithm>

namespace vitrim::model {

QuantizedRows quantize_rows(const at::Tensor& x) {
  const at::Tensor largest = x.abs().amax(-1, /*keepdim=*/true);
  const at::Tensor steps = at::where(largest > 0, 127.0f / largest, at::zeros_like(largest));
  return {(x * steps).round(), largest / 127.0f};
}

namespace {

at::Tensor byte_products(const at::Tensor& rows, const at::Tensor& weight) {
  const at::Tensor bytes = rows.reshape({-1, rows.size(-1)}).to(at::kChar).contiguous();
  std::vector<int64_t> shape = rows.sizes().vec();
  shape.back() = weight.size(0);
  return at::_int_mm(bytes, weight.t()).reshape(shape);
}

}  // namespace

bool multiplies_bytes() {
  static const bool exact = [] {
    if (!at::cpu::is_avx512_vnni_supported()) return false;
    for (const int64_t rows : {1, 40}) {  // sums of pairs that overflow 16 bits
      const at::Tensor a = at::full({rows, 100}, 127.0f), b = at::full({48, 100}, 127).to(at::kChar);
      if (!at::equal(byte_products(a, b), at::full({rows, 48}, 127 * 127 * 100, at::kInt))) return false;
    }
    return true;
  }();
  return exact;
}

at::Tensor quantized_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& scale,
                            const at::Tensor& bias) {
  constexpr int64_t kExact = 1024;  // 1024 * 127 * 127 < 2^24
  const QuantizedRows rows = quantize_rows(x);
  const int64_t in = weight.size(1);
  at::Tensor sums;
  // NaN becomes some integer in the sum, and NaN again by the factor of its row.
  if (weight.scalar_type() == at::kChar) {
    sums = byte_products(rows.values, weight);
  } else {
    for (int64_t begin = 0; begin < in; begin += kExact) {
      const int64_t end = std::min(in, begin + kExact);
      const at::Tensor part = at::linear(rows.values.slice(-1, begin, end), weight.slice(1, begin, end));
      if (in <= kExact) {
        sums = part;
      } else {
        sums = begin == 0 ? part.to(at::kInt) : sums.add_(part.to(at::kInt));
      }
    }
  }
  const at::Tensor out = sums.to(at::kFloat) * rows.factors * scale.flatten();
  return bias.defined() ? out + bias : out;
}

}  // namespace vitrim::model
