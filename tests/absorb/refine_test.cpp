// Fits chunk by chunk, and the distillation after them: closer on held-out images, never worse, and equal for
// any chunk size where it can't matter.

#include "vitrim/absorb/refine.h"

#include "absorb/go_on.h"
#include "core/expect_throw.h"
#include "model/small_models.h"
#include "vitrim/surgery/remove_attention.h"

namespace vitrim::absorb {
namespace {

class Refine : public testing::Test {
 protected:
  void SetUp() override {
    dense_ = test::lively_model(test::small_spec());
    held_out_ = test::colour_images(24, /*seed=*/99);
    options_.batch_size = 16;
    options_.fit_batch = 4;
    source_.size = 120;
    source_.load = [this](int64_t pass, const std::vector<int64_t>& rows) {
      loaded_.emplace_back(pass, rows);
      return data::select_images(test::colour_images(source_.size, /*seed=*/20 + static_cast<uint64_t>(pass)),
                                 rows);
    };
  }

  std::unique_ptr<model::Model> student() const {
    const surgery::SpecAndWeights parts =
        surgery::remove_attention({dense_->spec(), dense_->parameters()}, {1});
    model::StateDict own;
    for (const auto& [name, tensor] : parts.weights.entries()) own.add(name, tensor.clone());
    return model::make_model(parts.spec, own);
  }

  std::unique_ptr<model::Model> dense_;
  data::ImageBatch held_out_;
  AbsorbOptions options_;
  ImageSource source_;
  std::vector<std::pair<int64_t, std::vector<int64_t>>> loaded_;
};

TEST_F(Refine, ComesNearerAndLeavesWhatLiesBelow) {
  const auto changed = student(), before = student();
  RefineOptions refine_options;
  refine_options.passes = 3;
  refine_options.chunk = 50;
  refine_options.learning_rate = 3e-3;
  const AbsorbReport report = refine(*changed, *dense_, source_, held_out_, options_, refine_options);
  EXPECT_EQ(report.held_out_images, 24);
  EXPECT_LT(report.kl, 0.8 * report.plain_kl);
  for (const auto& [name, tensor] : before->parameters().entries()) {
    const bool fitted = name.starts_with("blocks.") && !name.starts_with("blocks.0.");
    EXPECT_EQ(at::equal(changed->parameter(name), tensor), !fitted) << name;
    EXPECT_FALSE(changed->parameter(name).requires_grad()) << name;
  }
  // Every pass sees every image once, in three chunks of forty.
  ASSERT_EQ(loaded_.size(), 9u);
  for (int64_t pass = 0; pass < 3; ++pass) {
    std::vector<int64_t> seen;
    for (int64_t c = 0; c < 3; ++c) {
      const auto& [of_pass, rows] = loaded_[static_cast<size_t>(3 * pass + c)];
      EXPECT_EQ(of_pass, pass);
      EXPECT_EQ(rows.size(), 40u);
      seen.insert(seen.end(), rows.begin(), rows.end());
    }
    std::sort(seen.begin(), seen.end());
    for (int64_t i = 0; i < source_.size; ++i) EXPECT_EQ(seen[static_cast<size_t>(i)], i);
  }
}

TEST_F(Refine, KeepsWhatWasBetter) {
  const auto changed = student(), before = student();
  RefineOptions refine_options;
  refine_options.passes = 1;
  refine_options.learning_rate = 3;  // throws the weights away
  const AbsorbReport report = refine(*changed, *dense_, source_, held_out_, options_, refine_options);
  EXPECT_EQ(report.kl, report.plain_kl);
  for (const auto& [name, tensor] : before->parameters().entries())
    EXPECT_TRUE(at::equal(changed->parameter(name), tensor)) << name;
}

TEST_F(Refine, DistillationComesNearerStillAndStops) {
  const auto changed = student();
  RefineOptions refine_options;
  refine_options.passes = 2;
  const AbsorbReport fitted = refine(*changed, *dense_, source_, held_out_, options_, refine_options);
  loaded_.clear();
  DistillOptions distill_options;
  distill_options.epochs = 3;
  distill_options.batch = 8;
  distill_options.learning_rate = 3e-4;
  const AbsorbReport distilled = distill(*changed, *dense_, source_, held_out_, options_, distill_options);
  EXPECT_NEAR(distilled.plain_kl, fitted.kl, 1e-9);
  EXPECT_LT(distilled.kl, fitted.kl);
  // A learning rate that ruins the model ends the training after the epoch that shows it, and the earlier
  // weights stay.
  loaded_.clear();
  const model::StateDict kept = changed->clone()->parameters();
  distill_options.epochs = 50;
  distill_options.learning_rate = 1;
  const AbsorbReport ruined = distill(*changed, *dense_, source_, held_out_, options_, distill_options);
  EXPECT_EQ(loaded_.size(), 1u);
  EXPECT_EQ(ruined.kl, ruined.plain_kl);
  for (const auto& [name, tensor] : kept.entries())
    EXPECT_TRUE(at::equal(changed->parameter(name), tensor)) << name;
}

TEST_F(Refine, GoesOnFromEveryPassAndEpoch) {
  source_.size = 40;
  RefineOptions refine_options;
  refine_options.passes = 2;
  refine_options.chunk = 20;
  DistillOptions distill_options;
  distill_options.epochs = 2;
  distill_options.batch = 8;
  distill_options.learning_rate = 3e-4;
  const auto fresh = [&] { return student(); };
  expect_to_go_on(2, options_, fresh, [&](model::Model& some, const AbsorbOptions& options) {
    return refine(some, *dense_, source_, held_out_, options, refine_options);
  });
  expect_to_go_on(2, options_, fresh, [&](model::Model& some, const AbsorbOptions& options) {
    return distill(some, *dense_, source_, held_out_, options, distill_options);
  });
}

TEST_F(Refine, RefusesTooFewImages) {
  const auto changed = student();
  RefineOptions refine_options;
  refine_options.passes = 1;
  refine_options.chunk = 4;
  EXPECT_TRUE(contains(message_of<std::invalid_argument>(
                           [&] { refine(*changed, *dense_, source_, held_out_, options_, refine_options); }),
                       "allow more memory"));
}

TEST(ImagesWithin, CountsPixelsAndStreams) {
  // 32 x 32 x 3 bytes, and four streams of 17 tokens of 32 channels of 4 bytes.
  const int64_t each = 3072 + 4 * 17 * 32 * 4;
  EXPECT_EQ(images_within(test::small_spec(), 100 * each), 100);
  EXPECT_EQ(images_within(test::small_spec(), 100 * each - 1), 99);
}

}  // namespace
}  // namespace vitrim::absorb
