// Token merging: the real ViT-Ti against reference logits, and properties that hold for any merging.

#include "vitrim/model/merged_tokens.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "model/real_vit.h"
#include "model/small_models.h"
#include "vitrim/architecture/cost.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/model/loading.h"

namespace vitrim {
namespace {

using test::relative_difference;

TEST(MergeTokens, MergesTheMostAlikeAndKeepsTheirMean) {
  // Six tokens after one that stays; 2 and 3 look one way, the others each their own.
  const at::Tensor metric = at::zeros({1, 7, 4});
  const std::vector<std::vector<float>> directions = {
      {1, 0, 0, 0}, {0, 1, 0, 0}, {1, 0, 1, 0}, {2, 0, 2, 0}, {0, 0, 0, 1}, {0, 1, 0, -1}, {-1, -1, 0, 0}};
  for (int64_t i = 0; i < 7; ++i) metric[0][i] = at::tensor(directions[static_cast<size_t>(i)]);
  const at::Tensor y = at::arange(7, at::kFloat).reshape({1, 7, 1});
  model::MergedTokens merged;
  const at::Tensor left = model::merge_tokens(y, metric, 1, 1, merged);
  ASSERT_EQ(left.sizes(), at::IntArrayRef({1, 6, 1}));
  // Token 2 of the first half joins token 3. After token 0: 4, 6, then 1, 3, 5.
  EXPECT_TRUE(at::allclose(left.flatten(), at::tensor({0.f, 4.f, 6.f, 1.f, 2.5f, 5.f})));
  EXPECT_TRUE(at::equal(merged.sizes.flatten(), at::tensor({1.f, 1.f, 1.f, 1.f, 2.f, 1.f})));
  EXPECT_TRUE(at::equal(merged.place.flatten(), at::tensor({0, 3, 4, 4, 1, 5, 2}, at::kLong)));
}

TEST(MergeTokens, SumsSizesAndPlacesHoldOverManySteps) {
  for (const int64_t prefix : {0, 1, 2, 5}) {
    const at::Tensor y = at::randn({3, 16 + prefix, 8});
    at::Tensor x = y;
    model::MergedTokens merged;
    for (const int64_t count : {3, 5, 4}) {
      x = model::merge_tokens(x, at::randn({3, x.size(1), 6}), prefix,
                              std::min(count, (x.size(1) - prefix) / 2), merged);
      EXPECT_TRUE(at::equal(x.slice(1, 0, prefix), y.slice(1, 0, prefix)))
          << "tokens before the map must stay";
      // 16 tokens of weight 1 in all, whatever was merged; sums of tokens are kept (rounding: sums of 16
      // terms, sqrt(16) 2^-24 times a few).
      EXPECT_TRUE(at::equal(merged.sizes.sum(1), at::full({3}, static_cast<float>(16 + prefix))));
      EXPECT_LT(relative_difference((x * merged.sizes.unsqueeze(-1)).sum(1), y.sum(1)), 1e-5);
      // Every token is the mean of the tokens that were merged into it.
      const at::Tensor spread = model::spread_tokens(x, merged);
      ASSERT_EQ(spread.sizes(), y.sizes());
      for (int64_t b = 0; b < 3; ++b) {
        for (int64_t t = 0; t < x.size(1); ++t) {
          const at::Tensor mine = (merged.place[b] == t).nonzero().flatten();
          ASSERT_EQ(mine.size(0), merged.sizes[b][t].item<float>());
          EXPECT_LT((y[b].index_select(0, mine).mean(0) - x[b][t]).abs().max().item<float>(), 1e-5);
        }
      }
    }
    EXPECT_LT(relative_difference(model::mean_of_tokens(x, prefix, merged), y.slice(1, prefix).mean(1)),
              1e-5);
  }
}

TEST(MergeTokens, GradientsFlowThroughTheMeans) {
  const at::Tensor metric = at::randn({2, 9, 4});
  at::Tensor y = at::randn({2, 9, 3}).set_requires_grad(true);
  model::MergedTokens merged;
  const at::Tensor left = model::merge_tokens(y, metric, 1, 4, merged);
  (left * merged.sizes.unsqueeze(-1)).sum().backward();
  EXPECT_LT(relative_difference(y.grad(), at::ones({2, 9, 3})), 1e-6);
}

TEST(MergeTokens, RefusesMoreThanHalf) {
  model::MergedTokens merged;
  const at::Tensor y = at::randn({1, 9, 3});
  EXPECT_THROW(model::merge_tokens(y, y, 1, 5, merged), std::invalid_argument);
  EXPECT_FALSE(merged.any());
}

class MergedRealViT : public test::RealViTTiny {
 protected:
  // Logits and sizes with r pairs merged in every block, clipped at half of the tokens.
  void expect_reference(int64_t r) {
    const at::NoGradGuard no_grad;
    std::vector<int64_t> pairs;
    for (int64_t tokens = 197, i = 0; i < 12; ++i) {
      pairs.push_back(std::min(r, (tokens - 1) / 2));
      tokens -= pairs.back();
    }
    model_->set_merging(pairs);
    const std::string name = "tome_r" + std::to_string(r);
    model::MergedTokens merged;
    at::Tensor x = model_->embed(images_);
    for (int i = 0; i < 12; ++i) {
      EXPECT_EQ(x.size(1), model_->spec().attention_tokens(i));
      x = model_->run_block(i, x, model::kKeep, nullptr, {{}, &merged});
      EXPECT_EQ(x.size(1), model_->spec().mlp_tokens(i));
    }
    const at::Tensor wanted = golden_.at(name + "_size").squeeze(-1);
    EXPECT_TRUE(at::equal(std::get<0>(merged.sizes.sort(1)), std::get<0>(wanted.sort(1))));
    // As for the dense model: the matching is discrete, so either every choice agrees or the logits differ
    // widely.
    EXPECT_LT(relative_difference(model_->finish(x, merged).logits, golden_.at("logits_" + name)),
              tolerance_);
  }
};

TEST_F(MergedRealViT, EightPairsABlock) { expect_reference(8); }
TEST_F(MergedRealViT, SixteenPairsABlock) { expect_reference(16); }

// Merging in every form of ViT: counts of tokens, forward() alike block by block, and gradients for all
// parameters.
TEST(MergedModel, EveryVariant) {
  for (const test::Variant& variant : test::variants()) {
    if (variant.spec.family != "vit" || test::has_static_blocks(variant.spec)) continue;
    const auto model = test::lively_model(variant.spec);
    model->set_merging({3, 0, 2, 1});
    EXPECT_EQ(model_spec_from_json(to_json(model->spec()), "json"), model->spec());
    model->set_requires_grad(true);
    const model::Output out = model->forward(test::colour_input(2));
    EXPECT_TRUE(out.logits.isfinite().all().item<bool>()) << variant.name;
    (out.head.defined() ? at::cat({out.head, out.head_dist}) : out.logits).square().sum().backward();
    for (const auto& [name, tensor] : model->parameters().entries()) {
      ASSERT_TRUE(tensor.grad().defined()) << variant.name << ": " << name;
      EXPECT_GT(tensor.grad().abs().max().item<float>(), 0) << variant.name << ": " << name;
    }
    const int64_t macs = architecture::total_macs(model->spec());
    model->set_merging({0, 0, 0, 0});
    EXPECT_LT(macs, architecture::total_macs(model->spec()));
  }
}

TEST(MergedModel, DilutedAndMaskedBlocksDoNotMerge) {
  const at::NoGradGuard no_grad;
  const auto model = test::lively_model(test::small_spec());
  const at::Tensor images = test::colour_input(2);
  for (const model::BlockGain gain : {model::kSkip, model::kIdentity, model::diluted(0.5)}) {
    std::vector<model::BlockGain> gains(4, model::kKeep);
    gains[1] = gain;
    model->set_merging({0, 0, 0, 0});
    const at::Tensor plain = model->forward(images, gains).logits;
    model->set_merging({0, 4, 0, 0});
    EXPECT_TRUE(at::equal(model->forward(images, gains).logits, plain));
    EXPECT_FALSE(at::equal(model->forward(images).logits, plain));
  }
}

TEST(MergedModel, RefusesWhatCanNotMerge) {
  ModelSpec spec = test::small_spec();
  spec.blocks[0].merge = 9;  // of 16 patches at most 8 can go
  EXPECT_THROW(validate(spec), std::invalid_argument);
  spec.blocks[0].merge = 8;
  EXPECT_NO_THROW(validate(spec));
  spec.blocks[1].merge = 5;
  EXPECT_THROW(validate(spec), std::invalid_argument);
  ModelSpec swin = test::staged_spec("swin");
  swin.blocks[0].merge = 1;
  EXPECT_THROW(validate(swin), std::invalid_argument);
}

}  // namespace
}  // namespace vitrim
