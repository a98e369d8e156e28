// The table of sizes. Its source is timm 1.0; tests/full/foreign_checkpoints.py compares it with timm's
// models.

#include "architecture/published_vits.h"

#include <algorithm>
#include <array>

namespace vitrim::architecture {

namespace {

enum class Token { kAny, kNeeded, kNone };

struct Row {
  std::string_view name;  // part of the architecture's name; * stands for anything
  int64_t embed_dim, depth, mlp_dim, num_heads;
  bool gated = false;
  Token class_token = Token::kAny;
};

// A name that contains another one comes before it.
constexpr Row kRows[] = {
    {"test_vit2", 64, 8, 192, 2},
    {"test_vit", 64, 6, 192, 2},
    {"tiny", 192, 12, 768, 3},
    {"xsmall", 256, 10, 1024, 4},
    {"wee", 256, 14, 1280, 4},
    {"little", 320, 14, 1792, 5},
    {"moco_v3", 384, 12, 1536, 12},
    {"moco_v3", 768, 12, 3072, 12},
    {"36x1", 384, 36, 1536, 6},
    {"small", 384, 12, 1536, 6},
    {"mediumd", 512, 20, 2048, 8},
    {"medium", 512, 12, 2048, 8},
    {"betwixt", 640, 12, 2560, 10},
    {"vit_base_patch16_gap_", 768, 12, 3072, 16, false, Token::kNone},
    {"base*plus", 896, 12, 3584, 14},
    {"base", 768, 12, 3072, 12},
    {"so150m2", 832, 21, 2176, 13},
    {"so150m", 896, 18, 2304, 14},
    {"large", 1024, 24, 4096, 16},
    {"intern300m", 1024, 24, 4096, 16},
    {"so400m", 1152, 27, 4304, 16},
    {"huge", 1280, 32, 5120, 16},
    {"giantopt", 1536, 40, 6144, 16, false, Token::kNone},
    {"giant*radio", 1536, 40, 6144, 24, false, Token::kNeeded},
    {"giant*dinov2", 1536, 40, 4096, 24, true},
    {"giant*tipsv2", 1536, 40, 4096, 24, true},
    {"giant", 1408, 40, 6144, 16},
    {"gigantic", 1664, 48, 8192, 16},
};

bool names(std::string_view part, std::string_view architecture) {
  const size_t star = part.find('*');
  const size_t first = architecture.find(part.substr(0, star));
  if (first == std::string_view::npos) return false;
  return star == std::string_view::npos ||
         architecture.find(part.substr(star + 1), first + star) != std::string_view::npos;
}

bool has_token(const Row& row, bool class_token) {
  return row.class_token == Token::kAny || (row.class_token == Token::kNeeded) == class_token;
}

// timm's gap model with 16 heads has the shape of SigLIP's model with 12 heads only at its own image size.
bool has_positions(const Row& row, const VitShape& shape) {
  return row.name != "vit_base_patch16_gap_" || (shape.patch_size == 16 && shape.patches == 196);
}

}  // namespace

PublishedHeads published_heads(const VitShape& shape) {
  PublishedHeads out;
  const auto collect = [&](bool exact) {
    for (const Row& row : kRows) {
      if (row.embed_dim != shape.embed_dim || !has_token(row, shape.class_token) ||
          !has_positions(row, shape))
        continue;
      const bool same =
          row.depth == shape.depth && row.mlp_dim == shape.mlp_dim && row.gated == shape.gated_mlp;
      // Test models and those of MoCo v3 are not evidence for other models of their width; MoCo's files are
      // recognised by a prefix.
      const bool common = !row.name.starts_with("test_") && row.name != "moco_v3";
      if (exact ? same && row.name != "moco_v3" : common) out.counts.push_back(row.num_heads);
    }
    out.exact = exact && !out.counts.empty();
  };
  collect(true);
  if (out.counts.empty()) collect(false);
  std::sort(out.counts.begin(), out.counts.end());
  out.counts.erase(std::unique(out.counts.begin(), out.counts.end()), out.counts.end());
  return out;
}

std::optional<NamedVit> published_vit(std::string_view architecture, int64_t embed_dim) {
  std::optional<NamedVit> first;
  for (const Row& row : kRows) {
    if (!names(row.name, architecture)) continue;
    if (row.embed_dim == embed_dim) return NamedVit{row.embed_dim, row.num_heads};
    if (!first) first = NamedVit{row.embed_dim, row.num_heads};
  }
  return first;
}

bool is_published_image_size(int64_t pixels) {
  constexpr std::array<int64_t, 14> kSizes = {224, 240, 256, 288, 320, 336, 378,
                                              384, 392, 448, 512, 518, 560, 896};
  return std::find(kSizes.begin(), kSizes.end(), pixels) != kSizes.end();
}

bool is_published_bare_size(int64_t pixels) {
  constexpr std::array<int64_t, 6> kSizes = {224, 256, 384, 448, 512, 518};
  return std::find(kSizes.begin(), kSizes.end(), pixels) != kSizes.end();
}

bool is_published_with_gelu_tanh(const VitShape& shape) {
  if (shape.class_token || shape.gated_mlp) return false;
  if (shape.embed_dim == 768) return shape.patch_size == 32;
  if (shape.embed_dim == 1024) return shape.patch_size == 16 && shape.patches == 1024;
  if (shape.embed_dim == 1152) return shape.patch_size == 16;
  return shape.embed_dim == 1536;
}

}  // namespace vitrim::architecture
