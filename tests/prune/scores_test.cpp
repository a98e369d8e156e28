// Channel scores against their definitions, which are implemented here in another way.

#include "vitrim/prune/scores.h"

#include <cmath>

#include "core/expect_throw.h"
#include "model/small_models.h"
#include "vitrim/architecture/channels.h"
#include "vitrim/model/query_keys.h"
#include "vitrim/prune/similarity.h"

namespace vitrim::prune {
namespace {

using architecture::ChannelGroup;
using test::relative_difference;

// One unit of block 1.
std::vector<Unit> unit_of(const ModelSpec& spec, ChannelGroup group) {
  for (const Unit& unit : units_of(spec, Scope::kAttentionAndMlp)) {
    if (unit.block == 1 && unit.group == group) return {unit};
  }
  throw std::out_of_range("no such unit");
}

class EveryVariantScore : public testing::TestWithParam<test::Variant> {};
INSTANTIATE_TEST_SUITE_P(Prune, EveryVariantScore, testing::ValuesIn(test::all_variants()),
                         [](const auto& info) { return info.param.name; });

// ||A_h - A_h(i)|| / ||A_h||, with channel i alone or without it, from the attention matrices themselves.
TEST_P(EveryVariantScore, DifferenceIsThatOfTheAttentionMatrices) {
  const at::NoGradGuard no_grad;
  const ModelSpec& spec = GetParam().spec;
  if (!architecture::can_prune(spec, 1, ChannelGroup::kQk))
    GTEST_SKIP() << "query-key channels before a q/k norm are not pruned, and static attention has none";
  const auto model = test::lively_model(spec);
  const data::ImageBatch images = test::colour_images(3);
  const at::Tensor got = score_channels(*model, unit_of(spec, ChannelGroup::kQk),
                                        ChannelCriterion::kDifference, images, {2, 0})[0];
  const at::Tensor absence =
      score_channels(*model, unit_of(spec, ChannelGroup::kQk), ChannelCriterion::kAbsence, images, {2, 0})[0];
  model::BlockTrace trace;
  at::Tensor x = model->embed(data::normalized(images, 0, 3));
  for (int i = 0; i <= 1; ++i) x = model->run_block(i, x, model::kKeep, &trace);
  at::Tensor wanted = at::zeros_like(got), wanted_absence = at::zeros_like(got);
  for (const model::QueryKeys& part : model::query_keys(*model, 1, trace.input)) {
    const bool linear = is_linear_attention(spec.blocks[1].attention);
    const at::Tensor q = part.q.to(at::kDouble), k = part.k.to(at::kDouble);
    auto attention = [&](const at::Tensor& a, const at::Tensor& b) {
      const at::Tensor scores = at::matmul(a, b.transpose(-2, -1));
      return linear ? scores : at::softmax(scores / std::sqrt(static_cast<double>(q.size(-1))), -1);
    };
    for (int64_t h = 0; h < q.size(1); ++h) {
      const at::Tensor whole = attention(q.select(1, h), k.select(1, h));
      for (int64_t i = 0; i < q.size(3); ++i) {
        const at::Tensor alone =
            attention(q.select(1, h).slice(-1, i, i + 1), k.select(1, h).slice(-1, i, i + 1));
        at::Tensor others = q.select(1, h).clone();
        others.select(-1, i).zero_();
        const at::Tensor without = attention(others, k.select(1, h));
        wanted_absence[part.head_begin + h][i] +=
            ((whole - without).norm(2, {1, 2}) / whole.norm(2, {1, 2})).sum();
        wanted[part.head_begin + h][i] -= ((whole - alone).norm(2, {1, 2}) / whole.norm(2, {1, 2})).sum();
      }
    }
  }
  // Norms of differences of float32 products.
  EXPECT_LT(relative_difference(got, wanted), 1e-4);
  // The attention moves by a thousandth part of itself, which costs three of float32's seven digits.
  EXPECT_LT(relative_difference(absence, wanted_absence), 1e-2);
}

TEST_P(EveryVariantScore, EnergyOfValuesIsOfWhatTheProjectionReads) {
  const at::NoGradGuard no_grad;
  const ModelSpec& spec = GetParam().spec;
  const auto model = test::lively_model(spec);
  const data::ImageBatch images = test::colour_images(3);
  for (bool centred : {false, true}) {
    const std::vector<Unit> unit = unit_of(spec, ChannelGroup::kV);
    const at::Tensor got =
        score_channels(*model, unit, centred ? ChannelCriterion::kEnergyCentred : ChannelCriterion::kEnergy,
                       images, {2, 0})[0];
    // Taking a channel out changes the branch, without layer scale, by exactly its part: sum over tokens of
    // (mixed_i column_i)^2.
    model::BlockTrace trace, without;
    at::Tensor x = model->embed(data::normalized(images, 0, 3));
    x = model->run_block(0, x, model::kKeep, nullptr);
    model->run_block(1, x, model::kKeep, &trace);
    const at::Tensor gamma =
        model->has_parameter("blocks.1.ls1.gamma") ? model->parameter("blocks.1.ls1.gamma") : at::ones({1});
    for (const auto& [h, c] : {std::pair<int64_t, int64_t>{0, 2}, {1, 5}}) {
      model::ChannelGates gates;
      gates.v = at::ones({unit[0].heads, unit[0].width});
      gates.v[h][c] = 0;
      model->set_gates(1, gates);
      model->run_block(1, x, model::kKeep, &without);
      model->set_gates(1, {});
      at::Tensor change = (trace.attention - without.attention) / gamma;
      if (centred) change = change - change.mean(1, true);
      EXPECT_NEAR(got[h][c].item<double>() / change.square().sum().item<double>(), 1, 1e-3);
    }
  }
}

TEST_P(EveryVariantScore, EveryCriterionGivesFiniteNumbersOfTheRightShape) {
  const ModelSpec& spec = GetParam().spec;
  const auto model = test::lively_model(spec);
  const data::ImageBatch images = test::colour_images(4);
  const std::vector<Unit> units = units_of(spec, Scope::kAttentionAndMlp);
  for (const char* name : {"magnitude", "taylor", "energy", "energy_centred", "random", "difference"}) {
    const auto scores = score_channels(*model, units, parse_channel_criterion(name), images);
    ASSERT_EQ(scores.size(), units.size());
    for (size_t u = 0; u < units.size(); ++u) {
      ASSERT_EQ(scores[u].sizes(), at::IntArrayRef({units[u].heads, units[u].width})) << name;
      EXPECT_TRUE(at::isfinite(scores[u]).all().item<bool>()) << name;
      EXPECT_GT(scores[u].std().item<double>(), 0) << name << " tells nothing apart";
    }
  }
  EXPECT_THROW(parse_channel_criterion("enrgy"), std::invalid_argument);
}

TEST(SimilarityWeights, RedundantChannelsWeighLess) {
  const ModelSpec spec = test::small_spec();
  model::StateDict weights = test::lively_weights(spec, 1);
  at::Tensor qkv = weights.at("blocks.1.attn.qkv.weight").clone();
  qkv[64 + 3] = qkv[64 + 7] * -2;  // v of head 0: channels 3 and 7 are alike except for sign and size
  weights.set("blocks.1.attn.qkv.weight", qkv);
  const auto model = model::make_model(spec, weights);
  const at::Tensor s =
      similarity_weights(*model, unit_of(spec, ChannelGroup::kV), Similarity::kWeights, {})[0];
  EXPECT_NEAR(s.mean().item<double>(), 1, 1e-9);
  EXPECT_TRUE(at::equal(similarity_weights(*model, unit_of(spec, ChannelGroup::kV), Similarity::kNone, {})[0],
                        at::ones_like(s)));
  EXPECT_LT(s[0][3].item<double>(), 1);
  EXPECT_LT(s[0][7].item<double>(), 1);
  // By hand for one channel: 1 - mean |cos| to the 15 others, over the head's mean.
  const at::Tensor rows = qkv.slice(0, 64 + 16, 64 + 32).to(at::kDouble),
                   cosines = at::cosine_similarity(rows.unsqueeze(1), rows.unsqueeze(0), 2).abs();
  const at::Tensor apart = 1 - (cosines.sum(1) - 1) / 15;
  EXPECT_NEAR(s[1][4].item<double>(), (apart[4] / apart.mean()).item<double>(), 1e-6);
  // With its sign the cosine says that channels 3 and 7 are the least alike: -1 lifts the mean distance of
  // each by 2 / 15.
  const at::Tensor with_sign =
      similarity_weights(*model, unit_of(spec, ChannelGroup::kV), Similarity::kWeightsSigned, {})[0];
  const at::Tensor mine = qkv.slice(0, 64, 64 + 16).to(at::kDouble),
                   signs = at::cosine_similarity(mine.unsqueeze(1), mine.unsqueeze(0), 2);
  const at::Tensor far = 1 - (signs.sum(1) - 1) / 15;
  for (int64_t i : {3, 7, 5})
    EXPECT_NEAR(with_sign[0][i].item<double>(), (far[i] / far.mean()).item<double>(), 1e-6);
  // All channels are equal, so the weights are 1.
  qkv.fill_(1);
  weights.set("blocks.1.attn.qkv.weight", qkv);
  EXPECT_TRUE(at::equal(similarity_weights(*model::make_model(spec, weights), unit_of(spec, ChannelGroup::kV),
                                           Similarity::kWeights, {})[0],
                        at::ones({2, 16}, at::kDouble)));
}

TEST(SimilarityWeights, WhatOthersDoAsWellWeighsLess) {
  const ModelSpec spec = test::small_spec();
  model::StateDict weights = test::lively_weights(spec, 1);
  at::Tensor qkv = weights.at("blocks.1.attn.qkv.weight").clone(),
             bias = weights.at("blocks.1.attn.qkv.bias").clone();
  for (int64_t group :
       {0, 32, 64}) {  // q, k and v of head 0: channels 3 and 7 are alike except for sign and size
    qkv[group + 3] = qkv[group + 7] * -2;
    bias[group + 3] = bias[group + 7] * -2;
  }
  weights.set("blocks.1.attn.qkv.weight", qkv);
  weights.set("blocks.1.attn.qkv.bias", bias);
  const auto model = model::make_model(spec, weights);
  const data::ImageBatch images = test::colour_images(8);
  for (ChannelGroup group : {ChannelGroup::kQk, ChannelGroup::kV}) {
    const at::Tensor cosine =
        similarity_weights(*model, unit_of(spec, group), Similarity::kActivations, images)[0];
    const at::Tensor residual =
        similarity_weights(*model, unit_of(spec, group), Similarity::kResidual, images)[0];
    EXPECT_NEAR(cosine.mean().item<double>(), 1, 1e-9);
    EXPECT_NEAR(residual.mean().item<double>(), 1, 1e-9);
    for (int64_t channel : {3, 7}) {
      EXPECT_LT(cosine[0][channel].item<double>(), cosine[0].median().item<double>());
      // Explained by its twin except for the ridge, 1 + r - 1 / (1 + r) of a variance of 1 + r: a fiftieth of
      // what nothing explains.
      EXPECT_LT(residual[0][channel].item<double>(), residual[0].max().item<double>() / 10);
    }
  }
  // V by hand, of one channel.
  model::BlockTrace trace;
  const at::Tensor x =
      model->run_block(0, model->embed(data::normalized(images, 0, 8)), model::kKeep, &trace);
  model->run_block(1, x, model::kKeep, &trace);
  const at::Tensor mixed =
      (trace.mixed - trace.mixed.mean(1, true)).reshape({-1, 32}).slice(1, 16, 32).to(at::kDouble).t();
  const at::Tensor apart =
      1 - (at::cosine_similarity(mixed.unsqueeze(1), mixed.unsqueeze(0), 2).abs().sum(1) - 1) / 15;
  // Sums over 8 x tokens float32 products.
  EXPECT_NEAR(
      similarity_weights(*model, unit_of(spec, ChannelGroup::kV), Similarity::kActivations, images)[0][1][4]
          .item<double>(),
      (apart[4] / apart.mean()).item<double>(), 1e-4);
  EXPECT_THROW(parse_similarity("weight"), std::invalid_argument);
}

TEST(BestChannels, EqualInEveryHeadOrOverall) {
  const std::vector<Unit> units = {{0, ChannelGroup::kV, 2, 4}};
  const std::vector<at::Tensor> scores = {
      at::tensor({9.0, 8.0, 7.0, 1.0, 0.5, 6.0, 0.1, 0.2}, at::kDouble).reshape({2, 4})};
  EXPECT_TRUE(at::equal(best_channels(units, scores, {2})[0],
                        at::tensor({1.f, 1.f, 0.f, 0.f, 1.f, 1.f, 0.f, 0.f}).reshape({2, 4})));
  EXPECT_TRUE(at::equal(best_channels(units, scores, {2}, false)[0],
                        at::tensor({1.f, 1.f, 1.f, 0.f, 0.f, 1.f, 0.f, 0.f}).reshape({2, 4})));
}

}  // namespace
}  // namespace vitrim::prune
