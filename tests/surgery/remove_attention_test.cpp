// A cut model equals the masked model, and folding the factor 2 changes nothing except for the epsilon of
// LayerNorm.

#include "vitrim/surgery/remove_attention.h"

#include <torch/csrc/autograd/autograd.h>

#include "core/expect_throw.h"
#include "model/small_models.h"
#include "surgery/own_model.h"
#include "vitrim/architecture/parameters.h"

namespace vitrim::surgery {
namespace {

using test::own_model;
using test::relative_difference;

const std::vector<int> kLayers = {0, 2, 3};

struct Outcome {
  at::Tensor logits, features;
  std::map<std::string, at::Tensor> gradients;  // of a fixed weighted sum of the logits
};

Outcome run(model::Model& model, const at::Tensor& images, const std::vector<model::BlockGain>& gains = {}) {
  model.set_requires_grad(true);
  const model::Output out = model.forward(images, gains);
  std::vector<std::string> names;
  std::vector<at::Tensor> parameters;
  for (const auto& [name, tensor] : model.parameters().entries()) {
    names.push_back(name);
    parameters.push_back(tensor);
  }
  const at::Tensor r = at::randn(out.logits.sizes(), at::detail::createCPUGenerator(11));
  // Parameters of a masked attention get none.
  const auto gradients = torch::autograd::grad({(out.logits * r).sum()}, parameters, {}, {},
                                               /*create_graph=*/false, /*allow_unused=*/true);
  Outcome result{out.logits.detach(), out.features.detach(), {}};
  for (size_t i = 0; i < names.size(); ++i) {
    if (gradients[i].defined()) result.gradients[names[i]] = gradients[i];
  }
  return result;
}

// Error of a gradient relative to the largest of its tensor.
double gradient_error(const Outcome& got, const Outcome& wanted, const std::string& name, double factor = 1) {
  const at::Tensor difference = got.gradients.at(name) * factor - wanted.gradients.at(name);
  return (difference.abs().max() / wanted.gradients.at(test::gradient_scale(name)).abs().max())
      .item<double>();
}

class EveryVariant : public testing::TestWithParam<test::Variant> {
 protected:
  SpecAndWeights dense() const { return {GetParam().spec, test::lively_weights(GetParam().spec, 5)}; }
  // Sums of at most 192 products; gradients pass twice as many operations.
  double rounding() const { return test::float_tolerance(192, 2 * test::operations(GetParam().spec), 8); }
};
INSTANTIATE_TEST_SUITE_P(Surgery, EveryVariant, testing::ValuesIn(test::all_variants()),
                         [](const auto& info) { return info.param.name; });

TEST_P(EveryVariant, CutIsMasked) {
  const at::Tensor images = test::colour_input(3);
  for (double gain : {1.0, 2.0}) {
    const auto masked = own_model(dense()), cut = own_model(remove_attention(dense(), kLayers, gain));
    std::vector<model::BlockGain> gains(4);
    for (int layer : kLayers) gains[layer] = gain == 1 ? model::kSkip : model::kIdentity;
    const Outcome a = run(*masked, images, gains), b = run(*cut, images);
    EXPECT_LT(relative_difference(b.logits, a.logits), rounding());
    ASSERT_GT(relative_difference(run(*masked, images).logits, a.logits), 0.05)
        << "the attention did not matter";
    // Every remaining parameter has the same gradient, and none that had one is lost.
    size_t used = 0;
    for (const architecture::ParameterInfo& info : architecture::parameter_layout(cut->spec()))
      used += info.used;
    ASSERT_EQ(b.gradients.size(), used);
    EXPECT_EQ(a.gradients.size(), b.gradients.size());
    for (const auto& [name, gradient] : b.gradients) {
      ASSERT_TRUE(a.gradients.count(name)) << name;
      EXPECT_LT(gradient_error(b, a, name), rounding()) << name;
    }
  }
}

TEST_P(EveryVariant, ADilutedModelIsTheOneWithGains) {
  const at::Tensor images = test::colour_input(3);
  const auto whole = own_model(dense());
  for (double lambda : {1.0, 0.3}) {
    std::vector<model::BlockGain> gains(4);
    for (double stream : {2.0, 1.0}) {
      if (lambda == 1 && stream == 1) continue;  // the same gains
      for (int layer : kLayers) gains[layer] = {stream - (stream - 1) * lambda, lambda};
      const Outcome a = run(*whole, images, gains),
                    b = run(*own_model(dilute(dense(), kLayers, lambda, stream)), images);
      EXPECT_LT(relative_difference(b.logits, a.logits), rounding()) << lambda << " " << stream;
    }
  }
  // At 0 the layers are gone and their factor folded: what remove and fold make of them, to the bit.
  const SpecAndWeights nothing = dilute(dense(), kLayers, 0),
                       folded = fold_stream_gains(remove_attention(dense(), kLayers, 2));
  EXPECT_EQ(nothing.spec, folded.spec);
  for (const auto& [name, tensor] : folded.weights.entries())
    EXPECT_TRUE(at::equal(nothing.weights.at(name), tensor)) << name;
  EXPECT_THROW(dilute(dense(), kLayers, 1.5), std::invalid_argument);
  EXPECT_THROW(dilute(dense(), {7}, 0.5), std::invalid_argument);
}

// LN(g x) differs from LN(x) by at most eps / (2 var x) relative: sum that over all norms on the way, with
// the smallest variance of a token.
double epsilon_bound(const model::Model& model, const at::Tensor& images) {
  const at::NoGradGuard no_grad;
  double smallest = std::numeric_limits<double>::infinity();
  at::Tensor x = model.embed(images);
  for (int i = 0; i < model.num_blocks(); ++i) {
    model::BlockTrace trace;
    const at::Tensor z = model.run_block(i, x, model::kKeep, &trace);
    for (const at::Tensor& t : {x, trace.after_attention, z})
      smallest = std::min(smallest, t.var(-1).min().item<double>());
    x = z;
  }
  return model.spec().norm_eps / (2 * smallest) * (2 * model.num_blocks() + 1);
}

TEST_P(EveryVariant, FoldingChangesNothing) {
  const at::Tensor images = test::colour_input(3);
  const SpecAndWeights unfolded = remove_attention(dense(), kLayers, 2), folded = fold_stream_gains(unfolded);
  for (const BlockSpec& block : folded.spec.blocks) EXPECT_EQ(block.stream_gain, 1);
  const auto before = own_model(unfolded), after = own_model(folded);
  // A factor of 4 for what the network makes of a relative change.
  const double tolerance = rounding() + 4 * epsilon_bound(*before, images);
  ASSERT_LT(tolerance, 2e-3) << "the stream is too small for a sharp test";
  const Outcome a = run(*before, images), b = run(*after, images);
  EXPECT_LT(relative_difference(b.logits, a.logits), tolerance);
  EXPECT_LT(relative_difference(b.features, a.features), tolerance);
  // A parameter that was multiplied with g has its gradient divided by g.
  int multiplied = 0;
  for (const auto& [name, gradient] : a.gradients) {
    const at::Tensor &old = before->parameter(name), &now = after->parameter(name);
    const double factor = ((old * now).sum() / (old * old).sum()).item<double>();
    EXPECT_LT(relative_difference(now, old * factor), 1e-6) << name;
    EXPECT_LT(gradient_error(b, a, name, factor), 2 * tolerance) << name;
    multiplied += std::abs(factor - 1) > 0.5;
  }
  EXPECT_GT(multiplied, 3);
}

TEST(FoldStreamGains, MultipliesOncePerBlockAbove) {
  const ModelSpec spec = test::small_spec();
  const SpecAndWeights dense{spec, test::lively_weights(spec, 1)};
  const SpecAndWeights folded = fold_stream_gains(remove_attention(dense, {0, 2, 3}, 2));
  const auto factor = [&](const std::string& name) {
    return (folded.weights.at(name).flatten()[0] / dense.weights.at(name).flatten()[0]).item<double>();
  };
  for (const char* name : {"patch_embed.proj.weight", "patch_embed.proj.bias", "cls_token", "pos_embed"})
    EXPECT_EQ(factor(name), 8) << name;
  EXPECT_EQ(factor("blocks.0.mlp.fc2.weight"), 4);
  EXPECT_EQ(factor("blocks.1.attn.proj.bias"), 4);
  EXPECT_EQ(factor("blocks.1.mlp.fc2.bias"), 4);
  EXPECT_EQ(factor("blocks.2.mlp.fc2.weight"), 2);
  EXPECT_EQ(factor("blocks.3.mlp.fc2.weight"), 1);
  EXPECT_EQ(factor("blocks.1.mlp.fc1.weight"), 1);
  EXPECT_EQ(factor("norm.weight"), 1);
}

TEST(FoldStreamGains, LayerScaleIsMultipliedInsteadOfTheMatrix) {
  const ModelSpec spec = test::variant("layerscale_qknorm");
  const SpecAndWeights dense{spec, test::lively_weights(spec, 1)};
  const SpecAndWeights folded = fold_stream_gains(remove_attention(dense, {3}, 2));
  EXPECT_TRUE(at::equal(folded.weights.at("blocks.1.ls1.gamma"), dense.weights.at("blocks.1.ls1.gamma") * 2));
  EXPECT_TRUE(at::equal(folded.weights.at("blocks.1.ls2.gamma"), dense.weights.at("blocks.1.ls2.gamma") * 2));
  EXPECT_TRUE(
      at::equal(folded.weights.at("blocks.1.mlp.fc2.weight"), dense.weights.at("blocks.1.mlp.fc2.weight")));
  EXPECT_TRUE(at::equal(folded.weights.at("blocks.1.attn.proj.weight"),
                        dense.weights.at("blocks.1.attn.proj.weight")));
}

TEST(FoldStreamGains, NormBeforeTheFirstBlockTakesTheFactor) {
  const ModelSpec spec = test::variant("pre_norm");
  const SpecAndWeights dense{spec, test::lively_weights(spec, 1)};
  const SpecAndWeights folded = fold_stream_gains(remove_attention(dense, {1}, 2));
  EXPECT_TRUE(at::equal(folded.weights.at("norm_pre.weight"), dense.weights.at("norm_pre.weight") * 2));
  EXPECT_TRUE(at::equal(folded.weights.at("norm_pre.bias"), dense.weights.at("norm_pre.bias") * 2));
  EXPECT_TRUE(at::equal(folded.weights.at("pos_embed"), dense.weights.at("pos_embed")));
  EXPECT_TRUE(at::equal(folded.weights.at("cls_token"), dense.weights.at("cls_token")));
}

TEST(RemoveAttention, LeavesTheDenseModelAlone) {
  const ModelSpec spec = test::variant("layerscale_qknorm");
  const SpecAndWeights dense{spec, test::lively_weights(spec, 1)};
  const SpecAndWeights cut = fold_stream_gains(remove_attention(dense, {1, 3}, 2));
  const model::StateDict fresh = test::lively_weights(spec, 1);
  for (const auto& [name, tensor] : fresh.entries()) {
    EXPECT_TRUE(at::equal(dense.weights.at(name), tensor)) << name;
  }
  for (const char* gone : {"blocks.1.norm1.weight", "blocks.1.attn.qkv.weight", "blocks.3.attn.q_norm.bias",
                           "blocks.3.ls1.gamma"}) {
    EXPECT_FALSE(cut.weights.contains(gone)) << gone;
  }
  EXPECT_EQ(cut.weights.size(), architecture::parameter_layout(cut.spec).size());
  EXPECT_EQ(to_json(remove_attention(spec, {1, 3}, 1)), to_json(cut.spec));
}

// "blocks.1." must not take "blocks.11." along.
TEST(RemoveAttention, KnowsBlockOneFromBlockEleven) {
  const ModelSpec spec = test::small_spec(12);
  const SpecAndWeights cut = remove_attention({spec, test::lively_weights(spec, 1)}, {1});
  EXPECT_TRUE(cut.weights.contains("blocks.11.attn.qkv.weight"));
  EXPECT_EQ(cut.spec.blocks[11].attention, AttentionKind::kSoftmax);
}

TEST(RemoveAttention, Errors) {
  const ModelSpec spec = test::small_spec();
  EXPECT_TRUE(
      contains(message_of<std::invalid_argument>([&] { remove_attention(spec, {4}); }), "blocks 0 to 3"));
  EXPECT_TRUE(contains(message_of<std::invalid_argument>([&] { remove_attention(spec, {-1}); }), "block -1"));
  EXPECT_TRUE(contains(message_of<std::invalid_argument>([&] { remove_attention(spec, {1, 2, 1}); }),
                       "block 1: named twice"));
  const ModelSpec cut = remove_attention(spec, {1});
  EXPECT_TRUE(
      contains(message_of<std::invalid_argument>([&] { remove_attention(cut, {1}); }), "removed already"));
  EXPECT_EQ(to_json(remove_attention(spec, {})), to_json(spec));
}

}  // namespace
}  // namespace vitrim::surgery
