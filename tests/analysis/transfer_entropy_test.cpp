// Scores of sets on small models, compared with the direct way: one forward pass per set.

#include "vitrim/analysis/transfer_entropy.h"

#include <set>

#include "model/small_models.h"
#include "vitrim/analysis/distortion.h"
#include "vitrim/select/search.h"

namespace vitrim::analysis {
namespace {

using select::LayerSet;

std::vector<LayerSet> all_sets(int layers) {
  std::vector<LayerSet> sets;
  for (uint32_t bits = 0; bits < (1U << layers); ++bits) {
    sets.emplace_back();
    for (int i = 0; i < layers; ++i) {
      if (bits >> i & 1) sets.back().push_back(i);
    }
  }
  return sets;
}

model::Output masked_output(const model::Model& model, const data::ImageBatch& images, const LayerSet& set,
                            Mask mask) {
  const at::NoGradGuard no_grad;
  std::vector<model::BlockGain> gains(static_cast<size_t>(model.num_blocks()));
  for (int layer : set) gains[layer] = mask_gain(mask);
  return model.forward(normalized(images, 0, images.size()), gains);
}

// sum_j ln sigma_j, unbiased.
double entropy_of(const at::Tensor& features) {
  return features.to(at::kDouble).var(0).log().sum().item<double>() / 2;
}

// Features of order 1 are off by float_tolerance (batches of another size sum in another order); the smallest
// sigma here is above 0.05, so each of 32 channels is off by at most 20 times that.
constexpr double kFloatNats = 32 * 20 * 1e-5;

TEST(TransferEntropy, EqualsOneForwardPassASet) {
  const auto model = test::lively_model(test::variant("layerscale_qknorm"));
  const data::ImageBatch images = test::colour_images(23);
  for (Mask mask : {Mask::kSkip, Mask::kIdentity}) {
    TransferEntropyOptions options;
    options.mask = mask;
    options.batch_size = 10;  // the last batch is a rest
    options.replicates = 7;
    TransferEntropyScorer scorer(*model, images, options);
    const std::vector<LayerSet> sets = {{3}, {0, 1, 2}, {}, {0, 2}, {1}};
    const auto scored = scorer.score(sets);
    const model::Output dense = masked_output(*model, images, {}, mask);
    ASSERT_EQ(scored.size(), sets.size());
    for (size_t i = 0; i < sets.size(); ++i) {
      const model::Output out = masked_output(*model, images, sets[i], mask);
      const double difference = entropy_of(out.features) - entropy_of(dense.features);
      EXPECT_EQ(scored[i].result.layers, sets[i]);
      EXPECT_NEAR(scored[i].result.te.value, std::abs(difference), kFloatNats) << i;
      EXPECT_EQ(scored[i].result.score.value, scored[i].result.te.value);
      EXPECT_NEAR(scorer.signed_difference(sets[i]), difference, kFloatNats);
      EXPECT_NEAR(scored[i].result.kl, kl_per_image(dense.logits, out.logits).mean().item<double>(), 1e-4);
      EXPECT_NEAR(scored[i].result.feature_error, relative_error(dense.features, out.features), 1e-4);
      EXPECT_EQ(scored[i].replicates.size(), 7u);
      EXPECT_TRUE(sets[i].empty() || scored[i].result.te.value > 100 * kFloatNats)
          << "this set tells nothing";
    }
    EXPECT_EQ(scored[2].result.te.value, 0);
    EXPECT_EQ(scored[2].result.te.standard_error, 0);  // resamples are paired
    EXPECT_NEAR(scorer.output_entropy().value, entropy_of(dense.features), kFloatNats);
  }
}

TEST(TransferEntropy, KlIsThatOfSoftenedLogits) {
  const at::Tensor dense = at::tensor({std::log(3.0) * 2, 0.0}).reshape({1, 2}),
                   changed = at::zeros({1, 2}, at::kDouble);
  // p = (3/4, 1/4) at temperature 2 against (1/2, 1/2).
  EXPECT_NEAR(kl_per_image(dense, changed).item<double>(), 0.75 * std::log(1.5) + 0.25 * std::log(0.5),
              1e-12);
  EXPECT_EQ(agreement(at::tensor({1.0, 2.0, 5.0, 4.0}).reshape({2, 2}),
                      at::tensor({0.0, 9.0, 1.0, 2.0}).reshape({2, 2})),
            0.5);
}

TEST(TransferEntropy, PrefixesAreShared) {
  const auto model = test::lively_model(test::small_spec(5));
  const data::ImageBatch images = test::colour_images(8);
  TransferEntropyScorer scorer(*model, images);
  scorer.score(all_sets(5));
  EXPECT_EQ(scorer.block_evaluations(), 62);  // 2^(n+1) - 2
  scorer.score({{1, 3}, {0}});
  EXPECT_EQ(scorer.block_evaluations(), 62) << "known sets cost nothing";
}

TEST(TransferEntropy, ThreeOfTwelveCostAtMost45Percent) {
  ModelSpec spec = test::small_spec(12);
  const auto model = test::lively_model(spec);
  const data::ImageBatch images = test::colour_images(4);
  TransferEntropyScorer scorer(*model, images);
  select::SearchOptions options;
  options.count = 3;
  EXPECT_EQ(select::search(scorer, options).sets_scored, 220);
  // The dense model and every beginning of every set: nodes at depth d are the sets of at most 3 of the d
  // lowest layers that the layers above can still fill up to 3.
  std::set<std::pair<int, LayerSet>> beginnings;
  for (const LayerSet& set : all_sets(12)) {
    if (set.size() != 3 && !set.empty()) continue;
    for (int depth = 1; depth <= 12; ++depth) {
      LayerSet below;
      for (int layer : set) {
        if (layer < depth) below.push_back(layer);
      }
      beginnings.emplace(depth, below);
    }
  }
  EXPECT_EQ(scorer.block_evaluations(), static_cast<int64_t>(beginnings.size()));
  EXPECT_LE(scorer.block_evaluations(), 0.45 * 220 * 12);
}

TEST(TransferEntropy, ExactSearchIsBruteForce) {
  const auto model = test::lively_model(test::small_spec(5), 7);
  const data::ImageBatch images = test::colour_images(16);
  TransferEntropyScorer scorer(*model, images);
  select::SearchOptions options;
  options.count = 2;
  const auto found = select::search(scorer, options);
  const double dense = entropy_of(masked_output(*model, images, {}, Mask::kSkip).features);
  double best = std::numeric_limits<double>::infinity();
  LayerSet best_set;
  for (const LayerSet& set : all_sets(5)) {
    if (set.size() != 2) continue;
    const double te = std::abs(entropy_of(masked_output(*model, images, set, Mask::kSkip).features) - dense);
    if (te < best) best = te, best_set = set;
  }
  EXPECT_EQ(found.sets.front().result.layers, best_set);
  EXPECT_NEAR(found.sets.front().result.te.value, best, kFloatNats);
}

TEST(TransferEntropy, InteractionsAreTheirDefinition) {
  ModelSpec spec = test::small_spec(4);
  test::take_attention(spec.blocks[1]);
  const auto model = test::lively_model(spec);
  const data::ImageBatch images = test::colour_images(12);
  TransferEntropyScorer scorer(*model, images);
  EXPECT_EQ(scorer.candidates(), (std::vector<int>{0, 2, 3}));
  const auto w = interactions(scorer);
  ASSERT_EQ(w.size(), 4u);
  const double dense = entropy_of(masked_output(*model, images, {}, Mask::kSkip).features);
  const auto difference = [&](const LayerSet& set) {
    return entropy_of(masked_output(*model, images, set, Mask::kSkip).features) - dense;
  };
  for (int i : {0, 2, 3}) {
    EXPECT_EQ(w[i][i], 0);
    EXPECT_TRUE(std::isnan(w[1][i]) && std::isnan(w[i][1]));
    for (int j : {0, 2, 3}) {
      EXPECT_EQ(w[i][j], w[j][i]);
      if (i >= j) continue;
      EXPECT_NEAR(w[i][j], difference({i, j}) - difference({i}) - difference({j}), 3 * kFloatNats)
          << i << " " << j;
    }
  }
}

TEST(TransferEntropy, RefusesWhatItCannotMeasure) {
  const auto model = test::lively_model(test::small_spec());
  const data::ImageBatch one = test::colour_images(1), two = test::colour_images(2);
  EXPECT_THROW(TransferEntropyScorer(*model, one), std::invalid_argument);
  TransferEntropyScorer scorer(*model, two);
  EXPECT_THROW(scorer.score({{4}}), std::invalid_argument);
  EXPECT_THROW(scorer.score({{2, 1}}), std::invalid_argument);
  EXPECT_THROW(parse_mask("dropped"), std::invalid_argument);
  EXPECT_EQ(to_string(parse_mask("identity")), "identity");
}

}  // namespace
}  // namespace vitrim::analysis
