// Training on masks: the loss by hand, rows that are the same however they are shared, and what is refused.

#include "vitrim/eval/segmentation.h"

#include <ATen/ATen.h>

#include <cmath>

#include "core/expect_throw.h"
#include "model/small_models.h"
#include "shared_data.h"
#include "train/small_dataset.h"
#include "vitrim/architecture/segmentation.h"
#include "vitrim/core/error.h"
#include "vitrim/data/synthetic.h"
#include "vitrim/train/batch_source.h"
#include "vitrim/train/loss.h"
#include "vitrim/train/train.h"

namespace vitrim::train {
namespace {

TEST(PixelCrossEntropy, IsTheMeanOverAnImagesPixels) {
  const at::Tensor logits = at::randn({2, 4, 3, 5}, at::detail::createCPUGenerator(1)),
                   log_p = at::log_softmax(logits, 1);
  at::Tensor targets = at::randint(4, {2, 3, 5}, at::detail::createCPUGenerator(2), at::kByte);
  targets[0][1][2] = data::kIgnoredClass;
  for (const double smoothing : {0.0, 0.2}) {
    double wanted = 0;
    for (int64_t n = 0; n < 2; ++n) {
      for (int64_t y = 0; y < 3; ++y) {
        for (int64_t x = 0; x < 5; ++x) {
          const int c = targets[n][y][x].item<int>();
          if (c == data::kIgnoredClass) continue;
          for (int64_t k = 0; k < 4; ++k)
            wanted -= log_p[n][k][y][x].item<double>() * (smoothing / 4 + (k == c ? 1 - smoothing : 0)) / 15;
        }
      }
    }
    // Thirty float32 terms: 30 * 2^-24 of their sum at most.
    EXPECT_NEAR(pixel_cross_entropy(logits, targets, smoothing).item<double>(), wanted,
                30 * std::ldexp(wanted, -24));
  }
  // Answers on a smaller map are stretched over the image.
  const at::Tensor large = at::upsample_bilinear2d(logits, {6, 10}, false),
                   fine = at::randint(4, {2, 6, 10}, at::detail::createCPUGenerator(3), at::kByte);
  EXPECT_FLOAT_EQ(pixel_cross_entropy(logits, fine, 0).item<float>(),
                  pixel_cross_entropy(large, fine, 0).item<float>());
}

TEST(DistillationOfPixels, IsTheMeanOverTheMap) {
  const at::Tensor student = at::randn({2, 4, 3, 5}, at::detail::createCPUGenerator(1)),
                   teacher = at::randn({2, 4, 3, 5}, at::detail::createCPUGenerator(2));
  const auto rows = [](const at::Tensor& t) { return t.permute({0, 2, 3, 1}).reshape({30, 4}); };
  EXPECT_NEAR(distillation_loss(student, teacher, 2).item<double>(),
              distillation_loss(rows(student), rows(teacher), 2).item<double>() / 15, 1e-5);
}

Recipe lively() {
  Recipe recipe = named_recipe("ade20k");
  recipe.batch_size = 4;
  recipe.epochs = 2;
  recipe.warm_up_epochs = 0;
  return recipe;
}

BatchSourceOptions options_of(int64_t classes = data::kSyntheticMaskClasses) {
  BatchSourceOptions options;
  options.preprocess = data::synthetic_preprocess();
  options.task = Task::kSegmentation;
  options.num_classes = classes;
  options.depth = 4;
  return options;
}

TEST(SegmentationRows, AreTheSameHoweverTheyAreShared) {
  const auto dataset = data::open_dataset("synthetic-masks:train:12");
  BatchSource whole(*dataset, lively(), options_of()), parts(*dataset, lively(), options_of());
  whole.begin_epoch(1);
  parts.begin_epoch(0);
  parts.begin_epoch(1);
  const Rows all = whole.rows(2, 0, 4), second = parts.rows(2, 2, 4), first = parts.rows(2, 0, 2);
  EXPECT_EQ(all.images.sizes(), at::IntArrayRef({4, 3, 64, 64}));
  EXPECT_EQ(all.targets.sizes(), at::IntArrayRef({4, 64, 64}));
  EXPECT_EQ(all.targets.scalar_type(), at::kByte);
  EXPECT_TRUE(at::equal(all.images, at::cat({first.images, second.images})));
  EXPECT_TRUE(at::equal(all.targets, at::cat({first.targets, second.targets})));
  // The next epoch augments them differently.
  whole.begin_epoch(0);
  EXPECT_FALSE(at::equal(whole.rows(2, 0, 4).targets, all.targets));
}

TEST(SegmentationRows, RefuseWhatChangesImagesAlone) {
  const auto dataset = data::open_dataset("synthetic-masks:train:12");
  Recipe recipe = lively();
  recipe.cutmix = 1;
  recipe.augment.erase_probability = 0.25;
  const std::string message =
      message_of<std::invalid_argument>([&] { BatchSource(*dataset, recipe, options_of()); });
  EXPECT_TRUE(contains(message, "mixing.cutmix, augment.erase_probability"));
  EXPECT_TRUE(contains(message_of<Error>([&] {
                         BatchSource(*data::open_dataset("synthetic:train:12"), lively(), options_of());
                       }),
                       "no masks"));
  EXPECT_TRUE(
      contains(message_of<Error>([&] { BatchSource(*dataset, lively(), options_of(5)); }), "13 classes"));
}

ModelSpec segmenting(SegmentationHeadKind kind) {
  ModelSpec spec = test::small_spec(2);
  spec.image_size = {64, 64};
  return architecture::with_segmentation_head(spec, kind, kind == SegmentationHeadKind::kUperNet ? 16 : 0,
                                              data::kSyntheticMaskClasses);
}

class EveryHead : public testing::TestWithParam<SegmentationHeadKind> {};
INSTANTIATE_TEST_SUITE_P(Train, EveryHead,
                         testing::Values(SegmentationHeadKind::kLinear, SegmentationHeadKind::kUperNet));

// Memorises a few images. Nine tenths of their pixels are background, so the mean over classes shows what was
// learned: predicting only background gives 0.126.
TEST_P(EveryHead, LearnsAFewImagesByHeart) {
  const auto dataset = data::open_dataset("synthetic-masks:train:4");
  const auto model = model::make_random_model(segmenting(GetParam()), 1);
  TrainOptions options;
  options.recipe = named_recipe("plain");
  options.recipe.batch_size = 4;
  options.recipe.epochs = GetParam() == SegmentationHeadKind::kUperNet ? 400 : 160;
  options.recipe.warm_up_epochs = 3;
  set(options.recipe, "schedule.learning_rate", "4e-3");
  options.preprocess = data::synthetic_preprocess();
  const Trained trained = train(*model, *dataset, options);
  EXPECT_LT(trained.epochs.back().loss, trained.epochs.front().loss / 4);
  eval::AccuracyOptions accuracy;
  accuracy.preprocess = options.preprocess;
  const EvalResult result = eval::evaluate(*model, *dataset, accuracy);
  // A linear head answers for patches of 8 pixels, and borders of the shapes run through them.
  EXPECT_GT(result.segmentation->miou, 0.35);
  EXPECT_GT(result.segmentation->pixel_accuracy, 0.9);
}

// The four real images, shrunk to 64 pixels on the short side: whatever crop comes, and on the whole images.
TEST(TrainSegmentation, LearnsTheRealSamplesByHeart) {
  VITRIM_NEEDS_SHARED("data/ade20k_samples");
  const auto dataset = data::open_dataset((test::shared_folder() / "data/ade20k_samples").string());
  ModelSpec spec = test::small_spec(2);
  spec.image_size = {64, 64};
  const auto model = model::make_random_model(
      architecture::with_segmentation_head(spec, SegmentationHeadKind::kUperNet, 16, 150), 1);
  TrainOptions options;
  options.recipe = named_recipe("plain");
  options.recipe.batch_size = 4;
  options.recipe.epochs = 120;
  options.recipe.warm_up_epochs = 5;
  set(options.recipe, "schedule.learning_rate", "4e-3");
  options.preprocess = data::synthetic_preprocess();
  options.preprocess.resize = 64;
  const auto judge = [&] {
    eval::AccuracyOptions accuracy;
    accuracy.preprocess = options.preprocess;
    accuracy.window = 64;
    return *eval::evaluate(*model, *dataset, accuracy).segmentation;
  };
  const double before = judge().pixel_accuracy;
  train(*model, *dataset, options);
  const SegmentationFigures after = judge();
  EXPECT_LT(before, 0.2);
  EXPECT_GT(after.pixel_accuracy, 0.75);
  EXPECT_GT(after.miou, 0.2);
}

// Two backward passes a step give the step of one, up to rounding.
TEST(TrainSegmentation, AccumulationChangesNothing) {
  const auto dataset = data::open_dataset("synthetic-masks:train:8");
  const auto run = [&](int64_t accumulate) {
    auto model = model::make_random_model(segmenting(SegmentationHeadKind::kUperNet), 1);
    TrainOptions options;
    options.recipe = lively();
    options.recipe.drop_path = 0.2;
    options.recipe.accumulate = accumulate;
    options.preprocess = data::synthetic_preprocess();
    train(*model, *dataset, options);
    return model;
  };
  const auto one = run(1), two = run(4);
  for (const auto& [name, tensor] : one->parameters().entries()) {
    // Four steps of at most 6e-5 each; AdamW's first steps are of that size whatever the gradient, so a sign
    // that rounding decides moves one step's length.
    EXPECT_LT((two->parameter(name) - tensor).abs().max().item<double>(), 4 * 2 * 6e-5) << name;
  }
  const at::Tensor images = at::randn({2, 3, 64, 64}, at::detail::createCPUGenerator(3));
  const at::NoGradGuard no_grad;
  EXPECT_LT(test::relative_difference(two->forward(images).logits, one->forward(images).logits), 1e-2);
}

}  // namespace
}  // namespace vitrim::train
