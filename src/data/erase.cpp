// Random erasing.

#include <ATen/core/Tensor.h>

#include <cmath>
#include <numbers>
#include <stdexcept>

#include "vitrim/data/augment.h"

namespace vitrim::data {
namespace {

/// Two standard normals from one draw (Box-Muller in float32, 32 bits each): Random::normal takes four times
/// as long, and a box has up to fifty thousand values.
class NormalPairs {
 public:
  explicit NormalPairs(Random& random) : random_(random) {}
  float next() {
    if (has_spare_) {
      has_spare_ = false;
      return spare_;
    }
    const uint64_t bits = random_.next();
    const auto u = static_cast<float>((static_cast<double>(bits >> 32) + 0.5) * 0x1p-32);  // never 0
    const float angle = static_cast<float>(static_cast<double>(bits & 0xffffffffu) * 0x1p-32) * 2.0f *
                        std::numbers::pi_v<float>;
    const float radius = std::sqrt(-2.0f * std::log(u));
    spare_ = radius * std::sin(angle);
    has_spare_ = true;
    return radius * std::cos(angle);
  }

 private:
  Random& random_;
  float spare_ = 0;
  bool has_spare_ = false;
};

}  // namespace

void random_erase(at::Tensor& image, const AugmentOptions& options, Random& random) {
  validate(options);
  if (!image.defined() || image.dim() != 3 || (image.size(0) != 3 && image.size(0) != 1) ||
      image.scalar_type() != at::kFloat || !image.is_cpu() || image.stride(2) != 1) {
    throw std::invalid_argument(
        "[data::random_erase] the image must be a float32 [3, H, W] or [1, H, W] tensor on the CPU with "
        "contiguous rows");
  }
  if (random.uniform() >= options.erase_probability) return;
  const int64_t height = image.size(1), width = image.size(2);
  const double log_min = std::log(0.3), log_max = -log_min;
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double area =
        static_cast<double>(height * width) *
        (options.erase_area_min + (options.erase_area_max - options.erase_area_min) * random.uniform());
    const double ratio = std::exp(log_min + (log_max - log_min) * random.uniform());
    const int64_t h = std::llrint(std::sqrt(area * ratio)), w = std::llrint(std::sqrt(area / ratio));
    if (h >= height || w >= width) continue;
    const int64_t top = random.below(height - h + 1), left = random.below(width - w + 1);
    NormalPairs normals(random);
    float* const pixels = image.mutable_data_ptr<float>();
    for (int64_t c = 0; c < image.size(0); ++c) {
      for (int64_t y = top; y < top + h; ++y) {
        float* row = pixels + c * image.stride(0) + y * image.stride(1);
        for (int64_t x = left; x < left + w; ++x) row[x] = normals.next();
      }
    }
    return;
  }
}

}  // namespace vitrim::data
