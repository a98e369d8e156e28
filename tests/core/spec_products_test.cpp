// Sizes that are in range one by one and whose products are not.

#include <gtest/gtest.h>

#include <functional>

#include "core/expect_message.h"
#include "vitrim/core/error.h"
#include "vitrim/core/model_spec.h"

namespace vitrim {
namespace {

constexpr int64_t kLargest = int64_t{1} << 20;

ModelSpec vit(int64_t width, int64_t heads, int64_t mlp) {
  ModelSpec spec;
  spec.embed_dim = width;
  spec.blocks.assign(2, {AttentionKind::kSoftmax, width, heads, 64, 64, mlp, 1.0});
  return spec;
}

TEST(SpecProducts, TheLargestPublishedModelsPass) {
  validate(vit(6144, 48, 24576));  // ViT-22B's width
  ModelSpec fine = vit(1536, 24, 6144);
  fine.image_size = {4096, 4096};
  validate(fine);
}

TEST(SpecProducts, SizesInRangeWhoseProductsAreNot) {
  const std::vector<std::pair<const char*, std::function<void(ModelSpec&)>>> cases = {
      {"heads and their width",
       [](ModelSpec& spec) {
         for (BlockSpec& block : spec.blocks) block.num_heads = block.qk_dim = block.v_dim = kLargest;
       }},
      {"hidden units and width", [](ModelSpec& spec) { spec = vit(kLargest, 1, kLargest); }},
      {"pixels of a patch",
       [](ModelSpec& spec) {
         spec.image_size = {kLargest, kLargest};
         spec.patch_size = kLargest;
         spec.in_channels = kLargest;
       }},
      {"tokens squared",
       [](ModelSpec& spec) {
         spec.image_size = {kLargest, kLargest};
         spec.patch_size = 1;
       }},
      {"registers", [](ModelSpec& spec) { spec.register_tokens = kLargest; }},
      {"a window and its heads",
       [](ModelSpec& spec) {
         spec.family = "swin";
         spec.class_token = false;
         spec.pooling = Pooling::kAverage;
         spec.image_size = {kLargest, kLargest};
         spec.patch_size = 4;
         for (BlockSpec& block : spec.blocks) {
           block.attention = AttentionKind::kWindow;
           block.window = kLargest / 4;
         }
       }},
      {"a head for pixels",
       [](ModelSpec& spec) {
         spec.pooling = Pooling::kAverage;
         spec.segmentation = SegmentationHead{SegmentationHeadKind::kUperNet, kLargest, {0, 1}};
       }},
  };
  for (const auto& [what, change] : cases) {
    SCOPED_TRACE(what);
    ModelSpec spec = vit(192, 3, 768);
    change(spec);
    expect_message<std::invalid_argument>([&] { validate(spec); },
                                          "the sizes make a model of more than 2^50");
    // And so where it comes from a file.
    expect_message<FormatError>([&] { model_spec_from_json(to_json(spec), "file"); },
                                "the sizes make a model");
  }
  ModelSpec deep = vit(192, 3, 768);
  deep.blocks.resize(10'001, deep.blocks[0]);
  expect_message<std::invalid_argument>([&] { validate(deep); }, "more than 10000 blocks");
}

}  // namespace
}  // namespace vitrim
