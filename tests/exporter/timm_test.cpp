// The dense model that timm's class loads computes what the compressed one does.

#include <nlohmann/json.hpp>

#include "core/expect_throw.h"
#include "exporter/executor.h"
#include "models.h"
#include "vitrim/exporter/checkpoints.h"

namespace vitrim::exporter {
namespace {

at::Tensor output(const model::Model& model, const at::Tensor& images) {
  const model::Output out = model.forward(images);
  return model.spec().num_classes > 0 ? out.logits : out.features;
}

TEST(Timm, DenseComputesWhatCompressedDoes) {
  const at::NoGradGuard no_grad;
  const at::Tensor square = test::colour_input(3), wide = at::cat({square, square.flip({2, 3})}, 3);
  int done = 0;
  for (const test::NamedModel& named : test::export_models()) {
    const bool known = named.parts.spec.family == "vit" || named.parts.spec.family == "swin";
    if (!known || named.parts.spec.merges()) continue;
    SCOPED_TRACE(named.name);
    if (named.parts.spec.gated_mlp || named.parts.spec.activation != Activation::kGelu ||
        named.parts.spec.pooling == Pooling::kTokenAndAverage || test::has_static_blocks(named.parts.spec)) {
      EXPECT_THROW(timm_model(*test::make(named.parts)), std::invalid_argument);
      continue;
    }
    const at::Tensor images = named.name.ends_with("_wide") ? wide : square;
    const auto model = test::make(named.parts);
    const TimmModel timm = timm_model(*model);
    for (const BlockSpec& block : timm.dense.spec.blocks) {
      EXPECT_NE(block.attention, AttentionKind::kNone);
      EXPECT_EQ(block.qk_dim, block.embed_dim / block.num_heads);
      EXPECT_EQ(block.v_dim, block.qk_dim);
      EXPECT_EQ(block.stream_gain, 1);
    }
    // The same sums with zeros in them; a folded gain changes what a norm's epsilon weighs: eps / (2 var) of
    // streams whose variance is about 1, a hundredth at least.
    const double folding = named.name.ends_with("_gain") ? named.parts.spec.norm_eps / (2 * 0.01) : 0;
    const double tolerance = test::float_tolerance(192, 2 * test::operations(named.parts.spec), 16) + folding;
    EXPECT_LT(test::relative_difference(output(*test::make(timm.dense), images), output(*model, images)),
              tolerance);
    ++done;
  }
  EXPECT_EQ(done, 8 * 5 + 1);
}

// Nothing states the windows of a stage without attention.
TEST(Timm, StagesWithoutAttentionTakeAnyWindow) {
  const at::NoGradGuard no_grad;
  const surgery::SpecAndWeights dense{test::staged_spec("swin"),
                                      test::lively_weights(test::staged_spec("swin"), 5)};
  for (const std::vector<int>& layers : {std::vector<int>{0, 1}, {2, 3}, {0, 1, 2, 3}}) {
    const auto model = test::make(surgery::remove_attention(dense, layers));
    const at::Tensor images = test::colour_input(2);
    EXPECT_LT(test::relative_difference(output(*test::make(timm_model(*model).dense), images),
                                        output(*model, images)),
              test::float_tolerance(192, 2 * test::operations(dense.spec), 16));
  }
}

TEST(Timm, SaysHowTheClassIsMade) {
  const auto models = test::export_models();
  for (const test::NamedModel& named : models) {
    if (named.name != "swin_pruned" && named.name != "plain_pruned" && named.name != "distilled") continue;
    const TimmModel timm = timm_model(*test::make(named.parts));
    const auto arguments = nlohmann::json::parse(timm.arguments);
    if (named.name == "swin_pruned") {
      EXPECT_EQ(timm.class_name, "timm.models.swin_transformer.SwinTransformer");
      EXPECT_EQ(arguments.at("window_size").dump(), "[[4,4],[2,2]]");
      EXPECT_EQ(arguments.at("depths"), nlohmann::json({2, 2}));
      EXPECT_EQ(arguments.at("num_heads"), nlohmann::json({2, 4}));
    } else {
      EXPECT_EQ(arguments.at("embed_dim"), 32);
      // timm truncates dim * ratio.
      const int64_t width = timm.dense.spec.blocks[0].mlp_dim;
      EXPECT_EQ(static_cast<int64_t>(32 * arguments.at("mlp_ratio").get<double>()), width);
      EXPECT_EQ(timm.class_name == "timm.models.deit.VisionTransformerDistilled", named.name == "distilled");
    }
    EXPECT_EQ(timm.dense.weights.metadata.at("timm.class"), timm.class_name);
  }
}

TEST(Timm, RefusesWhatTimmCannotCompute) {
  const auto refusal = [](const surgery::SpecAndWeights& parts) {
    return message_of<std::invalid_argument>([&] { timm_model(*test::make(parts)); });
  };
  for (const test::NamedModel& named : test::export_models()) {
    if (named.name == "plain_merged") {
      EXPECT_TRUE(contains(refusal(named.parts), "can't merge tokens"));
    }
    if (named.name == "flatten_swin" || named.name == "pvt_v2" || named.name == "cswin") {
      EXPECT_EQ(architecture::undeclared(timm_executor(), named.parts.spec),
                (architecture::Undeclared{architecture::Undeclared::What::kFamily, named.name}));
      EXPECT_TRUE(contains(refusal(named.parts), architecture::why_not(timm_executor(), named.parts.spec)));
    }
  }
  ModelSpec spec = test::small_spec();
  spec.fc_norm = true;
  EXPECT_TRUE(contains(refusal({spec, test::lively_weights(spec, 1)}), "not both"));
  spec = test::small_spec();
  spec.blocks[1].num_heads = 4;
  spec.blocks[1].qk_dim = spec.blocks[1].v_dim = 8;
  EXPECT_TRUE(
      contains(refusal({spec, test::lively_weights(spec, 1)}), "block 1 has 4 heads, but others have 2"));
  spec = test::small_spec();
  spec.blocks[2].v_dim = 24;
  EXPECT_TRUE(contains(refusal({spec, test::lively_weights(spec, 1)}), "block 2: heads are wider"));
  spec = test::staged_spec("swin");
  spec.blocks[1].shift = 1;
  EXPECT_TRUE(
      contains(refusal({spec, test::lively_weights(spec, 1)}), "block 1 has window 4 and shift 1, which"));
}

TEST(Folded, HasNoGains) {
  const at::NoGradGuard no_grad;
  const at::Tensor images = test::colour_input(2);
  for (const test::NamedModel& named : test::export_models()) {
    if (!named.name.ends_with("_gain")) continue;
    const auto model = test::make(named.parts);
    const surgery::SpecAndWeights parts = folded(*model);
    for (const BlockSpec& block : parts.spec.blocks) EXPECT_EQ(block.stream_gain, 1);
    EXPECT_LT(
        test::relative_difference(output(*test::make(parts), images), output(*model, images)),
        test::float_tolerance(192, 2 * test::operations(parts.spec), 16) + parts.spec.norm_eps / (2 * 0.01))
        << named.name;
  }
}

}  // namespace
}  // namespace vitrim::exporter
