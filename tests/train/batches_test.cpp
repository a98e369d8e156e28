// Sampler, batches, mixing, losses and dilution's schedule.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "core/expect_throw.h"
#include "model/small_models.h"
#include "train/prefetch.h"
#include "train/small_dataset.h"
#include "vitrim/core/error.h"
#include "vitrim/train/batch_source.h"
#include "vitrim/train/dilution.h"
#include "vitrim/train/loss.h"

namespace vitrim::train {
namespace {

SamplerOptions sampler_options(int64_t images, int64_t batch, int64_t repeats = 1) {
  SamplerOptions out;
  out.images = images;
  out.batch_size = batch;
  out.repeats = repeats;
  out.seed = 1;
  return out;
}

TEST(Sampler, EveryEpochIsAnotherPermutation) {
  const Sampler sampler(sampler_options(100, 10));
  const std::vector<int64_t> a = sampler.epoch(0), b = sampler.epoch(1);
  EXPECT_EQ(a.size(), 100u);
  EXPECT_EQ(std::set<int64_t>(a.begin(), a.end()).size(), 100u);
  EXPECT_NE(a, b);
  EXPECT_EQ(a, Sampler(sampler_options(100, 10)).epoch(0));
}

TEST(Sampler, CopiesOfAnImageStandApartInTheirBatch) {
  const std::vector<int64_t> order = Sampler(sampler_options(96, 24, 3)).epoch(0);
  for (size_t batch = 0; batch < 4; ++batch) {
    std::map<int64_t, int> copies;
    for (size_t i = batch * 24; i < (batch + 1) * 24; ++i) {
      ++copies[order[i]];
      EXPECT_TRUE(i % 2 == 0 || order[i] != order[i - 1]) << "neighbours are mixed with each other";
    }
    EXPECT_EQ(copies.size(), 8u);
    for (const auto& [image, count] : copies) EXPECT_EQ(count, 3) << image;
  }
}

TEST(Sampler, WithShardsEveryRankReadsShardsOfItsOwn) {
  SamplerOptions options = sampler_options(120, 12);
  options.shard_ends = {30, 60, 90, 120};
  options.ranks = 2;
  options.buffer = 10;
  const Sampler sampler(options);
  const std::vector<int64_t> order = sampler.epoch(3);
  EXPECT_EQ(std::set<int64_t>(order.begin(), order.end()).size(), 120u);
  std::set<int64_t> shards[2];
  for (size_t i = 0; i < order.size(); ++i) shards[i % 12 / 6].insert(order[i] / 30);
  for (int64_t shard : shards[0]) EXPECT_EQ(shards[1].count(shard), 0u);
  EXPECT_EQ(shards[0].size() + shards[1].size(), 4u);
  EXPECT_NE(order, sampler.epoch(4));
}

TEST(Sampler, RefusesWhatDoesNotFit) {
  EXPECT_THROW(Sampler(sampler_options(9, 10)), std::invalid_argument);
  SamplerOptions options = sampler_options(100, 9);
  options.ranks = 2;
  EXPECT_THROW(Sampler{options}, std::invalid_argument);
}

BatchSourceOptions source_options() {
  BatchSourceOptions out;
  out.preprocess = test::small_preprocess();
  out.num_classes = 4;
  out.depth = 3;
  out.seed = 9;
  return out;
}

TEST(BatchSource, RowsAreTheSameHoweverABatchIsShared) {
  const test::BrightAndDark images(64);
  BatchSource source(images, test::lively_recipe(), source_options()),
      other(images, test::lively_recipe(), source_options());
  source.begin_epoch(2);
  other.begin_epoch(2);
  const Rows whole = source.rows(1, 0, 16);
  for (const auto& [begin, end] :
       std::vector<std::pair<int64_t, int64_t>>{{8, 16}, {3, 7}, {0, 1}}) {  // odd shares cut pairs
    const Rows part = other.rows(1, begin, end);
    EXPECT_TRUE(at::equal(part.images, whole.images.slice(0, begin, end)));
    EXPECT_TRUE(at::equal(part.targets, whole.targets.slice(0, begin, end)));
    EXPECT_TRUE(at::equal(part.keep, whole.keep.slice(2, begin, end)));
  }
  other.begin_epoch(3);
  EXPECT_FALSE(at::equal(other.rows(1, 0, 16).images, whole.images));
}

TEST(Prefetch, HandsOutTheSameRowsInAnyOrder) {
  const test::BrightAndDark images(64);
  BatchSource source(images, test::lively_recipe(), source_options());
  source.begin_epoch(0);
  Prefetch prefetch(source, 3);
  const std::vector<Prefetch::StepRows> places{{0, 0, 8}, {0, 8, 16}, {1, 0, 8}, {3, 0, 8}};
  for (size_t i = 0; i < places.size(); ++i) {
    // The third place is not the one that was announced.
    const Rows rows = prefetch.take(
        places[i], i + 1 < places.size() && i != 1 ? places[i + 1] : Prefetch::StepRows{2, 0, 8});
    const Rows expected = source.rows(places[i].step, places[i].begin, places[i].end);
    EXPECT_TRUE(at::equal(rows.images, expected.images));
    EXPECT_TRUE(at::equal(rows.targets, expected.targets));
    EXPECT_TRUE(at::equal(rows.keep, expected.keep));
  }
}

TEST(BatchSource, WithoutVariationItIsTheImageAndItsLabel) {
  const test::BrightAndDark images(16);
  BatchSource source(images, test::plain_recipe(), source_options());
  source.begin_epoch(0);
  const Rows rows = source.rows(0, 0, 16);
  EXPECT_FALSE(rows.keep.defined());
  for (int64_t i = 0; i < 16; ++i) {
    const int64_t label = rows.targets[i].argmax().item<int64_t>();
    EXPECT_EQ(rows.targets[i].sum().item<double>(), 1.0);
    // (x / 255 - 0.5) / 0.5 is below 0 for dark images and above for bright ones.
    EXPECT_EQ(rows.images[i].mean().item<double>() > 0, label == 1);
  }
}

TEST(BatchSource, OtherImagesStandInForCorruptOnes) {
  test::BrightAndDark images(16);
  images.on_read = [](int64_t index) {
    if (index == 4) throw FormatError("image 4", "", "is cut off");
  };
  BatchSourceOptions options = source_options();
  options.max_corrupt = 1;
  BatchSource source(images, test::plain_recipe(), options);
  source.begin_epoch(0);
  const Rows rows = source.rows(0, 0, 16);
  // Image 5, which is bright, stands in for the dark image 4: its label comes with it.
  EXPECT_EQ((rows.targets.argmax(1) == 1).sum().item<int64_t>(), 9);
  EXPECT_EQ((rows.images.mean({1, 2, 3}) > 0).sum().item<int64_t>(), 9);
  options.max_corrupt = 0;
  BatchSource strict(images, test::plain_recipe(), options);
  strict.begin_epoch(0);
  const std::string message = message_of<Error>([&] { strict.rows(0, 0, 16); });
  EXPECT_TRUE(contains(message, "image 4"));
  EXPECT_TRUE(contains(message, "--max-corrupt"));
}

TEST(BatchSource, MixedTargetsSayWhatIsInThePicture) {
  const test::BrightAndDark images(512);
  Recipe recipe = test::plain_recipe();
  recipe.label_smoothing = 0.1;
  for (bool cut : {false, true}) {
    recipe.mixup = cut ? 0 : 0.8;
    recipe.cutmix = cut ? 1.0 : 0;
    BatchSource source(images, recipe, source_options());
    source.begin_epoch(0);
    double mixed = 0;
    for (int64_t step = 0; step < 32; ++step) {
      const Rows rows = source.rows(step, 0, 16);
      const at::Tensor bright = rows.targets.select(1, 1) - 0.025, dark = rows.targets.select(1, 0) - 0.025;
      // Smoothing moves 0.1 of the weight evenly to four classes: 0.9 is left for what is in the picture.
      EXPECT_LT((bright + dark - 0.9).abs().max().item<double>(), 1e-6);
      // A pixel is 20 to 80 in a dark and 150 to 210 in a bright image: the mean tells the share.
      const at::Tensor level = (rows.images.mean({1, 2, 3}) * 0.5 + 0.5) * 255;
      const at::Tensor share = (level - 49.5) / 130;
      // The mean of 3072 uniform values of deviation 17 is good to 0.3, times four deviations, of 130.
      EXPECT_LT((share - bright / 0.9).abs().max().item<double>(), 0.02) << (cut ? "cutmix" : "mixup");
      mixed += (bright.minimum(dark) > 0.01).sum().item<double>();
    }
    // Half of the pairs are of two classes, and Beta(0.8, 0.8) or Beta(1, 1) seldom keeps one of them whole.
    EXPECT_GT(mixed, 150);
    EXPECT_LT(mixed, 300);
  }
}

TEST(BatchSource, StochasticDepthGrowsWithTheBlock) {
  const test::BrightAndDark images(2048);
  Recipe recipe = test::plain_recipe();
  recipe.drop_path = 0.4;
  recipe.batch_size = 2048;
  BatchSource source(images, recipe, source_options());
  source.begin_epoch(0);
  const at::Tensor keep = source.rows(0, 0, 2048).keep;
  for (int64_t block = 0; block < 3; ++block) {
    const double rate = 0.2 * static_cast<double>(block);
    for (int64_t branch = 0; branch < 2; ++branch) {
      // A share of 2048: four standard deviations are at most 4 * sqrt(0.25 / 2048) = 0.044.
      EXPECT_NEAR((keep[block][branch] == 0).to(at::kDouble).mean().item<double>(), rate, 0.044);
      EXPECT_NEAR(keep[block][branch].max().item<double>(), 1 / (1 - rate), 1e-6);
    }
  }
}

TEST(Loss, SoftCrossEntropyIsTheLibrarysWithSmoothing) {
  const at::Tensor logits = at::randn({5, 7}, at::detail::createCPUGenerator(1));
  const at::Tensor labels = at::tensor({0, 3, 6, 2, 2}, at::kLong);
  const at::Tensor targets = at::one_hot(labels, 7).to(at::kFloat) * 0.9 + 0.1 / 7;
  const double expected =
      at::cross_entropy_loss(logits, labels, {}, at::Reduction::Sum, -100, 0.1).item<double>();
  // A sum of 35 float32 terms of order 1: 35 * 2^-24.
  EXPECT_NEAR(soft_cross_entropy(logits, targets).item<double>(), expected, 35 * std::pow(2.0, -24) * 5);
}

TEST(Loss, DistillationIsKullbackLeibler) {
  const at::Tensor a = at::randn({4, 6}, at::detail::createCPUGenerator(1)),
                   b = at::randn({4, 6}, at::detail::createCPUGenerator(2));
  const at::Tensor q = at::softmax(a.to(at::kDouble) / 3, -1), p = at::softmax(b.to(at::kDouble) / 3, -1);
  const double expected = 9 * (p * (p / q).log()).sum().item<double>();
  EXPECT_NEAR(distillation_loss(a, b, 3).item<double>(), expected, 1e-5);  // 24 float32 terms of order 1
  EXPECT_NEAR(distillation_loss(b, b, 3).item<double>(), 0, 1e-5);
}

TEST(Loss, FinePatternsHaveHighFrequencyContent) {
  const ModelSpec spec = test::small_spec();  // 4 x 4 patches after one class token
  const at::Tensor noise = at::randn({1, 17, 32}, at::detail::createCPUGenerator(3)) * 0.01;
  at::Tensor smooth = noise.clone(), fine = noise.clone();
  for (int64_t p = 0; p < 16; ++p) fine[0][1 + p] += (p / 4 + p % 4) % 2 ? 1.0 : -1.0;
  smooth.slice(1, 1) += 1.0;
  EXPECT_GT(high_frequency_content(fine, spec).item<double>(),
            2 + high_frequency_content(smooth, spec).item<double>());
  // A step along the gradient raises it.
  at::Tensor x = noise.clone().set_requires_grad(true);
  const at::AutoGradMode with_gradients(true);
  const at::Tensor before = high_frequency_content(x, spec);
  before.backward();
  const at::NoGradGuard no_grad;
  EXPECT_GT(high_frequency_content(x + x.grad() * (1e-5 / x.grad().norm()), spec).item<double>(),
            before.item<double>());
}

TEST(Dilution, LambdaFallsFromOneToNothing) {
  const Dilution linear{{0}, 4, "linear"}, cosine{{0}, 4, "cosine"};
  EXPECT_EQ(dilution_lambda(linear, 0), 1);
  EXPECT_EQ(dilution_lambda(linear, 1), 0.75);
  EXPECT_EQ(dilution_lambda(linear, 4), 0);
  EXPECT_EQ(dilution_lambda(linear, 9), 0);
  EXPECT_EQ(dilution_lambda(cosine, 0), 1);
  EXPECT_NEAR(dilution_lambda(cosine, 1), 0.5 * (1 + std::sqrt(0.5)), 1e-15);
  EXPECT_EQ(dilution_lambda(cosine, 4), 0);
  EXPECT_EQ(dilution_lambda(Dilution{{0}, 0, "linear"}, 0), 0);
  EXPECT_THROW(dilution_lambda(Dilution{{0}, 4, "steep"}, 1), std::invalid_argument);
  const auto gains = dilution_gains(Dilution{{1}, 4, "linear"}, 0.25, 3);
  EXPECT_EQ(gains[0], model::kKeep);
  EXPECT_EQ(gains[1], (model::BlockGain{1.75, 0.25}));
  EXPECT_EQ(dilution_gains(Dilution{{1}, 4, "linear", 1}, 0.25, 3)[1], (model::BlockGain{1, 0.25}));
}

TEST(Dilution, ByTheHeldOutLossLambdaWaitsForTheModelButNotForEver) {
  // Lambda after every look, at equal distances over the epochs.
  const auto course = [](const std::function<double(const HeldOutLambda&)>& loss) {
    HeldOutLambda held_out;
    std::vector<double> lambdas;
    for (int64_t step = 0; step < HeldOutLambda::kLooks; ++step) {
      const double done = static_cast<double>(step) / HeldOutLambda::kLooks;
      EXPECT_EQ(held_out.due(done), held_out.lambda() > 0) << step;
      if (held_out.due(done)) held_out.look(loss(held_out));
      EXPECT_FALSE(held_out.due(done + 0.01)) << step;
      lambdas.push_back(held_out.lambda());
    }
    return lambdas;
  };
  // A loss that never rises: lambda falls at every measurement. A loss that only rises: lambda falls only
  // when there is no other way.
  const auto fast = course([](const HeldOutLambda&) { return 1.0; });
  const auto slow = course([](const HeldOutLambda& h) { return static_cast<double>(h.looks); });
  EXPECT_DOUBLE_EQ(fast[0], 0.95);
  EXPECT_GT(fast[18], 0);
  EXPECT_EQ(fast[19], 0);
  EXPECT_DOUBLE_EQ(slow[0], 0.95) << "the first look has nothing to compare with";
  EXPECT_DOUBLE_EQ(slow[20], 0.95);
  EXPECT_DOUBLE_EQ(slow[21], 0.9);
  EXPECT_EQ(slow[39], 0);
  // A loss that is higher at the measurement after a fall, and back at the next: lambda falls at every second
  // measurement.
  bool up = true;
  const auto hurt = course([&](const HeldOutLambda&) { return (up = !up) ? 2.0 : 1.0; });
  EXPECT_EQ(hurt[1], hurt[0]);
  EXPECT_LT(hurt[2], hurt[1]);
  EXPECT_EQ(hurt[3], hurt[2]);
  EXPECT_EQ(hurt[39], 0);
}

TEST(Loss, StreamsAreComparedAsTheNextNormSeesThem) {
  at::manual_seed(1);
  const at::Tensor x = at::randn({2, 5, 8}), y = at::randn({2, 5, 8});
  EXPECT_EQ(stream_loss(x, x).item<double>(), 0);
  // A doubled stream is the same except for the norm's eps of 1e-6 beside variances near 1.
  EXPECT_LT(stream_loss(x * 2, x).item<double>(), 1e-10);
  // Normed tokens have a mean square of 1: 2 - 2 cos of each token, summed over two rows.
  const at::Tensor a = x - x.mean(2, true), b = y - y.mean(2, true);
  const at::Tensor cosine = (a * b).sum(2) / (a.norm(2, {2}) * b.norm(2, {2}));
  EXPECT_NEAR(stream_loss(x, y).item<double>(), (2 - 2 * cosine).mean(1).sum().item<double>(), 1e-4);
}

}  // namespace
}  // namespace vitrim::train
