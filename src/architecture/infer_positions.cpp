// Infers the number of patches of a ViT's image from the length of its position embedding. vitrim supports
// square images, so for a length that may belong to another rectangle the size must be given.

#include <algorithm>
#include <stdexcept>

#include "architecture/infer.h"
#include "architecture/published_vits.h"

namespace vitrim::architecture {

namespace {

// "6 x 8": the sides of the rectangle with this many patches that is closest to a square but not one; empty
// if there is none, or only strips.
std::string rectangle(int64_t patches) {
  constexpr int64_t kLongest = 8;  // times the short side
  int64_t best = 0;
  for (int64_t side = 2; side * side < patches && side < (int64_t{1} << 20); ++side) {
    if (patches % side == 0 && patches / side <= kLongest * side) best = side;
  }
  return best == 0 ? "" : std::to_string(best) + " x " + std::to_string(patches / best);
}

std::string square(int64_t side) { return std::to_string(side) + " x " + std::to_string(side); }

constexpr const char* kSquareOnly =
    "vitrim takes square images only, so resize the position embedding to a square grid first (timm does it "
    "where it loads a checkpoint into a model of another img_size)";

std::string prefix_words(const ModelSpec& spec) {
  return spec.prefix_tokens() == 1
             ? "the class token"
             : "the " + std::to_string(spec.prefix_tokens()) + " tokens that are not patches";
}

[[noreturn]] void refuse_rectangle(const TensorTable& state, const ModelSpec& spec, int64_t length) {
  const int64_t patches = length - spec.prefix_tokens();
  const std::string shape = rectangle(patches);
  refuse(state, "pos_embed",
         "its " + std::to_string(length) + " positions" +
             (spec.prefix_tokens() > 0 ? ", less those of " + prefix_words(spec) + "," : "") +
             " do not form a square image" + (shape.empty() ? "" : " but one of " + shape + " patches") +
             "; " + kSquareOnly);
}

}  // namespace

void infer_positions(const TensorTable& state, const Evidence& evidence, ModelSpec& spec) {
  const int64_t length = need(state, "pos_embed", 3).size(1), prefix = spec.prefix_tokens();
  const int64_t covering = evidence.bare_positions && prefix > 0 ? 0 : side_of(length - prefix),
                bare = side_of(length);
  const auto stated = [&](int64_t side) {
    const auto& sizes = evidence.image_sizes;
    return side > 0 && std::find(sizes.begin(), sizes.end(), side * spec.patch_size) != sizes.end();
  };
  int64_t side = covering;
  spec.embed_prefix_tokens = prefix > 0;
  if (prefix > 0 && bare > 0 && (covering == 0 || (stated(bare) && !stated(covering)))) {
    // DeiT III and most models with registers have no positions for these tokens. The length may also belong
    // to a rectangle.
    const bool usual = (spec.register_tokens > 0 || state.contains("blocks.0.ls2.gamma")) &&
                       is_published_bare_size(bare * spec.patch_size);
    const std::string other = rectangle(length - prefix);
    if (!stated(bare) && !evidence.bare_positions && !usual && !other.empty()) {
      refuse(state, "pos_embed",
             "its " + std::to_string(length) + " positions fit two models: one of " + square(bare) +
                 " patches without a position for " + prefix_words(spec) + ", or one with it and " +
                 std::to_string(length - prefix) + " patches that do not form a square (such as " + other +
                 "); for the first, pass --image-size " + std::to_string(bare * spec.patch_size) + "; " +
                 kSquareOnly);
    }
    side = bare;
    spec.embed_prefix_tokens = false;
  } else if (covering > 0 && bare > 0 && prefix > 0 && !stated(covering)) {
    refuse(state, "pos_embed",
           "its " + std::to_string(length) + " positions fit two models: one of " + square(bare) +
               " patches without positions for " + prefix_words(spec) + ", and one of " + square(covering) +
               " with them; pass --image-size " + std::to_string(bare * spec.patch_size) + " or " +
               std::to_string(covering * spec.patch_size));
  }
  if (side == 0) refuse_rectangle(state, spec, length);
  const int64_t own = side * spec.patch_size;
  const std::string other = rectangle(side * side);
  if (!stated(side) && !other.empty()) {
    evidence.assume({"image_size", std::to_string(own),
                     std::to_string(side * side) + " patches are taken as " + square(side) + " and not as " +
                         other + ", which vitrim does not support",
                     "", !is_published_image_size(own)});
  }
  const int64_t size = evidence.hints.image_size.value_or(own);
  if (size <= 0 || size % spec.patch_size != 0) {
    throw std::invalid_argument("[architecture::infer_spec] image size " + std::to_string(size) +
                                " is not a multiple of the patch size " + std::to_string(spec.patch_size));
  }
  spec.image_size = {size, size};
}

}  // namespace vitrim::architecture
