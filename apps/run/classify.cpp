#include "classify.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "vitrim/core/error.h"
#include "vitrim/core/log.h"

namespace vitrim::app {

std::vector<Answer> best(std::span<const float> logits, int64_t count) {
  std::vector<int64_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto end = order.begin() + std::min<int64_t>(count, static_cast<int64_t>(order.size()));
  const auto at = [&](int64_t i) { return logits[static_cast<size_t>(i)]; };
  std::partial_sort(order.begin(), end, order.end(),
                    [&](int64_t a, int64_t b) { return at(a) != at(b) ? at(a) > at(b) : a < b; });
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - largest);
  std::vector<Answer> out;
  for (auto i = order.begin(); i != end; ++i)
    out.push_back({*i, at(*i), std::exp(static_cast<double>(at(*i)) - largest) / sum});
  return out;
}

std::vector<float> answers(runtime::Engine& engine, const data::PixelBatch& images, int64_t batch_size) {
  const int64_t n = images.size(), outputs = engine.outputs();
  std::vector<float> out(static_cast<size_t>(n * outputs)), input;
  Progress progress("classify", n, "images");
  for (int64_t begin = 0; begin < n; begin += batch_size) {
    const int64_t count = std::min(batch_size, n - begin);
    input.resize(static_cast<size_t>(count * images.image_bytes()));
    data::normalize(images, begin, begin + count, input.data());
    engine.run(
        input, count,
        std::span(out).subspan(static_cast<size_t>(begin * outputs), static_cast<size_t>(count * outputs)));
    for (int64_t i = begin * outputs; i < (begin + count) * outputs; ++i) {
      if (std::isfinite(out[static_cast<size_t>(i)])) continue;
      throw Error(images.names[static_cast<size_t>(i / outputs)] +
                  ": the model's outputs for this image are not finite; correct --mean and --std, pass "
                  "--precision f32, or use another checkpoint");
    }
    check_cancelled();
    progress.advance(count);
  }
  return out;
}

}  // namespace vitrim::app
