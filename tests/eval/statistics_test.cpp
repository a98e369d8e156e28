// Costs and statistics against figures worked out by hand, by scipy 1.17 and from the published sizes.

#include "vitrim/eval/statistics.h"

#include <gtest/gtest.h>

#include <cmath>

#include "vitrim/architecture/known.h"
#include "vitrim/core/model_spec.h"
#include "vitrim/eval/cost.h"
#include "vitrim/surgery/remove_attention.h"

namespace vitrim::eval {
namespace {

// scipy.stats.binomtest(k, n).proportion_ci(0.95, "wilson")
TEST(Wilson, IsScipys) {
  const auto expect = [](int64_t k, int64_t n, double low, double high) {
    const auto [a, b] = wilson_interval(k, n);
    EXPECT_NEAR(a, low, 1e-12);
    EXPECT_NEAR(b, high, 1e-12);
  };
  expect(575, 700, 0.7913254609741146, 0.8480230661132032);
  expect(0, 20, 0.0, 0.16112515805281935);
  expect(20, 20, 0.8388748419471808, 1.0);
  expect(3, 10, 0.10779126740630102, 0.6032218525388546);
  EXPECT_EQ(wilson_interval(0, 0), (std::pair<double, double>{0, 1}));
}

// scipy.stats.binomtest(min(a, b), a + b).pvalue
TEST(McNemar, IsScipys) {
  EXPECT_NEAR(mcnemar_exact(10, 30), 0.0022214337732293643, 1e-12);
  EXPECT_NEAR(mcnemar_exact(30, 10), 0.0022214337732293643, 1e-12);
  EXPECT_NEAR(mcnemar_exact(3, 1), 0.625, 1e-12);
  EXPECT_NEAR(mcnemar_exact(0, 12), 0.00048828125, 1e-12);
  EXPECT_NEAR(mcnemar_exact(120, 161), 0.016869296340143808, 1e-11);
  EXPECT_EQ(mcnemar_exact(7, 7), 1);
  EXPECT_EQ(mcnemar_exact(0, 0), 1);
}

TEST(ComparePaired, IntervalIsNumpys) {
  // 10 images right in the first alone, 30 in the second alone, 100 in both, 60 in none.
  std::vector<uint8_t> first, second;
  for (int i = 0; i < 200; ++i) {
    first.push_back(i < 10 || (i >= 40 && i < 140));
    second.push_back((i >= 10 && i < 140));
  }
  const PairedResult result = compare_paired(first, second);
  EXPECT_DOUBLE_EQ(result.difference, 0.1);
  EXPECT_NEAR(result.mcnemar_p, mcnemar_exact(10, 30), 1e-15);
  // numpy, 400,000 resamples: [0.04, 0.16]. 10,000 resamples know the 2.5 % quantile to about 0.001, and
  // figures come in steps of 0.005.
  EXPECT_NEAR(result.ci95.first, 0.04, 0.0051);
  EXPECT_NEAR(result.ci95.second, 0.16, 0.0051);
  const PairedResult mirrored = compare_paired(second, first);
  EXPECT_DOUBLE_EQ(mirrored.difference, -0.1);
  EXPECT_NEAR(mirrored.ci95.first, -0.16, 0.0051);
  EXPECT_EQ(compare_paired(first, second).ci95, result.ci95);
  const PairedResult same = compare_paired(first, first);
  EXPECT_EQ(same.difference, 0);
  EXPECT_EQ(same.ci95, (std::pair<double, double>{0, 0}));
  EXPECT_EQ(same.mcnemar_p, 1);
  EXPECT_THROW(compare_paired(first, std::vector<uint8_t>{1}), std::invalid_argument);
  EXPECT_THROW(compare_paired(std::vector<uint8_t>{}, {}), std::invalid_argument);
}

TEST(CountCost, IsTheSumByHand) {
  // 16 x 16 pixels in patches of 8: 4 patches, with CLS 5 tokens; 6 channels, 2 heads of 3, MLP 10, 7
  // classes, layer scale, q/k norm.
  ModelSpec spec = architecture::vit_spec(16, 8, 6, 2, 2, 10, 7);
  spec.layer_scale = spec.qk_norm = true;
  spec.blocks[1].attention = AttentionKind::kNone;
  spec.blocks[1].num_heads = spec.blocks[1].qk_dim = spec.blocks[1].v_dim = 0;
  const ModelCost cost = count_cost(spec);
  EXPECT_EQ(cost.embed_params, 6 * 3 * 8 * 8 + 6 + 6 + 5 * 6);
  EXPECT_EQ(cost.head_params, 2 * 6 + 7 * 6 + 7);
  const int64_t attention = 2 * 6 + (18 * 6 + 18) + 4 * 3 + (6 * 6 + 6) + 6;
  const int64_t mlp = 2 * 6 + (10 * 6 + 10) + (6 * 10 + 6) + 6;
  ASSERT_EQ(cost.blocks.size(), 2u);
  EXPECT_EQ(cost.blocks[0].attention_params, attention);
  EXPECT_EQ(cost.blocks[0].params, attention + mlp);
  EXPECT_EQ(cost.blocks[1].attention_params, 0);
  EXPECT_EQ(cost.blocks[1].params, mlp);
  EXPECT_EQ(cost.params, cost.embed_params + cost.head_params + attention + 2 * mlp);

  const int64_t attention_macs = 5 * 6 * 18 + 5 * 5 * 6 + 5 * 5 * 6 + 5 * 6 * 6, mlp_macs = 5 * 6 * 10 * 2;
  EXPECT_EQ(cost.blocks[0].attention_macs, attention_macs);
  EXPECT_EQ(cost.blocks[0].macs, attention_macs + mlp_macs);
  EXPECT_EQ(cost.blocks[1].attention_macs, 0);
  EXPECT_EQ(cost.blocks[1].macs, mlp_macs);
  EXPECT_EQ(cost.embed_macs, 4 * 6 * 3 * 8 * 8);
  EXPECT_EQ(cost.head_macs, 6 * 7);
  EXPECT_EQ(cost.macs, cost.embed_macs + cost.head_macs + attention_macs + 2 * mlp_macs);

  spec.distillation_token = true;
  EXPECT_EQ(count_cost(spec).head_macs, 2 * 6 * 7);
  EXPECT_EQ(count_cost(spec).params, cost.params + 6 + 6 + 7 * 6 + 7);  // token, its position, second head
}

// shared/golden/macs.json: PyTorch 2.13's FlopCounterMode / 2, rounded to three digits after the point.
TEST(CountCost, IsThePublishedSizes) {
  const auto expect = [](const char* name, double gmacs, double mparams) {
    const ModelCost cost = count_cost(architecture::known_spec(name));
    EXPECT_NEAR(static_cast<double>(cost.macs) * 1e-9, gmacs, 0.00051) << name;
    EXPECT_NEAR(static_cast<double>(cost.params) * 1e-6, mparams, 0.00051) << name;
  };
  expect("deit_tiny_patch16_224", 1.254, 5.717);
  expect("deit_small_patch16_224", 4.599, 22.051);
  expect("deit_base_patch16_224", 17.564, 86.568);
  expect("swin_tiny_patch4_window7_224", 4.491, 28.288);
  expect("flatten_pvt_tiny", 1.927, 13.344);
  expect("flatten_pvt_small", 3.807, 24.719);
  expect("flatten_pvt_v2_b0", 0.552, 3.725);
  expect("flatten_swin_tiny_patch4_224", 4.483, 29.192);
  expect("flatten_cswin_tiny", 4.324, 21.202);
  EXPECT_EQ(count_cost(architecture::known_spec("vit_tiny_patch16_224")).params, 5717416);
  // attn_type LLSS, la_sr_ratios 1111: focused attention over whole maps in two stages, PVT's own in the
  // others.
  ModelSpec mixed = architecture::known_spec("flatten_pvt_tiny");
  for (size_t i = 0; i < mixed.blocks.size(); ++i) {
    const bool early = i < static_cast<size_t>(mixed.stages[0].depth + mixed.stages[1].depth);
    mixed.blocks[i].sr_ratio =
        early || i >= mixed.blocks.size() - static_cast<size_t>(mixed.stages[3].depth) ? 1 : 2;
    if (!early) mixed.blocks[i].attention = AttentionKind::kSoftmax;
  }
  EXPECT_NEAR(static_cast<double>(count_cost(mixed).macs) * 1e-9, 2.008, 0.00051);
  EXPECT_NEAR(static_cast<double>(count_cost(mixed).params) * 1e-6, 12.788, 0.00051);
}

TEST(CountCost, DeitBaseLessFiveLayers) {
  const ModelSpec dense = architecture::known_spec("deit_base_patch16_224");
  const auto before = static_cast<double>(count_cost(dense).params);
  const auto after =
      static_cast<double>(count_cost(surgery::remove_attention(dense, {0, 1, 3, 4, 6})).params);
  // The paper's figure: -13.7 %.
  EXPECT_EQ(std::lround((after / before - 1) * 1000), -137);
}

}  // namespace
}  // namespace vitrim::eval
