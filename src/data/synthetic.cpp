#include "vitrim/data/synthetic.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iterator>
#include <stdexcept>

#include "data/synthetic_shapes.h"
#include "vitrim/core/random.h"

namespace vitrim::data {
namespace {

constexpr int64_t kSide = kSyntheticSide;
constexpr int64_t kUnit = 8;             ///< positions count in eighths of a pixel
constexpr int64_t kHueCircle = 6 * 256;  ///< steps of hue around the circle
constexpr int64_t kHues = 6;
/// Hues vary within their sixth of the circle, nearly to its ends. Two that belong together may differ more
/// than two neighbours, which keeps a small model from solving the task perfectly.
constexpr int64_t kHueJitter = 90;

/// The seeds of a split; labels use another stream than images.
uint64_t seed_of(SyntheticSplit split) { return 0x76697472696D0000ull + static_cast<uint64_t>(split); }

using Color = std::array<int64_t, 3>;

struct Glyph {
  Shape shape = Shape::kRing;
  int64_t hue = 0;
  int64_t radius = 0, x = 0, y = 0;  ///< in eighths of a pixel
  Color color{};
  int64_t turn = 0;  ///< tangent of half the angle, in 128ths: sine and cosine are then ratios of integers
};

/// low..high, both included.
int64_t between(Random& random, int64_t low, int64_t high) { return low + random.below(high - low + 1); }

/// Hue, saturation and value (0..255) to RGB.
Color hsv(int64_t hue, int64_t saturation, int64_t value) {
  hue = (hue % kHueCircle + kHueCircle) % kHueCircle;
  const int64_t sector = hue / 256, part = hue % 256;
  const int64_t low = value * (255 - saturation) / 255;
  const int64_t rise = low + (value - low) * part / 256, fall = value - (value - low) * part / 256;
  const std::array<Color, 6> sectors{{{value, rise, low},
                                      {fall, value, low},
                                      {low, value, rise},
                                      {low, fall, value},
                                      {rise, low, value},
                                      {value, low, fall}}};
  return sectors[sector];
}

/// Gives each glyph its own cell of 16 x 16 pixels (2 x 2 patches of 8) and a position near its centre. There
/// is at least one cell between a shape and the ring, so that no patch, nor any two neighbouring ones, shows
/// both.
void place(std::vector<Glyph>& glyphs, Random& random) {
  constexpr int64_t kCells = 4, kCell = kSide / kCells * kUnit, kJitter = kUnit / 2;
  const std::vector<int64_t> cells = permutation(kCells * kCells, random);
  const int64_t ring_x = cells[0] % kCells, ring_y = cells[0] / kCells;
  size_t next = 0;
  for (Glyph& glyph : glyphs) {
    const auto is_near = [&](int64_t cell) {
      return std::abs(cell % kCells - ring_x) < 2 && std::abs(cell / kCells - ring_y) < 2;
    };
    while (glyph.shape != Shape::kRing && is_near(cells[next]))
      ++next;  // at least seven of the sixteen are far
    glyph.x = cells[next] % kCells * kCell + kCell / 2 + between(random, -kJitter, kJitter);
    glyph.y = cells[next] / kCells * kCell + kCell / 2 + between(random, -kJitter, kJitter);
    ++next;
  }
}

/// The ring first, then the shape with its hue, then the others.
std::vector<Glyph> draw_glyphs(int64_t label, Random& random) {
  std::vector<int64_t> hues = permutation(kHues, random);
  std::vector<int64_t> shapes = permutation(kSyntheticClasses, random);
  std::swap(*std::find(shapes.begin(), shapes.end(), label), shapes[0]);
  // Images with one shape need no ring: they teach the shapes early, and training finds the relation to the
  // ring sooner.
  static constexpr int64_t kCounts[] = {1, 2, 3, 3, 4, 4, 5, 5};
  const int64_t count = kCounts[random.below(std::size(kCounts))];
  std::vector<Glyph> glyphs(1 + count);
  for (int64_t i = 0; i <= count; ++i) {
    Glyph& glyph = glyphs[i];
    const int64_t which = std::max<int64_t>(i - 1, 0);
    if (i > 0) glyph.shape = static_cast<Shape>(shapes[which]);
    glyph.radius = i > 0 ? between(random, 56, 62) : between(random, 44, 48);
    glyph.hue = hues[which] * (kHueCircle / kHues) + between(random, -kHueJitter, kHueJitter);
    glyph.color = hsv(glyph.hue, between(random, 170, 225), between(random, 200, 255));
    glyph.turn = between(random, -8, 8);
  }
  place(glyphs, random);
  return glyphs;
}

/// A dim background with soft spots of light and fine grain.
void draw_background(Image& image, Random& random) {
  constexpr int64_t kCells = 8, kCell = kSide / kCells;
  const Color ground = hsv(random.below(kHueCircle), between(random, 10, 90), between(random, 40, 90));
  std::array<int64_t, (kCells + 1) * (kCells + 1)> light{};
  for (int64_t& value : light) value = between(random, -16, 16);
  uint64_t grain = 0;
  for (int64_t y = 0; y < kSide; ++y) {
    for (int64_t x = 0; x < kSide; ++x) {
      const int64_t* corner = light.data() + y / kCell * (kCells + 1) + x / kCell;
      const int64_t fx = x % kCell, fy = y % kCell;
      const int64_t top = corner[0] * (kCell - fx) + corner[1] * fx;
      const int64_t bottom = corner[kCells + 1] * (kCell - fx) + corner[kCells + 2] * fx;
      const int64_t soft = (top * (kCell - fy) + bottom * fy) / (kCell * kCell);
      if (x % 2 == 0) grain = random.next();  // 64 random bits serve two pixels
      for (int64_t c = 0; c < 3; ++c, grain >>= 8) {
        const int64_t noise = static_cast<int64_t>(grain & 15) - 8;
        image.pixels[(y * kSide + x) * 3 + c] =
            static_cast<uint8_t>(std::clamp<int64_t>(ground[c] + soft + noise, 0, 255));
      }
    }
  }
}

/// Calls see(x, y, covered) for every pixel that the glyph, moved by `moved` down and right, may cover; with
/// 4 x 4 samples per pixel.
template <typename See>
void for_covered(const Glyph& glyph, int64_t moved, const See& see) {
  const int64_t cosine = 128 * 128 - glyph.turn * glyph.turn, sine = 2 * 128 * glyph.turn;
  const int64_t scale = (128 * 128 + glyph.turn * glyph.turn) * glyph.radius;
  const int64_t cx = glyph.x + moved, cy = glyph.y + moved;
  const auto first = [&](int64_t center) { return std::max<int64_t>((center - glyph.radius) / kUnit, 0); };
  const auto last = [&](int64_t center) {
    return std::min<int64_t>((center + glyph.radius) / kUnit, kSide - 1);
  };
  for (int64_t y = first(cy); y <= last(cy); ++y) {
    for (int64_t x = first(cx); x <= last(cx); ++x) {
      int64_t covered = 0;
      for (int64_t sample = 0; sample < 16; ++sample) {
        const int64_t dx = x * kUnit + sample % 4 * 2 + 1 - cx, dy = y * kUnit + sample / 4 * 2 + 1 - cy;
        covered += inside(glyph.shape, (dx * cosine + dy * sine) * 1024 / scale,
                          (dy * cosine - dx * sine) * 1024 / scale);
      }
      see(x, y, covered);
    }
  }
}

/// Blends `color` into the pixels that the glyph covers. `opacity` is in 256ths.
void paint(Image& image, const Glyph& glyph, int64_t moved, const Color& color, int64_t opacity) {
  for_covered(glyph, moved, [&](int64_t x, int64_t y, int64_t covered) {
    const int64_t weight = covered * opacity;  // of 16 * 256
    for (int64_t c = 0; c < 3; ++c) {
      uint8_t& value = image.pixels[(y * kSide + x) * 3 + c];
      value = static_cast<uint8_t>((value * (4096 - weight) + color[c] * weight + 2048) / 4096);
    }
  });
}

void paint_class(Mask& mask, const Glyph& glyph, int64_t class_index) {
  for_covered(glyph, 0, [&](int64_t x, int64_t y, int64_t covered) {
    if (2 * covered >= 16) mask.classes[y * kSide + x] = static_cast<uint8_t>(class_index);
  });
}

void check_index(int64_t index) {
  if (index < 0)
    throw std::invalid_argument("[data::synthetic] image " + std::to_string(index) + " does not exist");
}

Image draw(SyntheticSplit split, int64_t index, Mask* mask) {
  const int64_t label = synthetic_label(split, index);
  Random random(seed_of(split), 2 * index + 2);
  Image image{kSide, kSide, std::vector<uint8_t>(kSide * kSide * 3)};
  draw_background(image, random);
  const std::vector<Glyph> glyphs = draw_glyphs(label, random);
  for (size_t i = 0; i < glyphs.size(); ++i) {
    paint(image, glyphs[i], kUnit, {0, 0, 0}, 90);  // a soft shadow
    paint(image, glyphs[i], 0, glyphs[i].color, 256);
    // The ring comes first, then the shape of its hue.
    const int64_t class_index = i == 0   ? kSyntheticClasses + 2
                                : i == 1 ? 1 + static_cast<int64_t>(glyphs[i].shape)
                                         : kSyntheticClasses + 1;
    if (mask) paint_class(*mask, glyphs[i], class_index);
  }
  return image;
}

}  // namespace

SyntheticSplit parse_synthetic_split(const std::string& name) {
  for (const auto split :
       {SyntheticSplit::kTrain, SyntheticSplit::kCalib, SyntheticSplit::kVal, SyntheticSplit::kTest}) {
    if (name == to_string(split)) return split;
  }
  throw std::invalid_argument("unknown split \"" + name +
                              "\" of the synthetic set; use train, calib, val or test");
}

std::string to_string(SyntheticSplit split) {
  static constexpr const char* kNames[] = {"train", "calib", "val", "test"};
  return kNames[static_cast<int>(split)];
}

int64_t synthetic_default_count(SyntheticSplit split) {
  if (split == SyntheticSplit::kTrain) return 20000;
  return split == SyntheticSplit::kTest ? 2000 : 1000;
}

const std::vector<std::string>& synthetic_class_names() {
  static const std::vector<std::string> names{"disc", "square", "triangle", "diamond", "star",
                                              "plus", "heart",  "crescent", "arrow",   "hourglass"};
  return names;
}

int64_t synthetic_label(SyntheticSplit split, int64_t index) {
  check_index(index);
  Random random(seed_of(split), 2 * (index / kSyntheticClasses) + 1);
  return permutation(kSyntheticClasses, random)[index % kSyntheticClasses];
}

const std::vector<std::string>& synthetic_mask_class_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> out{"ground"};
    for (const std::string& shape : synthetic_class_names()) out.push_back(shape);
    out.insert(out.end(), {"other shape", "ring"});
    return out;
  }();
  return names;
}

Image draw_synthetic(SyntheticSplit split, int64_t index) { return draw(split, index, nullptr); }

SegmentedImage draw_synthetic_mask(SyntheticSplit split, int64_t index) {
  SegmentedImage out;
  out.mask = {kSide, kSide, std::vector<uint8_t>(kSide * kSide, 0)};
  out.image = draw(split, index, &out.mask);
  return out;
}

PreprocessSpec synthetic_preprocess() {
  PreprocessSpec spec;
  spec.crop = kSyntheticSide;
  return spec;
}

}  // namespace vitrim::data
