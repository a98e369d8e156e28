#include "vitrim/eval/accuracy.h"

#include <algorithm>

#include "core/expect_throw.h"
#include "core/recorded_warnings.h"
#include "model/small_models.h"
#include "vitrim/core/error.h"
#include "vitrim/eval/statistics.h"

namespace vitrim::eval {
namespace {

std::unique_ptr<model::Model> model_for_synthetic(int64_t classes) {
  ModelSpec spec = test::small_spec(2);
  spec.image_size = {64, 64};
  spec.num_classes = classes;
  return test::lively_model(spec);
}

AccuracyOptions synthetic_options() {
  AccuracyOptions options;
  options.preprocess.crop = 64;
  options.threads = 2;
  return options;
}

TEST(Accuracy, IsTheDirectCount) {
  const at::NoGradGuard no_grad;
  const auto model = model_for_synthetic(10);
  const auto dataset = data::open_dataset("synthetic:val:90");
  AccuracyOptions options = synthetic_options();
  data::LoadOptions load;
  load.preprocess = options.preprocess;
  const data::ImageBatch images = data::load_images(*dataset, load);
  const at::Tensor logits = model->forward(data::normalized(images, 0, 90)).logits;

  int64_t top1 = 0, top5 = 0;
  std::vector<uint8_t> correct;
  for (int64_t i = 0; i < 90; ++i) {
    const double own = logits[i][images.labels[i]].item<double>();
    const int64_t better = (logits[i] > own).sum().item<int64_t>();
    top1 += better == 0;
    top5 += better < 5;
    correct.push_back(better == 0);
  }
  ASSERT_GT(top1, 0);
  ASSERT_LT(top5, 90);

  options.batch_size = 20;  // a rest of 10
  options.chunk = 35;       // a rest of 20
  const EvalResult chunked = evaluate(*model, *dataset, options), whole = evaluate(*model, images, 90);
  for (const EvalResult* result : {&chunked, &whole}) {
    EXPECT_EQ(result->images, 90);
    EXPECT_DOUBLE_EQ(result->top1, static_cast<double>(top1) / 90);
    EXPECT_DOUBLE_EQ(result->top5, static_cast<double>(top5) / 90);
    EXPECT_EQ(result->top1_ci95, wilson_interval(top1, 90));
    EXPECT_EQ(result->correct, correct);
    EXPECT_GT(result->params, 0);
    EXPECT_GT(result->macs, 0);
  }
}

TEST(Accuracy, OutputsThatAreNoNumbersAreNoPredictions) {
  const auto model = model_for_synthetic(10);
  const auto dataset = data::open_dataset("synthetic:val:8");
  AccuracyOptions options = synthetic_options();
  options.logits = [](const at::Tensor& images) {
    at::Tensor logits = at::eye(10).slice(0, 0, images.size(0)).clone();
    logits[2][5] = std::nanf("");
    return logits;
  };
  const RecordedWarnings warnings;
  EXPECT_EQ(evaluate(*model, *dataset, options).correct[2], 0);
  EXPECT_TRUE(contains(warnings.text(), "not finite for 1 of 8 images")) << warnings.text();
  options.logits = [](const at::Tensor& images) { return at::full({images.size(0), 10}, INFINITY); };
  EXPECT_TRUE(contains(message_of<Error>([&] { evaluate(*model, *dataset, options); }),
                       "not finite for 8 of 8 images (the first: "));
}

TEST(Accuracy, FewerThanFiveClasses) {
  const auto model = model_for_synthetic(3);
  data::ImageBatch images = test::colour_images(9, 1, 64);
  for (int64_t& label : images.labels) label %= 3;
  EXPECT_EQ(evaluate(*model, images).top5, 1);
}

TEST(Accuracy, SaysWhatToPassWhereClassesDiffer) {
  const auto dataset = data::open_dataset("synthetic:val:20");
  const std::string message =
      message_of<Error>([&] { evaluate(*model_for_synthetic(7), *dataset, synthetic_options()); });
  for (const char* part : {"--classes", "7 classes", "has 10"}) EXPECT_TRUE(contains(message, part));
  // More classes in the model than in the data is an error too: the classes would not agree.
  EXPECT_TRUE(contains(
      message_of<Error>([&] { evaluate(*model_for_synthetic(1000), *dataset, synthetic_options()); }),
      "--classes"));

  data::ImageBatch images = test::colour_images(4, 1, 64);
  const auto model = model_for_synthetic(10);
  images.labels[2] = 10;
  EXPECT_TRUE(contains(message_of<Error>([&] { evaluate(*model, images); }), "--classes"));
  images.labels[2] = -1;
  EXPECT_TRUE(contains(message_of<Error>([&] { evaluate(*model, images); }), "one folder per class"));
  EXPECT_TRUE(
      contains(message_of<Error>([&] { evaluate(*model_for_synthetic(0), images); }), "no classifier"));
}

}  // namespace
}  // namespace vitrim::eval
