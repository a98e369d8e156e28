#include "vitrim/train/train.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include "core/expect_throw.h"
#include "model/small_models.h"
#include "train/small_dataset.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"

namespace vitrim::train {
namespace {

using test::BrightAndDark;

// A separate folder, removed afterwards.
class Train : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("vitrim-train-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override {
    clear_cancel();
    std::filesystem::remove_all(folder_);
  }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::filesystem::path folder_;
};

TrainOptions options_for(const Recipe& recipe) {
  TrainOptions options;
  options.recipe = recipe;
  options.preprocess = test::small_preprocess();
  options.seed = 5;
  return options;
}

std::unique_ptr<model::Model> small_model(uint64_t seed = 3) {
  return model::make_random_model(test::small_spec(3), seed);
}

void expect_same_weights(const model::Model& a, const model::Model& b) {
  for (const auto& [name, tensor] : a.parameters().entries())
    EXPECT_TRUE(at::equal(tensor, b.parameter(name))) << name;
}

TEST_F(Train, LearnsAndRepeats) {
  const BrightAndDark images(70);  // a rest of 6 is left out in each epoch
  const at::NoGradGuard no_grad;   // training needs gradients whatever its caller set
  const TrainOptions options = options_for(test::plain_recipe());
  const auto model = small_model(), again = small_model();
  const Trained trained = train(*model, images, options);
  ASSERT_EQ(trained.epochs.size(), 8u);
  EXPECT_EQ(trained.chosen_epoch, 8);
  // Ten random logits are worth ln 10; two classes that brightness tells apart are soon learnt.
  EXPECT_NEAR(trained.epochs[0].loss, std::log(10.0), 1.0);
  EXPECT_LT(trained.epochs[7].loss, 0.5 * trained.epochs[0].loss);
  EXPECT_EQ(trained.epochs[2].epoch, 3);
  EXPECT_EQ(trained.epochs[2].step, 12);
  EXPECT_GT(trained.epochs[1].images_per_second, 0);
  EXPECT_GT(trained.epochs[1].memory_gib, 0);
  for (const auto& [name, tensor] : model->parameters().entries())
    EXPECT_FALSE(tensor.requires_grad()) << name;
  EXPECT_EQ(train(*again, images, options).epochs[7].loss, trained.epochs[7].loss);
  expect_same_weights(*again, *model);
}

class Resuming : public Train, public testing::WithParamInterface<bool> {};
INSTANTIATE_TEST_SUITE_P(Dilution, Resuming, testing::Bool(),
                         [](const auto& param) { return param.param ? "AbsorbedByHeldOut" : "Linear"; });

// Stopped in the middle of an epoch and resumed, with everything random switched on, also while layers are
// diluted: the same bits.
TEST_P(Resuming, EndsAsIfNothingHadHappened) {
  Recipe recipe = test::lively_recipe();
  recipe.dilution_epochs = 2;
  TrainOptions options = options_for(recipe);
  options.dilute = {1};
  const auto whole = small_model();
  if (GetParam()) {
    options.absorb_first = true;
    options.absorbed.add("blocks.1.mlp.fc2.weight", small_model(4)->parameter("blocks.1.mlp.fc2.weight"));
    options.recipe.dilution_schedule = "held_out";
    // The norm of the trained parameters characterises them and is the same after a resume.
    options.held_out_loss = [](const model::Model& model, double) {
      return model.parameter("blocks.2.mlp.fc1.weight").norm().item<double>();
    };
  }
  options.log_path = path("whole.jsonl");
  options.log_every = 1;
  const Trained uninterrupted = train(*whole, BrightAndDark(64), options);

  options.log_path = path("parts.jsonl");
  options.state_path = path("state");
  options.resume = true;
  BrightAndDark images(64);
  int64_t reads = 0, stops = 0;
  images.on_read = [&](int64_t) {
    if (++reads % 70 == 0) request_cancel();
  };
  Trained resumed;
  std::unique_ptr<model::Model> parts;
  for (bool done = false; !done && stops < 20;) {
    parts = small_model();
    try {
      resumed = train(*parts, images, options);
      done = true;
    } catch (const Interrupted&) {
      ++stops;
      clear_cancel();
    }
  }
  EXPECT_GE(stops, 2);
  expect_same_weights(*parts, *whole);
  ASSERT_EQ(resumed.epochs.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(resumed.epochs[i].loss, uninterrupted.epochs[i].loss);
    EXPECT_EQ(resumed.epochs[i].lambda, uninterrupted.epochs[i].lambda);
  }
  const auto lines = [](const std::string& file) {
    std::ifstream in(file);
    return std::count(std::istreambuf_iterator<char>(in), {}, '\n');
  };
  EXPECT_EQ(lines(path("parts.jsonl")), lines(path("whole.jsonl")));
  EXPECT_EQ(lines(path("whole.jsonl")), 12 + 3);  // four steps an epoch, and a line for each epoch
}

// A stop while the averaged weights are in the model must not put them into the state.
TEST_F(Train, AStopWhileTheAverageIsMeasuredLosesNothing) {
  TrainOptions options = options_for(test::lively_recipe());
  const auto whole = small_model();
  train(*whole, BrightAndDark(64), options);
  options.state_path = path("state");
  options.resume = true;
  int measured = 0;
  options.measure = [&](const model::Model&, double, bool ema, EpochRecord&) {
    if (ema && ++measured == 2) throw Interrupted();
  };
  EXPECT_THROW(train(*small_model(), BrightAndDark(64), options), Interrupted);
  const auto resumed = small_model();
  EXPECT_EQ(train(*resumed, BrightAndDark(64), options).epochs.size(), 3u);
  expect_same_weights(*resumed, *whole);
}

TEST_F(Train, AnUnfinishedRunIsNotOverwritten) {
  TrainOptions options = options_for(test::plain_recipe());
  options.state_path = path("state");
  BrightAndDark images(64);
  int64_t reads = 0;
  images.on_read = [&](int64_t) {
    if (++reads == 100) request_cancel();
  };
  EXPECT_THROW(train(*small_model(), images, options), Interrupted);
  clear_cancel();
  EXPECT_TRUE(contains(message_of<Error>([&] { train(*small_model(), images, options); }), "--resume"));
  options.resume = true;
  train(*small_model(), images, options);
  options.resume = false;
  EXPECT_NO_THROW(train(*small_model(), images, options)) << "a finished run is in nobody's way";
}

TEST_F(Train, AStateOfAnotherRunIsRefused) {
  TrainOptions options = options_for(test::plain_recipe());
  options.recipe.epochs = 1;
  options.state_path = path("state");
  options.identity = "64 images";
  train(*small_model(), BrightAndDark(64), options);
  options.resume = true;
  TrainOptions other = options;
  other.recipe.weight_decay = 0.1;
  EXPECT_TRUE(
      contains(message_of<Error>([&] { train(*small_model(), BrightAndDark(64), other); }), "weight_decay"));
  other = options;
  other.identity = "65 images";
  EXPECT_TRUE(
      contains(message_of<Error>([&] { train(*small_model(), BrightAndDark(64), other); }), "65 images"));
  std::ofstream(path("state")) << "no state";
  EXPECT_THROW(train(*small_model(), BrightAndDark(64), options), FormatError);
}

TEST_F(Train, DilutionFadesLayersOutAndThenLeavesTheirWeightsAlone) {
  Recipe recipe = test::plain_recipe();
  recipe.epochs = 4;
  recipe.dilution_epochs = 2;
  TrainOptions options = options_for(recipe);
  options.dilute = {1};
  std::vector<double> lambdas;
  std::vector<at::Tensor> qkv;
  options.measure = [&](const model::Model& model, double lambda, bool ema, EpochRecord& record) {
    EXPECT_FALSE(ema);
    EXPECT_EQ(lambda, record.lambda);
    record.top1 = lambda > 0 ? 1.0 : 0.5;  // partly diluted models are better, but are never chosen
    lambdas.push_back(lambda);
    qkv.push_back(model.parameter("blocks.1.attn.qkv.weight").detach().clone());
  };
  options.keep_best = true;
  const auto model = small_model();
  const Trained trained = train(*model, BrightAndDark(64), options);
  EXPECT_EQ(lambdas, (std::vector<double>{0.5, 0, 0, 0}));
  EXPECT_EQ(trained.chosen_epoch, 4);  // the last of equals
  EXPECT_FALSE(at::equal(qkv[0], qkv[1]));
  EXPECT_TRUE(at::equal(qkv[1], qkv[3]));
}

// With almost no learning rate, the weights move to those of the absorption, as far as lambda has fallen.
TEST_F(Train, AbsorbedWeightsComeInAsLambdaFalls) {
  Recipe recipe = test::plain_recipe();
  recipe.epochs = 3;
  recipe.dilution_epochs = 2;
  recipe.weight_decay = 0;
  set(recipe, "schedule.learning_rate", "1e-12");
  recipe.min_learning_rate = 0;
  TrainOptions options = options_for(recipe);
  options.dilute = {1};
  options.absorb_first = true;
  const std::string name = "blocks.1.mlp.fc2.weight";
  const auto model = small_model();
  const at::Tensor start = model->parameter(name).clone(), end = small_model(4)->parameter(name);
  options.absorbed.add(name, end);
  // Four steps in each of two epochs, float32 on weights below 1; and 12 steps of AdamW at 1e-12.
  const double rounding = 16 * std::pow(2.0, -24);
  options.measure = [&](const model::Model& now, double lambda, bool, EpochRecord&) {
    EXPECT_LT((now.parameter(name).detach() - at::lerp(end, start, lambda)).abs().max().item<double>(),
              rounding);
  };
  const Trained trained = train(*model, BrightAndDark(64), options);
  EXPECT_EQ(trained.epochs[0].lambda, 0.5);
  EXPECT_LT((model->parameter(name) - end).abs().max().item<double>(), rounding);
  EXPECT_LT(
      (model->parameter("blocks.2.mlp.fc2.weight") - small_model()->parameter("blocks.2.mlp.fc2.weight"))
          .abs()
          .max()
          .item<double>(),
      rounding);
  options.recipe.dilution_schedule = "held_out";
  EXPECT_THROW(train(*small_model(), BrightAndDark(64), options), std::invalid_argument);
}

TEST_F(Train, KeepBestExportsTheBestEpoch) {
  TrainOptions options = options_for(test::plain_recipe());
  options.recipe.epochs = 4;
  options.keep_best = true;
  at::Tensor at_best;
  options.measure = [&](const model::Model& model, double, bool, EpochRecord& record) {
    record.top1 = record.epoch == 2 ? 0.9 : 0.1;
    if (record.epoch == 2) at_best = model.parameter("head.weight").detach().clone();
  };
  const auto model = small_model();
  EXPECT_EQ(train(*model, BrightAndDark(64), options).chosen_epoch, 2);
  EXPECT_TRUE(at::equal(model->parameter("head.weight"), at_best));
}

TEST_F(Train, AveragedWeightsFollowAndAreExported) {
  TrainOptions options = options_for(test::plain_recipe());
  options.recipe.epochs = 1;
  options.recipe.ema_decay = 0.75;
  std::vector<at::Tensor> own, averaged;
  options.measure = [&](const model::Model& model, double, bool ema, EpochRecord&) {
    (ema ? averaged : own).push_back(model.parameter("head.weight").detach().clone());
  };
  const auto model = small_model(), start = small_model();
  train(*model, BrightAndDark(16), options);  // one step
  ASSERT_EQ(own.size(), 1u);
  // After one step the average still warms up: decay (1 + 1) / (10 + 1), below 0.75.
  const at::Tensor expected = start->parameter("head.weight") * (2.0 / 11) + own[0] * (9.0 / 11);
  // Two products and a sum in float32 on values below 1.
  EXPECT_LT((averaged.at(0) - expected).abs().max().item<double>(), 4 * std::pow(2.0, -24));
  EXPECT_TRUE(at::equal(model->parameter("head.weight"), averaged[0]));
}

// Half batches whose gradients are added make the same step.
TEST_F(Train, AccumulationChangesNothing) {
  TrainOptions options = options_for(test::plain_recipe());
  options.recipe.epochs = 1;
  const auto once = small_model(), parts = small_model();
  train(*once, BrightAndDark(16), options);
  options.recipe.accumulate = 4;
  train(*parts, BrightAndDark(16), options);
  for (const auto& [name, tensor] : once->parameters().entries()) {
    // AdamW's first step is lr * g / (|g| + eps'): rounding of a small g moves a weight by a small share of
    // the learning rate, 2e-3.
    EXPECT_LT((tensor - parts->parameter(name)).abs().max().item<double>(), 2e-4) << name;
  }
}

TEST_F(Train, ATeacherIsFollowed) {
  TrainOptions options = options_for(test::plain_recipe());
  options.recipe.distillation_weight = 1;  // labels count nothing
  const auto teacher = small_model(11);
  options.teacher = teacher.get();
  options.teacher_preprocess = options.preprocess;
  const auto same = small_model(11), other = small_model();
  // A student that is its teacher has next to nothing to learn (rounding in KL makes AdamW wander off a
  // little).
  EXPECT_LT(train(*same, BrightAndDark(64), options).epochs[0].loss, 0.01);
  const Trained trained = train(*other, BrightAndDark(64), options);
  EXPECT_LT(trained.epochs.back().loss, 0.5 * trained.epochs.front().loss);
}

// Labels and logits count nothing: what is left is the distance of the blocks' outputs.
TEST_F(Train, ATeachersBlocksAreFollowed) {
  TrainOptions options = options_for(test::plain_recipe());
  options.recipe.distillation_weight = 0;
  options.recipe.teacher = "dense";
  const auto teacher = small_model(11);
  options.teacher = teacher.get();
  options.teacher_preprocess = options.preprocess;
  const BrightAndDark images(64);
  const auto loss = [&](double weight, uint64_t seed) {
    options.recipe.block_weight = weight;
    return train(*small_model(seed), images, options).epochs;
  };
  options.recipe.epochs = 1;
  const double without = loss(0, 11)[0].loss;
  EXPECT_NEAR(loss(1e-9, 11)[0].loss, without, 1e-6);
  options.recipe.epochs = 6;
  const auto blocks = loss(100, 3);  // beside which labels hardly count
  EXPECT_GT(blocks.front().loss, 10);
  EXPECT_LT(blocks.back().loss, 0.5 * blocks.front().loss);

  const auto deeper = model::make_random_model(test::small_spec(4), 1);
  options.teacher = deeper.get();
  EXPECT_TRUE(contains(message_of<std::invalid_argument>([&] { loss(1, 3); }), "the teacher has 4 blocks"));
  options.recipe.teacher.clear();
  EXPECT_TRUE(
      contains(message_of<std::invalid_argument>([&] { loss(1, 3); }), "needs a distillation.teacher"));
}

TEST_F(Train, ANonFiniteLossStops) {
  const auto model = small_model();
  model->set_parameter("head.weight", at::full({10, 32}, std::numeric_limits<float>::infinity()));
  const std::string message =
      message_of<Error>([&] { train(*model, BrightAndDark(32), options_for(test::plain_recipe())); });
  for (const char* part : {"not finite", "epoch 1", "batch 0", "learning rate"})
    EXPECT_TRUE(contains(message, part));
}

TEST_F(Train, RefusesWhatItCannotLearnFrom) {
  const TrainOptions options = options_for(test::plain_recipe());
  EXPECT_THROW(train(*small_model(), BrightAndDark(15), options), std::invalid_argument);
  BrightAndDark images(32);
  images.odd_index = 4;
  images.odd_label = 10;
  EXPECT_TRUE(contains(message_of<Error>([&] { train(*small_model(), images, options); }), "class 10"));
  images.odd_label = -1;
  EXPECT_TRUE(contains(message_of<Error>([&] { train(*small_model(), images, options); }), "no label"));
  TrainOptions uneven = options;
  uneven.recipe.accumulate = 16;
  uneven.recipe.batch_size = 24;
  EXPECT_THROW(train(*small_model(), BrightAndDark(32), uneven), std::invalid_argument);
  TrainOptions wrong = options;
  wrong.dilute = {3};
  EXPECT_THROW(train(*small_model(), BrightAndDark(32), wrong), std::invalid_argument);
}

}  // namespace
}  // namespace vitrim::train
