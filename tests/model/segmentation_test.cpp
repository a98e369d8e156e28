// Heads for segmentation: shapes, cost, size, and the meaning of intermediates.

#include "vitrim/architecture/segmentation.h"

#include <ATen/ATen.h>

#include <numeric>

#include "core/expect_throw.h"
#include "core/temp_dir.h"
#include "model/small_models.h"
#include "vitrim/architecture/cost.h"
#include "vitrim/architecture/parameters.h"
#include "vitrim/architecture/stages.h"
#include "vitrim/core/error.h"
#include "vitrim/model/batches.h"
#include "vitrim/model/loading.h"

namespace vitrim::model {
namespace {

using test::relative_difference;

class EverySegmentation : public testing::TestWithParam<test::Variant> {};
INSTANTIATE_TEST_SUITE_P(Model, EverySegmentation, testing::ValuesIn(test::segmentation_variants()),
                         [](const auto& info) { return info.param.name; });

// Patches of 8 on 32 pixels are a map of 4 x 4; a ViT's UPerNet answers at 4 pixels, a Swin's (and a linear
// head) at its first map's stride.
Grid map_of(const ModelSpec& spec) {
  return spec.segmentation->kind == SegmentationHeadKind::kLinear ? Grid{4, 4} : Grid{8, 8};
}

TEST_P(EverySegmentation, AnswersOnItsMapAndBlockByBlock) {
  const at::NoGradGuard no_grad;
  const ModelSpec& spec = GetParam().spec;
  const auto model = test::lively_model(spec);
  const Output out = model->forward(test::colour_input(3));
  const Grid map = map_of(spec);
  EXPECT_EQ(out.logits.sizes(), at::IntArrayRef({3, 5, map.height, map.width}));
  EXPECT_EQ(out.features.sizes(), at::IntArrayRef({3, spec.feature_dim()}));
  EXPECT_TRUE(out.logits.isfinite().all().item<bool>());
  // Block by block, with intermediates.
  at::Tensor x = model->embed(test::colour_input(3));
  Intermediates intermediates;
  for (int i = 0; i < model->num_blocks(); ++i) {
    x = model->run_block(i, x, kKeep, nullptr);
    model->keep_intermediate(i, x, intermediates);
  }
  EXPECT_EQ(intermediates.size() + 1, spec.segmentation->blocks.size());
  EXPECT_TRUE(at::equal(model->finish(x, {}, intermediates).logits, out.logits));
  if (intermediates.empty()) return;
  EXPECT_TRUE(
      contains(message_of<std::invalid_argument>([&] { model->finish(x); }), "streams below the last one"));
  // Every extended stream counts.
  for (at::Tensor& tap : intermediates) {
    const at::Tensor old = tap;
    tap = at::randn(old.sizes(), at::detail::createCPUGenerator(5));
    EXPECT_GT(relative_difference(model->finish(x, {}, intermediates).logits, out.logits), 1e-3);
    tap = old;
  }
}

// The head must not depend on the scale of a stream, because folding the factor 2 of a removed layer scales
// streams.
TEST_P(EverySegmentation, TapsAreNormalised) {
  const at::NoGradGuard no_grad;
  const auto model = test::lively_model(GetParam().spec);
  at::Tensor x = model->embed(test::colour_input(2));
  Intermediates intermediates;
  for (int i = 0; i < model->num_blocks(); ++i) {
    x = model->run_block(i, x, kKeep, nullptr);
    model->keep_intermediate(i, x, intermediates);
  }
  Intermediates twice;
  for (const at::Tensor& tap : intermediates) twice.push_back(tap * 2);
  // LayerNorm sees the scale only through its eps, against a variance near 1: relative 1e-6 or less at a
  // norm; a head of ten normalised layers enlarges that little.
  EXPECT_LT(
      relative_difference(model->finish(x * 2, {}, twice).logits, model->finish(x, {}, intermediates).logits),
      1e-4);
}

TEST_P(EverySegmentation, EveryParameterLearns) {
  const auto model = test::lively_model(GetParam().spec);
  model->set_requires_grad(true);
  const at::Tensor logits = model->forward(test::colour_input(2)).logits;
  (logits * at::randn(logits.sizes(), at::detail::createCPUGenerator(2))).sum().backward();
  for (const architecture::ParameterInfo& info : architecture::parameter_layout(GetParam().spec)) {
    const at::Tensor grad = model->parameter(info.name).grad();
    ASSERT_TRUE(grad.defined()) << info.name;
    EXPECT_GT(grad.abs().max().item<float>(), 0) << info.name;
  }
}

TEST_P(EverySegmentation, SurvivesAFile) {
  const TempDir folder;
  const auto model = test::lively_model(GetParam().spec);
  save_model(*model, folder.file("x.safetensors"));
  const auto back = load_model(folder.file("x.safetensors"));
  EXPECT_EQ(back->spec(), model->spec());
  EXPECT_EQ(back->spec().task(), Task::kSegmentation);
  const at::NoGradGuard no_grad;
  // The weights are the same to the bit; convolutions may sum in another order where memory begins at another
  // place.
  EXPECT_LT(test::relative_difference(back->forward(test::colour_input(2)).logits,
                                      model->forward(test::colour_input(2)).logits),
            test::float_tolerance(9 * 64, test::operations(model->spec()), 4));
}

// The multiply-adds are those of the convolutions that run: counted here from the parameters' shapes and the
// maps they are used on.
TEST(SegmentationCost, LinearIsOneProductAPatch) {
  const ModelSpec spec = test::variant("segment_linear");
  EXPECT_EQ(architecture::classifier_macs(spec), 16 * 32 * 5);
}

TEST(SegmentationCost, UperNetByHand) {
  const ModelSpec spec = test::variant("segment_upernet");
  // Levels of 8 x 8 (one doubling of 4 x 4), 4 x 4, 2 x 2 and 1 x 1 places.
  const int64_t c = 32, w = 16, k = 5;
  const int64_t deconvolution = 16 * c * c * 4;
  const int64_t pyramid = (1 + 4 + 9 + 36) * c * w + 1 * (c + 4 * w) * w * 9;
  const int64_t laterals = (64 + 16 + 4) * (c * w + w * w * 9);
  const int64_t end = 64 * (4 * w * w * 9 + w * k);
  EXPECT_EQ(architecture::classifier_macs(spec), deconvolution + pyramid + laterals + end);
}

TEST_P(EverySegmentation, AtItsOwnSizeIsItselfAndSharesWeights) {
  const at::NoGradGuard no_grad;
  const auto model = test::lively_model(GetParam().spec);
  const auto same = model->at_size(32, 32);
  EXPECT_TRUE(
      at::equal(same->forward(test::colour_input(2)).logits, model->forward(test::colour_input(2)).logits));
  const int64_t unit = architecture::size_unit(GetParam().spec);
  const auto wide = model->at_size(unit, 3 * unit);
  const at::Tensor logits =
      wide->forward(at::randn({1, 3, unit, 3 * unit}, at::detail::createCPUGenerator(1))).logits;
  EXPECT_EQ(logits.size(3), 3 * logits.size(2));
  for (const auto& [name, tensor] : model->parameters().entries()) {
    if (name != "pos_embed") {
      EXPECT_EQ(wide->parameter(name).data_ptr(), tensor.data_ptr()) << name;
    }
  }
  EXPECT_THROW(model->at_size(unit + 1, unit), std::invalid_argument);
}

// A position table of a map of 2 x 3, made larger and smaller as its planes would be.
TEST(AtSize, ResizesPositionsThatAreNoSquare) {
  ModelSpec spec = test::variant("segment_linear");
  spec.image_size = {16, 24};
  const auto model = test::lively_model(spec);
  const auto larger = model->at_size(32, 48);
  const int64_t prefix = spec.prefix_tokens();
  const at::Tensor before = model->parameter("pos_embed"), after = larger->parameter("pos_embed");
  ASSERT_EQ(after.size(1), prefix + 4 * 6);
  EXPECT_TRUE(at::equal(after.slice(1, 0, prefix), before.slice(1, 0, prefix)));
  const at::Tensor planes = before.slice(1, prefix).reshape({2, 3, 32}).permute({2, 0, 1}).unsqueeze(0);
  const at::Tensor wanted =
      at::_upsample_bicubic2d_aa(planes, {4, 6}, false)[0].permute({1, 2, 0}).reshape({1, 24, 32});
  EXPECT_TRUE(at::equal(after.slice(1, prefix), wanted));
}

TEST(Answers, KeepUpTo256PlacesOfAMap) {
  ModelSpec spec = test::variant("segment_linear");
  spec.image_size = {320, 160};  // 40 x 20 patches
  const int64_t patches = 40 * 20;
  Output out;
  out.logits = at::arange(patches).reshape({1, 1, 40, 20}).expand({2, 5, 40, 20}).to(at::kFloat);
  const at::Tensor kept = answers(spec, out);
  EXPECT_EQ(kept.sizes(), at::IntArrayRef(answers_shape(spec, 2)));
  EXPECT_EQ(kept.size(2), 20 * 10);  // every second row and column
  EXPECT_EQ(kept[0][0][0].item<float>(), 20 + 1);
  EXPECT_EQ(std::get<0>(at::_unique(kept[0][0])).numel(), 200);
  const ModelSpec plain = test::small_spec();
  out.logits = at::zeros({2, 10});
  EXPECT_TRUE(answers(plain, out).is_same(out.logits));
  EXPECT_EQ(answers_shape(plain, 2), (std::vector<int64_t>{2, 10}));
}

// Convolutions' weight gradients inside the workers: oneDNN plans them by the number of threads, and a wrong
// one made it wait for ever (float32) or answer nonsense (bfloat16).
TEST(Workers, DifferentiateConvolutions) {
  const at::Tensor images = at::randn({4, 96, 16, 16}, at::detail::createCPUGenerator(1));
  for (const auto& [outputs, side] : {std::pair<int64_t, int64_t>{16, 3}, {150, 1}}) {
    const at::Tensor start = at::randn({outputs, 96, side, side}, at::detail::createCPUGenerator(2));
    const auto gradient = [&](at::ScalarType dtype, int64_t begin, int64_t end) {
      const at::AutoGradMode with_gradients(true);
      const at::Tensor weight = start.clone().requires_grad_(true);
      const at::Tensor out = at::conv2d(images.slice(0, begin, end).to(dtype), weight.to(dtype), {}, {1, 1},
                                        {side / 2, side / 2});
      out.to(at::kFloat).square().sum().backward();
      return weight.grad();
    };
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
      const at::Tensor whole = gradient(at::kFloat, 0, 4);
      std::vector<at::Tensor> parts(4);
      for_each_batch(4, 1, [&](int, int64_t begin, int64_t end) {
        parts[static_cast<size_t>(begin)] = gradient(dtype, begin, end);
      });
      // Sums of 256 products a weight and image, each factor rounded to 2^-24 or 2^-8 of itself; errors of
      // random sign grow as the root of their number.
      const double rounding = dtype == at::kFloat ? std::ldexp(1.0, -24) * 256 : std::ldexp(1.0, -8) * 4;
      EXPECT_LT(relative_difference(at::stack(parts).sum(0), whole), rounding)
          << outputs << " " << toString(dtype);
    }
  }
}

TEST(NewSegmentationHead, KeepsTheBackbone) {
  const TempDir folder;
  ModelSpec classifier = test::variant("distilled");
  const auto before = test::lively_model(classifier);
  save_model(*before, folder.file("x.safetensors"));
  const auto after =
      load_model_for_segmentation(folder.file("x.safetensors"), SegmentationHeadKind::kUperNet, 24, 7, 1);
  EXPECT_EQ(after->spec().num_classes, 7);
  EXPECT_EQ(after->spec().segmentation->channels, 24);
  EXPECT_FALSE(after->has_parameter("head.weight"));
  EXPECT_FALSE(after->has_parameter("head_dist.weight"));
  for (const char* name : {"blocks.2.attn.qkv.weight", "pos_embed", "norm.weight", "dist_token"})
    EXPECT_TRUE(at::equal(after->parameter(name), before->parameter(name))) << name;
  // If the backbone has no final norm, the model gets one.
  ModelSpec averaged = test::variant("average_pooled");
  save_model(*test::lively_model(averaged), folder.file("y.safetensors"));
  const auto normed =
      load_model_for_segmentation(folder.file("y.safetensors"), SegmentationHeadKind::kLinear, 0, 3, 1);
  EXPECT_TRUE((normed->parameter("norm.weight") == 1).all().item<bool>());
}

TEST(NewSegmentationHead, RefusesWhatCannotCarryOne) {
  EXPECT_TRUE(contains(message_of<std::invalid_argument>([] {
                         architecture::with_segmentation_head(test::staged_spec("pvt"),
                                                              SegmentationHeadKind::kLinear, 0, 5);
                       }),
                       "family pvt"));
  ModelSpec merging = test::small_spec();
  merging.blocks[0].merge = 2;
  EXPECT_TRUE(contains(message_of<std::invalid_argument>([&] {
                         architecture::with_segmentation_head(merging, SegmentationHeadKind::kLinear, 0, 5);
                       }),
                       "can't merge tokens"));
  EXPECT_TRUE(
      contains(message_of<std::invalid_argument>([] { architecture::parse_segmentation_head("upnet"); }),
               "did you mean 'upernet'"));
  ModelSpec wrong = test::variant("segment_upernet");
  wrong.segmentation->blocks = {0, 1, 2};
  EXPECT_TRUE(
      contains(message_of<std::invalid_argument>([&] { validate(wrong); }), "end with the model's last"));
}

}  // namespace
}  // namespace vitrim::model
