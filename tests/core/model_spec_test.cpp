#include "vitrim/core/model_spec.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "core/expect_throw.h"
#include "core/replaced.h"
#include "vitrim/core/error.h"
#include "vitrim/core/normalization.h"

namespace vitrim {
namespace {

using test::replaced;

ModelSpec vit_tiny() {
  ModelSpec spec;
  spec.name = "vit_tiny";
  spec.embed_dim = 192;
  for (int i = 0; i < 12; ++i) spec.blocks.push_back({AttentionKind::kSoftmax, 192, 3, 64, 64, 768, 1.0});
  return spec;
}

// Every field differs from its default.
ModelSpec unusual() {
  ModelSpec spec;
  spec.family = "other";
  spec.name = "näme \"quoted\"";
  spec.image_size = {96, 128};
  spec.patch_size = 8;
  spec.in_channels = 1;
  spec.num_classes = 0;
  spec.embed_dim = 48;
  spec.distillation_token = true;
  spec.register_tokens = 4;
  spec.embed_prefix_tokens = false;
  spec.pooling = Pooling::kAverage;
  spec.pre_norm = true;
  spec.final_norm = false;
  spec.fc_norm = true;
  spec.qkv_bias = false;
  spec.qk_norm = true;
  spec.layer_scale = true;
  spec.norm_eps = 0.1 + 0.2;
  spec.activation = Activation::kQuickGelu;
  spec.blocks.push_back({AttentionKind::kSoftmax, 48, 3, 5, 7, 11, 1.0});
  spec.blocks.push_back({AttentionKind::kNone, 48, 0, 0, 0, 13, 2.0});
  spec.preprocess = PreprocessSpec{{0.1, 0.2, 1.0 / 3},      {0.4, 0.5, 0.6}, 256, 96,
                                   Interpolation::kBilinear, /*squash=*/true};
  return spec;
}

std::string rejection(const std::string& json) {
  return message_of<FormatError>([&] { model_spec_from_json(json, "m.safetensors"); });
}

TEST(ModelSpecJson, RoundTrip) {
  EXPECT_EQ(model_spec_from_json(to_json(vit_tiny()), "x"), vit_tiny());
  ModelSpec odd = unusual();
  EXPECT_EQ(model_spec_from_json(to_json(odd), "x"), odd);
  odd.preprocess->resize.reset();
  EXPECT_EQ(model_spec_from_json(to_json(odd), "x"), odd);
}

TEST(ModelSpecJson, WhatFewModelsHaveIsWrittenWhereItIs) {
  ModelSpec spec = vit_tiny();
  for (const char* key : {"activation", "gated_mlp", "class_names", "squash"})
    EXPECT_FALSE(contains(to_json(spec), key));
  spec.activation = Activation::kSilu;
  spec.gated_mlp = true;
  spec.pooling = Pooling::kTokenAndAverage;
  spec.num_classes = 2;
  spec.class_names = {"cat", "dog"};
  EXPECT_EQ(model_spec_from_json(to_json(spec), "x"), spec);
  EXPECT_EQ(spec.feature_dim(), 2 * 192);
  EXPECT_EQ(spec.fc1_rows(3), 2 * 768);
  EXPECT_TRUE(contains(rejection(replaced(to_json(spec), "\"cat\",", "")), "1 class_names for 2 classes"));
  EXPECT_TRUE(contains(rejection(replaced(to_json(spec), "\"silu\"", "\"slu\"")), "did you mean \"silu\"?"));
  spec.class_names.clear();
  spec.distillation_token = true;
  EXPECT_THROW(validate(spec), std::invalid_argument);
}

TEST(ModelSpecJson, FormerNamesAreRead) {
  ModelSpec spec = vit_tiny();
  spec.family = "other";
  spec.blocks[2].attention = AttentionKind::kFocusedLinear;
  spec.blocks[2].per_head_filters = true;
  const std::string text = to_json(spec);
  const std::string older = replaced(text, "\"per_head_filters\"", "\"own_filters\"");
  ASSERT_NE(older, text);
  EXPECT_EQ(model_spec_from_json(older, "x"), spec);
  EXPECT_EQ(to_json(model_spec_from_json(older, "x")), text);
  const std::string both =
      replaced(text, "\"per_head_filters\":true", "\"per_head_filters\":true,\"own_filters\":true");
  ASSERT_NE(both, text);
  EXPECT_TRUE(contains(rejection(both), "own_filters"));
  // Values too: a kind's name.
  spec.blocks[2].per_head_filters = false;
  spec.blocks[2].attention = AttentionKind::kCrossShapedWindow;
  const std::string now = to_json(spec),
                    before = replaced(now, "\"cross_shaped_window\"", "\"cross_window\"");
  ASSERT_NE(before, now);
  EXPECT_EQ(to_json(model_spec_from_json(before, "x")), now);
}

TEST(ModelSpec, NormalisationsOfOtherUnitsAreRefused) {
  ModelSpec spec = unusual();
  EXPECT_EQ(wrong_units(*spec.preprocess), "");
  spec.preprocess->mean = {0.5, 1, 0};
  spec.preprocess->std = {1, 1, 1};
  EXPECT_EQ(wrong_units(*spec.preprocess), "");
  spec.preprocess->mean[2] = 103.53;
  EXPECT_TRUE(contains(message_of<std::invalid_argument>([&] { validate(spec); }),
                       "a mean of 103.53 is for pixels from 0 to 255"));
  spec.preprocess->mean[2] = 0;
  spec.preprocess->std[0] = 58.395;
  EXPECT_TRUE(contains(wrong_units(*spec.preprocess), "a standard deviation of 58.395"));
  EXPECT_TRUE(contains(wrong_units(*spec.preprocess), "divide by 255"));
}

TEST(ModelSpecJson, IsCompactWithEnumsAsText) {
  const std::string json = to_json(unusual());
  EXPECT_EQ(json.find('\n'), std::string::npos);
  EXPECT_EQ(json.find(": "), std::string::npos);
  EXPECT_TRUE(contains(json, "{\"version\":1,"));
  EXPECT_TRUE(contains(json, "\"image_size\":[96,128]"));
  EXPECT_TRUE(contains(json, "\"pooling\":\"average\""));
  EXPECT_TRUE(contains(json, "\"interpolation\":\"bilinear\""));
  EXPECT_TRUE(contains(json, "{\"attention\":\"none\",\"embed_dim\":48,\"num_heads\":0"));
  EXPECT_TRUE(contains(to_json(vit_tiny()), "\"attention\":\"softmax\""));
  EXPECT_TRUE(contains(to_json(vit_tiny()), "\"pooling\":\"token\""));
  EXPECT_TRUE(contains(to_json(vit_tiny()), "\"preprocess\":null"));
}

TEST(ModelSpecJson, Rejections) {
  const std::string json = to_json(unusual());
  const std::string unknown = rejection(replaced(json, "\"patch_size\"", "\"pach_size\""));
  EXPECT_TRUE(contains(unknown, "m.safetensors: "));
  EXPECT_TRUE(contains(unknown, "\"patch_size\" is missing"));
  EXPECT_EQ(rejection(replaced(json, "{\"version\":1", "{\"version\":1,\"pach_size\":8")),
            "m.safetensors: pach_size: unknown key; did you mean \"patch_size\"?");
  EXPECT_EQ(rejection(replaced(json, "\"mlp_dim\":13", "\"mlp_dim\":13,\"mlp_dims\":13")),
            "m.safetensors: blocks.1.mlp_dims: unknown key; did you mean \"mlp_dim\"?");
  EXPECT_EQ(rejection(replaced(json, "\"mlp_dim\":13", "\"mlp_dim\":13,\"mlp_dim\":14")),
            "m.safetensors: mlp_dim: the key occurs twice");
  EXPECT_EQ(rejection(replaced(json, "\"none\"", "\"nnoe\"")),
            "m.safetensors: blocks.1.attention: unknown value \"nnoe\"; did you mean \"none\"?");
  EXPECT_EQ(rejection(replaced(json, "\"patch_size\":8", "\"patch_size\":8.5")),
            "m.safetensors: patch_size: expected a whole number");
  EXPECT_TRUE(contains(rejection(replaced(json, "\"patch_size\":8", "\"patch_size\":18446744073709551615")),
                       "too large"));
  EXPECT_TRUE(
      contains(rejection(replaced(json, "\"qk_norm\":true", "\"qk_norm\":1")), "expected true or false"));
  EXPECT_TRUE(
      contains(rejection(replaced(json, "[96,128]", "[96]")), "image_size: expected a list of 2 values"));
  EXPECT_TRUE(contains(rejection(replaced(json, "[96,128]", "[96,128,3]")), "expected a list of 2 values"));
  EXPECT_TRUE(contains(rejection(replaced(json, "\"version\":1", "\"version\":2")),
                       "version: version 2 is not supported"));
  EXPECT_TRUE(contains(rejection(replaced(json, "\"version\":1,", "")), "\"version\" is missing"));
  EXPECT_TRUE(contains(rejection("[]"), "expected an object"));
  EXPECT_TRUE(contains(rejection("null"), "expected an object"));
  EXPECT_TRUE(contains(rejection(""), "not valid JSON"));
  EXPECT_TRUE(contains(rejection(json.substr(0, 40)), "not valid JSON"));
  EXPECT_TRUE(contains(rejection(json + "x"), "not valid JSON"));
  EXPECT_TRUE(contains(rejection("{\"version\":1e999}"), "out of range"));
  EXPECT_TRUE(contains(rejection(std::string(1000000, '[')), "nested more than"));
}

TEST(ModelSpecJson, EveryPrefixIsAnErrorNotACrash) {
  const std::string json = to_json(unusual());
  for (size_t length = 0; length < json.size(); ++length) {
    EXPECT_THROW(model_spec_from_json(json.substr(0, length), "x"), FormatError) << length;
  }
}

TEST(ModelSpecJson, EveryKeyIsRequired) {
  const std::string json = to_json(unusual());
  for (const char* key : {"family",
                          "name",
                          "image_size",
                          "patch_size",
                          "in_channels",
                          "num_classes",
                          "embed_dim",
                          "class_token",
                          "distillation_token",
                          "register_tokens",
                          "embed_prefix_tokens",
                          "pooling",
                          "pre_norm",
                          "final_norm",
                          "fc_norm",
                          "qkv_bias",
                          "qk_norm",
                          "layer_scale",
                          "norm_eps",
                          "blocks",
                          "attention",
                          "num_heads",
                          "qk_dim",
                          "v_dim",
                          "mlp_dim",
                          "stream_gain",
                          "preprocess",
                          "mean",
                          "std",
                          "resize",
                          "crop",
                          "interpolation"}) {
    const std::string quoted = "\"" + std::string(key) + "\"";
    EXPECT_TRUE(
        contains(rejection(replaced(json, quoted + ":", "\"zzz\":")), "key " + quoted + " is missing"));
  }
}

TEST(ModelSpecJson, SelfContradictionIsAFormatError) {
  ModelSpec spec = vit_tiny();
  spec.patch_size = 0;
  EXPECT_TRUE(contains(rejection(to_json(spec)), "patch_size 0"));
}

TEST(Validate, AcceptsPossibleModels) {
  EXPECT_NO_THROW(validate(vit_tiny()));
  EXPECT_NO_THROW(validate(unusual()));
}

TEST(Validate, NamesTheContradiction) {
  const auto complaint = [](const std::function<void(ModelSpec&)>& spoil) {
    ModelSpec spec = vit_tiny();
    spoil(spec);
    return message_of<std::invalid_argument>([&] { validate(spec); });
  };
  EXPECT_EQ(complaint([](ModelSpec& s) { s.blocks[7].embed_dim = 384; }),
            "[core::validate] block 7: embed_dim 384 is not the stage's 192");
  EXPECT_TRUE(contains(complaint([](ModelSpec& s) { s.blocks[7].num_heads = 0; }),
                       "[core::validate] block 7: num_heads 0"));
  EXPECT_TRUE(contains(complaint([](ModelSpec& s) { s.blocks[0].qk_dim = -1; }), "block 0: qk_dim -1"));
  EXPECT_TRUE(contains(complaint([](ModelSpec& s) { s.blocks[0].v_dim = 0; }), "block 0: v_dim 0"));
  EXPECT_TRUE(contains(complaint([](ModelSpec& s) { s.blocks[3].mlp_dim = 0; }), "block 3: mlp_dim 0"));
  EXPECT_TRUE(contains(complaint([](ModelSpec& s) { s.blocks[3].attention = AttentionKind::kNone; }),
                       "block 3: num_heads"));
  EXPECT_TRUE(contains(complaint([](ModelSpec& s) { s.blocks[3].stream_gain = 0; }), "block 3: stream_gain"));
  EXPECT_TRUE(
      contains(complaint([](ModelSpec& s) { s.blocks[3].stream_gain = NAN; }), "block 3: stream_gain"));
  EXPECT_TRUE(contains(complaint([](ModelSpec& s) { s.blocks.clear(); }), "blocks"));
  EXPECT_TRUE(contains(complaint([](ModelSpec& s) { s.image_size = {224, 220}; }), "image_size 220"));
  EXPECT_TRUE(contains(complaint([](ModelSpec& s) { s.image_size = {0, 224}; }), "image_size 0"));
  EXPECT_TRUE(contains(complaint([](ModelSpec& s) { s.patch_size = 0; }), "patch_size 0"));
  EXPECT_TRUE(contains(complaint([](ModelSpec& s) { s.in_channels = 0; }), "in_channels 0"));
  EXPECT_TRUE(contains(complaint([](ModelSpec& s) { s.num_classes = -1; }), "num_classes -1"));
  EXPECT_TRUE(contains(complaint([](ModelSpec& s) { s.embed_dim = 0; }), "embed_dim 0"));
  EXPECT_TRUE(contains(complaint([](ModelSpec& s) { s.register_tokens = -1; }), "register_tokens -1"));
  EXPECT_TRUE(contains(complaint([](ModelSpec& s) { s.norm_eps = 0; }), "norm_eps"));
  EXPECT_TRUE(contains(complaint([](ModelSpec& s) { s.family = ""; }), "family"));
  EXPECT_TRUE(contains(complaint([](ModelSpec& s) { s.class_token = false; }), "class_token"));
  EXPECT_TRUE(contains(complaint([](ModelSpec& s) {
                         s.pooling = Pooling::kAverage;
                         s.class_token = false;
                         s.distillation_token = true;
                       }),
                       "distillation_token needs class_token"));
  EXPECT_TRUE(contains(complaint([](ModelSpec& s) { s.preprocess.emplace().std[1] = 0; }), "preprocess"));
  EXPECT_TRUE(contains(complaint([](ModelSpec& s) { s.preprocess.emplace().crop = 0; }), "crop 0"));
  EXPECT_TRUE(contains(complaint([](ModelSpec& s) { s.preprocess.emplace().resize = 0; }), "resize 0"));
  const auto make_static = [](BlockSpec& block) {
    block.attention = AttentionKind::kStatic;
    block.qk_dim = 0;
    block.filter = 3;
  };
  EXPECT_TRUE(contains(complaint([&](ModelSpec& s) {
                         make_static(s.blocks[2]);
                         s.blocks[2].filter = 4;
                       }),
                       "block 2: filter must be odd"));
  EXPECT_TRUE(contains(complaint([&](ModelSpec& s) {
                         make_static(s.blocks[2]);
                         s.blocks[2].qk_dim = 64;
                       }),
                       "block 2: static attention has no queries and keys"));
  EXPECT_TRUE(contains(complaint([&](ModelSpec& s) {
                         make_static(s.blocks[2]);
                         s.blocks[0].merge = 8;
                       }),
                       "block 2: static attention needs every token in its place"));
  EXPECT_TRUE(contains(complaint([](ModelSpec& s) { s.blocks[2].filter = 3; }),
                       "filter belongs to static attention"));
  // Sizes whose products would overflow.
  const int64_t huge = std::numeric_limits<int64_t>::max() / 16 * 16;
  EXPECT_TRUE(contains(complaint([=](ModelSpec& s) { s.image_size = {huge, huge}; }), "image_size"));
  EXPECT_TRUE(contains(complaint([=](ModelSpec& s) { s.blocks[0].mlp_dim = huge; }), "mlp_dim"));
}

TEST(ModelSpecTest, StaticBlocksSurviveTheRoundTrip) {
  ModelSpec spec = vit_tiny();
  spec.blocks[2].attention = AttentionKind::kStatic;
  spec.blocks[2].qk_dim = 0;
  spec.blocks[2].filter = 3;
  validate(spec);
  EXPECT_EQ(model_spec_from_json(to_json(spec), "json"), spec);
}

TEST(ModelSpecTest, CountsTokens) {
  EXPECT_EQ(vit_tiny().num_tokens(), 197);
  EXPECT_EQ(unusual().prefix_tokens(), 6);
  EXPECT_EQ(unusual().num_tokens(), 6 + 12 * 16);
}

}  // namespace
}  // namespace vitrim
