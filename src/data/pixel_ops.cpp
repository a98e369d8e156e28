// Operations that compute a pixel from one pixel, or from it and its neighbours. Compiled without fused
// multiply-adds, because floats must round as in Pillow.

#include "data/pixel_ops.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "vitrim/data/transform.h"

namespace vitrim::data {
namespace {

using Table = std::array<uint8_t, 256>;
using Histogram = std::array<int64_t, 256>;

template <class Function>
Table make_table(Function function) {
  Table table;
  for (int i = 0; i < 256; ++i) table[i] = static_cast<uint8_t>(function(i));
  return table;
}

/// Applies one lookup table per channel.
void look_up(Image& image, const std::array<Table, 3>& tables) {
  for (size_t i = 0; i + 2 < image.pixels.size(); i += 3) {
    for (size_t c = 0; c < 3; ++c) image.pixels[i + c] = tables[c][image.pixels[i + c]];
  }
}

void look_up(Image& image, const Table& table) {
  for (uint8_t& value : image.pixels) value = table[value];
}

std::array<Histogram, 3> histograms(const Image& image) {
  std::array<Histogram, 3> counts{};
  for (size_t i = 0; i + 2 < image.pixels.size(); i += 3) {
    for (size_t c = 0; c < 3; ++c) ++counts[c][image.pixels[i + c]];
  }
  return counts;
}

/// `from` + factor * (`to` - `from`) in float32, clipped to 0..255 and truncated: Pillow's Image.blend.
uint8_t blend(int from, int to, float factor) {
  const float value = static_cast<float>(from) + factor * static_cast<float>(to - from);
  return static_cast<uint8_t>(static_cast<int>(std::min(std::max(value, 0.0f), 255.0f)));
}

/// Rec. 601 luma with 16 fraction bits, rounded.
int grey(const uint8_t* rgb) {
  return static_cast<int>((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000u) >> 16);
}

Table identity() {
  return make_table([](int i) { return i; });
}

Table stretched(const Histogram& counts) {
  const auto used = [](int64_t count) { return count > 0; };
  const int64_t low = std::find_if(counts.begin(), counts.end(), used) - counts.begin();
  const int64_t high = 255 - (std::find_if(counts.rbegin(), counts.rend(), used) - counts.rbegin());
  if (high <= low) return identity();
  const double scale = 255.0 / static_cast<double>(high - low);
  const double offset = static_cast<double>(-low) * scale;
  return make_table([&](int i) { return std::clamp(static_cast<int>(i * scale + offset), 0, 255); });
}

Table equalized(const Histogram& counts) {
  int64_t sum = 0, last = 0, used = 0;
  for (const int64_t count : counts) {
    if (count == 0) continue;
    sum += count;
    last = count;
    ++used;
  }
  const int64_t step = (sum - last) / 255;
  if (used <= 1 || step == 0) return identity();
  int64_t below = step / 2;
  return make_table([&](int i) {
    const int64_t value = std::min<int64_t>(below / step, 255);
    below += counts[i];
    return value;
  });
}

}  // namespace

Image crop(const Image& image, const Window& window) {
  Image result{window.height, window.width, std::vector<uint8_t>(window.height * window.width * 3, 0)};
  const int64_t x_begin = std::max<int64_t>(window.left, 0);
  const int64_t x_end = std::min(window.left + window.width, image.width);
  const int64_t y_end = std::min(window.top + window.height, image.height);
  if (x_begin >= x_end) return result;
  for (int64_t y = std::max<int64_t>(window.top, 0); y < y_end; ++y) {
    const uint8_t* row = image.pixels.data() + y * image.width * 3;
    std::copy(row + x_begin * 3, row + x_end * 3,
              result.pixels.data() + ((y - window.top) * window.width + x_begin - window.left) * 3);
  }
  return result;
}

void flip_horizontal(Image& image) {
  for (int64_t y = 0; y < image.height; ++y) {
    uint8_t* left = image.pixels.data() + y * image.width * 3;
    uint8_t* right = left + (image.width - 1) * 3;
    for (; left < right; left += 3, right -= 3) std::swap_ranges(left, left + 3, right);
  }
}

void auto_contrast(Image& image) {
  const auto counts = histograms(image);
  look_up(image, {stretched(counts[0]), stretched(counts[1]), stretched(counts[2])});
}

void equalize(Image& image) {
  const auto counts = histograms(image);
  look_up(image, {equalized(counts[0]), equalized(counts[1]), equalized(counts[2])});
}

void invert(Image& image) {
  for (uint8_t& value : image.pixels) value = static_cast<uint8_t>(255 - value);
}

void posterize(Image& image, int bits) {
  const auto mask = static_cast<uint8_t>(0xff << (8 - std::clamp(bits, 0, 8)));
  for (uint8_t& value : image.pixels) value &= mask;
}

void solarize(Image& image, int threshold) {
  look_up(image, make_table([&](int i) { return i < threshold ? i : 255 - i; }));
}

void solarize_add(Image& image, int amount) {
  look_up(image, make_table([&](int i) { return i < 128 ? std::clamp(i + amount, 0, 255) : i; }));
}

void make_grey(Image& image) {
  for (size_t i = 0; i + 2 < image.pixels.size(); i += 3) {
    uint8_t* rgb = image.pixels.data() + i;
    const auto value = static_cast<uint8_t>(grey(rgb));
    rgb[0] = rgb[1] = rgb[2] = value;
  }
}

void adjust_color(Image& image, double factor) {
  const auto f = static_cast<float>(factor);
  for (size_t i = 0; i + 2 < image.pixels.size(); i += 3) {
    uint8_t* rgb = image.pixels.data() + i;
    const int from = grey(rgb);
    for (int c = 0; c < 3; ++c) rgb[c] = blend(from, rgb[c], f);
  }
}

void adjust_contrast(Image& image, double factor) {
  if (image.pixels.empty()) return;
  int64_t sum = 0;
  for (size_t i = 0; i + 2 < image.pixels.size(); i += 3) sum += grey(image.pixels.data() + i);
  const auto count = static_cast<double>(image.height * image.width);
  const int mean = static_cast<int>(std::floor(static_cast<double>(sum) / count + 0.5));  // as Pillow rounds
  const auto f = static_cast<float>(factor);
  look_up(image, make_table([&](int i) { return blend(mean, i, f); }));
}

void adjust_brightness(Image& image, double factor) {
  const auto f = static_cast<float>(factor);
  look_up(image, make_table([&](int i) { return blend(0, i, f); }));
}

// Pillow's SMOOTH weights the pixel by 5 and its eight neighbours by 1, divides by 13 and rounds; border
// pixels do not change. The rounding never has ties (13 is odd), so integers give the same as its floats.
void adjust_sharpness(Image& image, double factor) {
  if (image.height < 3 || image.width < 3) return;
  const auto f = static_cast<float>(factor);
  const int64_t row_bytes = image.width * 3;
  std::vector<uint8_t> above(image.pixels.begin(), image.pixels.begin() + row_bytes), here(row_bytes);
  std::vector<uint16_t> columns(row_bytes);  // sums of three rows
  for (int64_t y = 1; y + 1 < image.height; ++y) {
    uint8_t* row = image.pixels.data() + y * row_bytes;
    const uint8_t* below = row + row_bytes;
    std::copy(row, row + row_bytes, here.begin());
    for (int64_t x = 0; x < row_bytes; ++x) {
      columns[x] = static_cast<uint16_t>(above[x] + here[x] + below[x]);
    }
    const uint16_t* sums = columns.data();
    const uint8_t* old = here.data();
    for (int64_t x = 3; x < row_bytes - 3; ++x) {
      const int sum = sums[x - 3] + sums[x] + sums[x + 3] + 4 * old[x];
      row[x] = blend((2 * sum + 13) / 26, old[x], f);
    }
    above.swap(here);
  }
}

}  // namespace vitrim::data
