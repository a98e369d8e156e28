#include "runtime/merge_rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "vitrim/core/merging.h"

namespace vitrim::runtime {

RowMerger::RowMerger(int64_t tokens, int64_t width, int64_t depth)
    : width_(width),
      sizes_(tokens),
      log_sizes_(round_up(tokens, 16)),
      sums_(tokens),
      packed_(round_up(tokens / 2 + 1, kColumnStep) * depth),
      scores_((tokens / 2 + 1) * round_up(tokens / 2 + 1, kColumnStep)),
      scratch_(round_up(tokens / 2 + 1, 32) * kPanel),
      best_(tokens),
      partner_(tokens),
      order_(tokens) {}

int64_t RowMerger::bytes() const {
  return sizes_.bytes() + log_sizes_.bytes() + sums_.bytes() + packed_.bytes() + scores_.bytes() +
         scratch_.bytes() + best_.bytes() + partner_.bytes() + order_.bytes();
}

void RowMerger::reset(int64_t tokens) {
  std::fill_n(sizes_.data(), tokens, 1.0f);
  std::fill_n(log_sizes_.data(), tokens, 0.0f);
  any_ = false;
}

void RowMerger::merge(const KernelSet<float>& kernels, float* x, float* metric, int64_t ldm, int64_t depth,
                      int64_t tokens, int64_t prefix, int64_t count, float* out) {
  const int64_t first = (tokens + 1) / 2, second = tokens / 2;
  for (int64_t i = 0; i < tokens; ++i) {
    float* row = metric + i * ldm;
    float square = 0;
    for (int64_t c = 0; c < depth; ++c) square += row[c] * row[c];
    const float factor = 1 / std::max(std::sqrt(square), 1e-12f);
    for (int64_t c = 0; c < depth; ++c) row[c] *= factor;
  }
  const int64_t columns = round_up(second, kColumnStep);
  kernels.pack_transposed(metric + ldm, 2 * ldm, second, depth, packed_.data());
  Gemm<float> product;
  product.a = metric;
  product.lda = 2 * ldm;
  product.rows = first;
  product.b = packed_.data();
  product.k = depth;
  product.columns = product.valid = product.ldo = columns;
  product.scratch = scratch_.data();
  product.epilogue = Epilogue::kFloat;
  product.out = scores_.data();
  kernels.gemm(product);

  // Adding this number rounds to multiples of the step, because the sum has no lower bits.
  constexpr auto kRounding = static_cast<float>(1.5 * 0x1p23 * kCosineStep);
  float* all = scores_.data();
  for (int64_t i = 0; i < first * columns; ++i) all[i] = (all[i] + kRounding) - kRounding;

  const int64_t fixed_first = (prefix + 1) / 2, fixed_second = prefix / 2;
  for (int64_t i = fixed_first; i < first; ++i) {
    const float* row = scores_.data() + i * columns;
    const float* best = std::max_element(row + fixed_second, row + second);
    best_.data()[i] =
        *best == *best ? *best : -3;  // NaN (from an image with NaN pixels) must not be compared by the sort
    partner_.data()[i] = static_cast<int32_t>(best - row);
  }
  int32_t* order = order_.data();
  for (int64_t i = fixed_first; i < first; ++i) order[i - fixed_first] = static_cast<int32_t>(i);
  const int64_t candidates = first - fixed_first;
  std::sort(order, order + candidates, [&](int32_t a, int32_t b) {
    const float x_a = best_.data()[a], x_b = best_.data()[b];
    return x_a > x_b || (x_a == x_b && a < b);
  });

  // Rows of the second half become sums if a token is merged into them, and then means.
  float* sums = sums_.data();
  std::fill_n(sums, tokens, 0.0f);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t from = 2 * order[i], to = 2 * static_cast<int64_t>(partner_.data()[order[i]]) + 1;
    const float weight = sizes_.data()[from], own = sizes_.data()[to];
    float* target = x + to * width_;
    const float* source = x + from * width_;
    if (sums[to] == 0) {
      sums[to] = own;
      for (int64_t c = 0; c < width_; ++c) target[c] *= own;
    }
    sums[to] += weight;
    for (int64_t c = 0; c < width_; ++c) target[c] += weight * source[c];
    best_.data()[order[i]] = -2;  // already merged
  }
  float* sizes = sizes_.data();
  for (int64_t to = 1; to < tokens; to += 2) {
    if (sums[to] == 0) continue;
    float* target = x + to * width_;
    for (int64_t c = 0; c < width_; ++c) target[c] /= sums[to];
    sizes[to] = sums[to];
  }
  // The new order: prefix, the rest of the first half, the second half. `sums` receives the new sizes.
  int64_t place = 0;
  auto put = [&](int64_t token) {
    std::memcpy(out + place * width_, x + token * width_, static_cast<size_t>(width_) * sizeof(float));
    sums[place++] = sizes[token];
  };
  for (int64_t token = 0; token < prefix; ++token) put(token);
  for (int64_t i = fixed_first; i < first; ++i) {
    if (best_.data()[i] != -2) put(2 * i);
  }
  for (int64_t j = fixed_second; j < second; ++j) put(2 * j + 1);
  for (int64_t i = 0; i < place; ++i) {
    sizes[i] = sums[i];
    log_sizes_.data()[i] = std::log2(sums[i]);
  }
  any_ = true;
}

}  // namespace vitrim::runtime
