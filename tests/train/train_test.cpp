#include "vitrim/train/train.h"

#include <cmath>
#include <limits>

#include "core/expect_throw.h"
#include "model/small_models.h"
#include "vitrim/core/error.h"

namespace vitrim::train {
namespace {

at::Tensor normal(at::IntArrayRef shape, uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed));
}

// Loshchilov and Hutter: p -= rate * decay * p, then p -= rate * m^ / (sqrt(v^) + eps), in float64.
TEST(AdamW, IsTheFormula) {
  const AdamWOptions options{0.9, 0.99, 1e-6, 0.1};
  for (bool decay_vectors : {false, true}) {
    std::vector<at::Tensor> parameters = {normal({3, 4}, 1), normal({5}, 2), normal({1, 1, 2}, 3)};
    std::vector<at::Tensor> expected, first, second;
    for (const at::Tensor& p : parameters) {
      expected.push_back(p.to(at::kDouble));
      first.push_back(at::zeros_like(expected.back()));
      second.push_back(at::zeros_like(expected.back()));
    }
    AdamW adam(parameters, options, decay_vectors);
    for (int step = 1; step <= 3; ++step) {
      const double rate = 0.01 * step;
      std::vector<at::Tensor> gradients;
      for (size_t i = 0; i < parameters.size(); ++i) {
        gradients.push_back(normal(parameters[i].sizes(), 10 * step + i));
        const at::Tensor g = gradients[i].to(at::kDouble);
        const bool decays = decay_vectors || parameters[i].dim() > 1;
        if (decays) expected[i] = expected[i] * (1 - rate * options.weight_decay);
        first[i] = options.beta1 * first[i] + (1 - options.beta1) * g;
        second[i] = options.beta2 * second[i] + (1 - options.beta2) * g * g;
        const at::Tensor m = first[i] / (1 - std::pow(options.beta1, step)),
                         v = second[i] / (1 - std::pow(options.beta2, step));
        expected[i] = expected[i] - rate * m / (v.sqrt() + options.eps);
      }
      adam.step(gradients, rate);
      for (size_t i = 0; i < parameters.size(); ++i) {
        // Some ten roundings of 2^-24 on values of order 3.
        EXPECT_LT((parameters[i] - expected[i]).abs().max().item<double>(), 2e-6)
            << "parameter " << i << ", step " << step;
      }
    }
  }
}

TEST(CosineSchedule, WarmsUpAndFalls) {
  EXPECT_DOUBLE_EQ(cosine_schedule(0, 110, 10, 2.0), 0.2);
  EXPECT_DOUBLE_EQ(cosine_schedule(9, 110, 10, 2.0), 2.0);
  EXPECT_DOUBLE_EQ(cosine_schedule(10, 110, 10, 2.0), 2.0);
  EXPECT_NEAR(cosine_schedule(60, 110, 10, 2.0), 1.0, 1e-12);
  EXPECT_NEAR(cosine_schedule(60, 110, 10, 2.0, 0.1), 1.1, 1e-12);
  EXPECT_NEAR(cosine_schedule(35, 110, 10, 2.0), 1 + std::sqrt(0.5), 1e-12);
  EXPECT_NEAR(cosine_schedule(110, 110, 10, 2.0), 0, 1e-12);
  EXPECT_NEAR(cosine_schedule(500, 110, 10, 2.0, 0.1), 0.2, 1e-12);
  EXPECT_DOUBLE_EQ(cosine_schedule(0, 1, 0, 2.0), 2.0);
}

// Two classes: bright and dark images.
data::ImageBatch bright_and_dark(int64_t count) {
  data::ImageBatch images = test::colour_images(count);
  for (int64_t i = 0; i < count; ++i) {
    images.labels[i] = i % 2;
    images.pixels[i] = images.pixels[i] / 4 + (i % 2 ? 150 : 20);
  }
  return images;
}

TrainOptions quick_options() {
  TrainOptions options;
  options.epochs = 8;
  options.batch_size = 16;
  options.learning_rate = 2e-3;
  options.seed = 5;
  return options;
}

TEST(Train, LearnsAndRepeats) {
  const data::ImageBatch images = bright_and_dark(70);  // a rest of 6 is left out in each epoch
  const at::NoGradGuard no_grad;                        // training needs gradients whatever its caller set
  const auto trained = [&] {
    auto model = model::make_random_model(test::small_spec(2), 3);
    const auto logs = train(*model, images, quick_options());
    return std::pair(std::move(model), logs);
  };
  const auto [model, logs] = trained();
  ASSERT_EQ(logs.size(), 8u);
  // Ten random logits are worth ln 10; two classes that brightness tells apart are soon learnt.
  EXPECT_NEAR(logs[0].loss, std::log(10.0), 1.0);
  EXPECT_LT(logs[7].loss, 0.5 * logs[0].loss);
  EXPECT_EQ(logs[2].epoch, 2);
  EXPECT_GT(logs[1].images_per_second, 0);
  // 32 steps, 4 of warm-up: the last rate is that of step 31.
  EXPECT_NEAR(logs[7].learning_rate, cosine_schedule(31, 32, 4, 2e-3), 1e-12);
  for (const auto& [name, tensor] : model->parameters().entries())
    EXPECT_FALSE(tensor.requires_grad()) << name;
  const at::Tensor predicted = model->forward(data::normalized(images, 0, 70)).logits.argmax(1);
  EXPECT_GT((predicted == at::tensor(images.labels, at::kLong)).sum().item<int64_t>(), 63);

  const auto [again, same_logs] = trained();
  EXPECT_EQ(same_logs[7].loss, logs[7].loss);
  EXPECT_TRUE(at::equal(again->parameter("head.weight"), model->parameter("head.weight")));
}

TEST(Train, ANonFiniteLossStops) {
  const auto model = model::make_random_model(test::small_spec(2), 3);
  model->set_parameter("head.weight", at::full({10, 32}, std::numeric_limits<float>::infinity()));
  const std::string message = message_of<Error>([&] { train(*model, bright_and_dark(32), quick_options()); });
  for (const char* part : {"not finite", "epoch 0", "batch 0", "--learning-rate"})
    EXPECT_TRUE(contains(message, part));
}

TEST(Train, RefusesWhatItCannotLearnFrom) {
  const auto model = model::make_random_model(test::small_spec(2), 3);
  EXPECT_TRUE(contains(message_of<Error>([&] { train(*model, bright_and_dark(15), quick_options()); }),
                       "at least one batch of 16"));
  data::ImageBatch images = bright_and_dark(32);
  images.labels[4] = 10;
  EXPECT_TRUE(contains(message_of<Error>([&] { train(*model, images, quick_options()); }), "label 10"));
  images.labels[4] = -1;
  EXPECT_THROW(train(*model, images, quick_options()), Error);
}

}  // namespace
}  // namespace vitrim::train
