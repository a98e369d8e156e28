// Learned indicators: the target is met, dead channels go, parts can be switched off, the same seed gives the
// same.

#include "vitrim/prune/indicators.h"

#include "core/expect_throw.h"
#include "model/small_models.h"
#include "vitrim/architecture/channels.h"
#include "vitrim/surgery/cut_channels.h"

namespace vitrim::prune {
namespace {

IndicatorOptions quick() {
  IndicatorOptions options;
  options.epochs = 2;
  options.fit_batch = 16;
  options.score_images = 16;
  return options;
}

ChannelBudget budget_of(const ModelSpec& spec, const std::string& target, int64_t round) {
  return {spec, units_of(spec, Scope::kAttention), parse_target(target, true, spec), round};
}

class EveryVariantIndicators : public testing::TestWithParam<test::Variant> {};
INSTANTIATE_TEST_SUITE_P(Prune, EveryVariantIndicators, testing::ValuesIn(test::all_variants()),
                         [](const auto& info) { return info.param.name; });

TEST_P(EveryVariantIndicators, MeetTheTargetAndCanBeCut) {
  const ModelSpec& spec = GetParam().spec;
  const auto model = test::lively_model(spec);
  const ChannelBudget budget = budget_of(spec, spec.qk_norm ? "85%" : "70%", 2);
  const Indicators learned = learn_indicators(*model, budget, test::colour_images(32), quick());
  const double error = std::abs(
      static_cast<double>(budget.macs(learned.widths)) / static_cast<double>(budget.target().macs) - 1);
  EXPECT_LT(error, 0.05);  // a step of two channels is a few per cent of so small a model
  for (size_t u = 0; u < budget.units().size(); ++u) {
    EXPECT_TRUE(((learned.gates[u] != 0).sum(1) == learned.widths[u]).all().item<bool>());
    EXPECT_GT(learned.shares[u], 0);
  }
  // The cut model computes the same as the gated one.
  const std::vector<model::ChannelGates> gates = as_gates(spec, budget.units(), learned.gates);
  const auto parts = surgery::cut_channels({spec, model->parameters()}, gates);
  const auto gated = model->clone();
  for (int i = 0; i < gated->num_blocks(); ++i) gated->set_gates(i, gates[static_cast<size_t>(i)]);
  const at::NoGradGuard no_grad;
  const at::Tensor images = test::colour_input(3);
  EXPECT_LT(test::relative_difference(model::make_model(parts.spec, parts.weights)->forward(images).logits,
                                      gated->forward(images).logits),
            test::float_tolerance(192, test::operations(spec), 16));
}

TEST(Indicators, DeadChannelsGo) {
  const ModelSpec spec = test::small_spec();
  model::StateDict weights = test::lively_weights(spec, 1);
  // Nothing reads channels 0 to 7 of either head's v in block 2, and q and k are zero in them.
  at::Tensor proj = weights.at("blocks.2.attn.proj.weight").clone(),
             qkv = weights.at("blocks.2.attn.qkv.weight").clone();
  at::Tensor bias = weights.at("blocks.2.attn.qkv.bias").clone();
  for (int64_t head : {0, 1}) {
    proj.narrow(1, 16 * head, 8).zero_();
    for (int64_t part : {0, 1, 2}) {
      qkv.narrow(0, 32 * part + 16 * head, 8).mul_(1e-3);
      bias.narrow(0, 32 * part + 16 * head, 8).zero_();
    }
  }
  weights.set("blocks.2.attn.proj.weight", proj);
  weights.set("blocks.2.attn.qkv.weight", qkv);
  weights.set("blocks.2.attn.qkv.bias", bias);
  const auto model = model::make_model(spec, weights);
  IndicatorOptions options = quick();
  const Indicators learned =
      learn_indicators(*model, budget_of(spec, "60%", 2), test::colour_images(64), options);
  for (size_t u : {4u, 5u}) {
    const at::Tensor kept = (learned.gates[u] != 0).to(at::kFloat);
    ASSERT_GE(learned.widths[u], 4);
    EXPECT_GT(kept.slice(1, 8).sum().item<double>(), kept.slice(1, 0, 8).sum().item<double>()) << u;
    // A query-key channel without effect makes uniform attention, which may be closer to the head's than that
    // of a strong channel; a value that nothing reads is zero.
    if (u == 5 && learned.widths[u] <= 8) {
      EXPECT_EQ(kept.slice(1, 0, 8).sum().item<double>(), 0);
    }
  }
}

// Energies of an MLP's channels span orders of magnitude. Indicators that begin with their logarithms let
// MLPs keep about as much as attention; with the energies themselves a few channels would stand far above a
// crowd, and one common offset would take most of the crowd.
TEST(Indicators, MlpsBeginWithLogarithms) {
  const ModelSpec spec = test::small_spec();
  model::StateDict weights = test::lively_weights(spec, 1);
  at::Generator random = at::detail::createCPUGenerator(2);
  for (int i = 0; i < 4; ++i) {
    const std::string name = "blocks." + std::to_string(i) + ".mlp.fc2.weight";
    weights.set(name, weights.at(name) * (1.5 * at::randn({1, 64}, random)).exp());
  }
  const auto model = model::make_model(spec, weights);
  IndicatorOptions options = quick();
  options.learning_rate = 1e-6;  // what they begin with decides
  const ChannelBudget budget(spec, units_of(spec, Scope::kAttentionAndMlp), parse_target("60%", false, spec),
                             1);
  const Indicators learned = learn_indicators(*model, budget, test::colour_images(32), options);
  double mlp = 0, others = 0;
  for (size_t u = 0; u < budget.units().size(); ++u)
    (budget.units()[u].group == architecture::ChannelGroup::kMlp ? mlp : others) += learned.shares[u] / 4;
  EXPECT_NEAR(mlp, others / 2, 0.1);  // eight units of attention
}

TEST(Indicators, SameSeedSameResultAndEveryPartCounts) {
  const ModelSpec spec = test::small_spec();
  const auto model = test::lively_model(spec);
  const data::ImageBatch images = test::colour_images(32);
  const ChannelBudget budget = budget_of(spec, "60%", 1);
  const Indicators first = learn_indicators(*model, budget, images, quick()),
                   again = learn_indicators(*model, budget, images, quick());
  const auto same = [&](const Indicators& a, const Indicators& b) {
    bool equal = true;
    for (size_t u = 0; u < a.gates.size(); ++u) equal = equal && at::equal(a.gates[u], b.gates[u]);
    return equal;
  };
  EXPECT_TRUE(same(first, again));
  for (bool IndicatorOptions::* part :
       {&IndicatorOptions::equal_proportions, &IndicatorOptions::reweight, &IndicatorOptions::initialise}) {
    IndicatorOptions options = quick();
    options.*part = false;
    EXPECT_FALSE(same(first, learn_indicators(*model, budget, images, options)));
  }
  for (Similarity similarity : {Similarity::kWeights, Similarity::kActivations, Similarity::kResidual}) {
    IndicatorOptions options = quick();
    options.similarity = similarity;
    EXPECT_FALSE(same(first, learn_indicators(*model, budget, images, options)));
  }
  // Softmax attention begins without scores where only linear attention has them.
  IndicatorOptions some = quick(), none = quick();
  some.linear_alone = true;
  none.initialise = false;
  EXPECT_TRUE(
      same(learn_indicators(*model, budget, images, some), learn_indicators(*model, budget, images, none)));
  IndicatorOptions threshold = quick();
  threshold.truncation = parse_truncation("threshold");
  const Indicators cut = learn_indicators(*model, budget, images, threshold);
  EXPECT_NE(cut.shares, first.shares);
  EXPECT_LE(budget.macs(cut.widths), 1.005 * static_cast<double>(budget.target().macs));
  EXPECT_GE(budget.macs(cut.widths), 0.97 * static_cast<double>(budget.target().macs));
  const at::Tensor scores = at::tensor({-3.0, -0.1, 0.1, 0.2});
  EXPECT_EQ(kept_share(scores, Truncation::kThreshold, 0.5), 0.5);
  EXPECT_NEAR(kept_share(scores, Truncation::kShare, 0.5), (scores / 0.5).sigmoid().mean().item<double>(),
              1e-12);
  IndicatorOptions plain = quick();
  plain.reweight = false;
  for (const at::Tensor& gate : learn_indicators(*model, budget, images, plain).gates)
    EXPECT_TRUE(((gate == 0) | (gate == 1)).all().item<bool>());
  EXPECT_THROW(learn_indicators(*model, budget, test::colour_images(4), quick()), std::exception);
  // The dense model stays as it was.
  for (int i = 0; i < model->num_blocks(); ++i) EXPECT_FALSE(model->gates(i).qk.defined());
}

}  // namespace
}  // namespace vitrim::prune
