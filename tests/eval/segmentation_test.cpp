#include "vitrim/eval/segmentation.h"

#include <ATen/ATen.h>

#include <cmath>
#include <set>

#include "core/expect_throw.h"
#include "model/small_models.h"
#include "vitrim/core/error.h"
#include "vitrim/data/synthetic.h"
#include "vitrim/eval/statistics.h"

namespace vitrim::eval {
namespace {

// Masks of `classes` classes in blotches, a part of them ignored; classes from `most` on never occur.
at::Tensor random_mask(int64_t height, int64_t width, int64_t most, double ignored, uint64_t seed) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  const at::Tensor coarse = at::randint(most, {1, 1, 4, 5}, generator, at::kFloat);
  at::Tensor mask = at::upsample_nearest2d(coarse, {height, width})[0][0].to(at::kByte);
  mask.masked_fill_(at::rand({height, width}, generator) < ignored, data::kIgnoredClass);
  return mask;
}

struct Figures {
  double miou = 0, mean_accuracy = 0, pixel_accuracy = 0;
};

// The figures by their definition, pixel by pixel with sets, sharing no code with the tested functions.
Figures by_definition(const std::vector<std::pair<at::Tensor, at::Tensor>>& masks, int classes) {
  std::vector<std::set<int64_t>> is(classes), said(classes);
  int64_t pixel = 0, right = 0;
  for (const auto& [predicted, truth] : masks) {
    for (int64_t y = 0; y < truth.size(0); ++y) {
      for (int64_t x = 0; x < truth.size(1); ++x, ++pixel) {
        const int t = truth[y][x].item<int>(), p = predicted[y][x].item<int>();
        if (t == 255) continue;
        is[t].insert(pixel);
        said[p].insert(pixel);
        right += t == p;
      }
    }
  }
  Figures out;
  double iou_sum = 0, accuracy_sum = 0, labelled = 0;
  int occurring = 0, with_label = 0;
  for (int c = 0; c < classes; ++c) {
    std::vector<int64_t> both, either;
    std::set_intersection(is[c].begin(), is[c].end(), said[c].begin(), said[c].end(),
                          std::back_inserter(both));
    std::set_union(is[c].begin(), is[c].end(), said[c].begin(), said[c].end(), std::back_inserter(either));
    labelled += static_cast<double>(is[c].size());
    if (!either.empty()) {
      iou_sum += static_cast<double>(both.size()) / static_cast<double>(either.size());
      ++occurring;
    }
    if (!is[c].empty()) {
      accuracy_sum += static_cast<double>(both.size()) / static_cast<double>(is[c].size());
      ++with_label;
    }
  }
  return {iou_sum / occurring, accuracy_sum / with_label, static_cast<double>(right) / labelled};
}

TEST(SegmentationFigures, AreTheDefinitionsOnRandomMasks) {
  for (uint64_t seed = 0; seed < 6; ++seed) {
    std::vector<std::pair<at::Tensor, at::Tensor>> masks;
    std::vector<std::vector<ClassPixels>> images;
    for (uint64_t i = 0; i < 5; ++i) {
      // Class 5 is predicted only where the seed is odd, 6 and 7 never occur.
      const at::Tensor truth = random_mask(17, 23, 5, 0.2, 100 * seed + i),
                       noise = random_mask(17, 23, seed % 2 ? 6 : 4, 0, 100 * seed + i + 50);
      const at::Tensor keep = at::rand({17, 23}, at::detail::createCPUGenerator(seed + i)) < 0.6;
      const at::Tensor predicted = at::where(keep.logical_and(truth != 255), truth, noise);
      masks.emplace_back(predicted, truth);
      images.push_back(count_pixels(predicted, truth));
    }
    const Figures wanted = by_definition(masks, 8);
    const SegmentationFigures got = summarise_pixels(images, 8);
    // Both divide whole numbers below 2^53 and add up to eight quotients.
    EXPECT_NEAR(got.miou, wanted.miou, 8e-16) << seed;
    EXPECT_NEAR(got.mean_accuracy, wanted.mean_accuracy, 8e-16) << seed;
    EXPECT_DOUBLE_EQ(got.pixel_accuracy, wanted.pixel_accuracy) << seed;
    EXPECT_TRUE(std::isnan(got.class_iou[7]));
    EXPECT_EQ(std::isnan(got.class_iou[5]), seed % 2 == 0);
    EXPECT_LE(got.miou_ci95.first, got.miou);
    EXPECT_GE(got.miou_ci95.second, got.miou_ci95.first);
  }
}

// Three images, and a class that the model misses in the only image that shows it: a resample without this
// image is averaged over the same classes as the figure.
TEST(SegmentationFigures, ClassesThatAResampleLacksStayInItsMean) {
  const std::vector<ClassPixels> common = {{0, 50, 50, 50}, {1, 50, 50, 50}};
  const std::vector<ClassPixels> rare = {{0, 50, 60, 50}, {1, 40, 40, 40}, {2, 10, 0, 0}};
  const SegmentationFigures got = summarise_pixels({common, common, rare}, 3);
  EXPECT_DOUBLE_EQ(got.miou, (150.0 / 160 + 1 + 0) / 3);
  // All resamples lie between those of one image three times.
  EXPECT_DOUBLE_EQ(got.miou_ci95.first, (50.0 / 60 + 1 + 0) / 3);
  EXPECT_DOUBLE_EQ(got.miou_ci95.second, (1.0 + 1 + 0) / 3);
  // A model that is right everywhere differs from this one in the classes of the set, whatever is drawn.
  std::vector<ClassPixels> right = rare;
  for (ClassPixels& c : right) c.predicted = c.both = c.labelled;
  const PairedResult pair = compare_miou(got, summarise_pixels({common, common, right}, 3));
  EXPECT_DOUBLE_EQ(pair.difference, 1 - got.miou);
  EXPECT_DOUBLE_EQ(pair.ci95.first, 1.0 / 3);
  EXPECT_DOUBLE_EQ(pair.ci95.second, (3 - 50.0 / 60 - 1) / 3);
}

TEST(SegmentationFigures, IgnoredPixelsCountForNothing) {
  const at::Tensor truth = at::full({3, 4}, 255, at::kByte), predicted = at::zeros({3, 4}, at::kByte);
  EXPECT_TRUE(count_pixels(predicted, truth).empty());
  EXPECT_TRUE(std::isnan(summarise_pixels({count_pixels(predicted, truth)}, 3).pixel_accuracy));
  EXPECT_THROW(count_pixels(predicted, truth.slice(0, 0, 2)), std::invalid_argument);
}

TEST(CompareMiou, PairsImages) {
  // Twenty images; the second model labels class 1 better in every one of them.
  std::vector<std::vector<ClassPixels>> first, second;
  for (int64_t i = 0; i < 20; ++i) {
    const int64_t luck = i % 5;  // some images are easier for both
    first.push_back({{0, 60, 70, 50 + luck}, {1, 40, 30, 15 + luck}});
    second.push_back({{0, 60, 62, 52 + luck}, {1, 40, 38, 25 + luck}});
  }
  const SegmentationFigures a = summarise_pixels(first, 2), b = summarise_pixels(second, 2);
  const PairedResult pair = compare_miou(a, b);
  EXPECT_DOUBLE_EQ(pair.difference, b.miou - a.miou);
  EXPECT_GT(pair.ci95.first, 0);
  EXPECT_LT(pair.ci95.first, pair.difference);
  EXPECT_GT(pair.ci95.second, pair.difference);
  // Images that are alike vary little together: the paired interval is narrower than either model's own.
  EXPECT_LT(pair.ci95.second - pair.ci95.first,
            a.miou_ci95.second - a.miou_ci95.first + b.miou_ci95.second - b.miou_ci95.first);
  EXPECT_TRUE(std::isnan(pair.mcnemar_p));
  const PairedResult back = compare_miou(b, a);
  EXPECT_NEAR(back.ci95.first, -pair.ci95.second, 1e-3);
  EXPECT_EQ(compare_miou(a, a).ci95, (std::pair<double, double>{0, 0}));
  second.back().front().labelled -= 1;
  EXPECT_THROW(compare_miou(a, summarise_pixels(second, 2)), std::invalid_argument);
}

std::unique_ptr<model::Model> model_at(int64_t side, const std::string& name = "segment_upernet") {
  ModelSpec spec = test::variant(name);
  spec.image_size = {side, side};
  spec.num_classes = name == "segment_upernet" ? data::kSyntheticMaskClasses : spec.num_classes;
  return test::lively_model(spec);
}

at::Tensor random_image(int64_t height, int64_t width) {
  return at::randn({3, height, width}, at::detail::createCPUGenerator(4));
}

TEST(PixelPredictor, AWindowOverTheWholeImageIsTheWholeImage) {
  const auto model = model_at(32);
  const PixelPredictor whole(*model, 0, 0), window(*model, 64, 40);
  for (const auto& [height, width] : {std::pair<int64_t, int64_t>{64, 64}, {32, 48}, {30, 41}}) {
    const at::Tensor image = random_image(height, width);
    EXPECT_TRUE(at::equal(window.logits(image), whole.logits(image))) << height << " x " << width;
  }
  EXPECT_EQ(whole.protocol(), "whole images");
  EXPECT_EQ(window.protocol(), "windows of 64 at stride 40");
}

// Windows by hand: their positions, and the mean where they overlap.
TEST(PixelPredictor, WindowsAreAveraged) {
  const at::NoGradGuard no_grad;
  const auto model = model_at(32);
  const PixelPredictor predictor(*model, 32, 20);
  const at::Tensor image = random_image(32, 60);  // begins at 0, 20 and, moved back, 28
  at::Tensor sum = at::zeros({1, 13, 32, 60}), count = at::zeros({60});
  for (const int64_t left : {0, 20, 28}) {
    const at::Tensor logits = model->forward(image.slice(2, left, left + 32).unsqueeze(0)).logits;
    sum.slice(3, left, left + 32) += at::upsample_bilinear2d(logits, {32, 32}, false);
    count.slice(0, left, left + 32) += 1;
  }
  EXPECT_EQ(count.max().item<float>(), 3);  // from 28 to 32
  EXPECT_LT(test::relative_difference(predictor.logits(image), sum / count), 1e-6);
}

TEST(PixelPredictor, ContinuesImagesToWholePatches) {
  const at::NoGradGuard no_grad;
  ModelSpec spec = test::variant("segment_upernet");
  spec.num_classes = 37;  // more than are enlarged at a time
  const auto model = test::lively_model(spec);
  const PixelPredictor predictor(*model, 0, 0);
  const at::Tensor image = random_image(27, 40);
  const at::Tensor padded = at::constant_pad_nd(image, {0, 0, 0, 5}, 0).unsqueeze(0);
  const at::Tensor wanted =
      at::upsample_bilinear2d(model->at_size(32, 40)->forward(padded).logits, {32, 40}, false)
          .slice(2, 0, 27);
  EXPECT_TRUE(at::equal(predictor.logits(image), wanted));
  const at::Tensor classes = predictor.classes(image, 54, 80);
  const at::Tensor direct = at::upsample_bilinear2d(wanted, {54, 80}, false).argmax(1)[0].to(at::kByte);
  EXPECT_TRUE(at::equal(classes, direct));
  EXPECT_THROW(PixelPredictor(*model, 33, 0), std::invalid_argument);
  EXPECT_THROW(PixelPredictor(*model, 32, 33), std::invalid_argument);
  EXPECT_THROW(PixelPredictor(*test::lively_model(test::small_spec()), 0, 0), std::invalid_argument);
}

TEST(EvaluateSegmentation, IsTheDirectCount) {
  const at::NoGradGuard no_grad;
  const auto model = model_at(64);
  const auto dataset = data::open_dataset("synthetic-masks:val:12");
  AccuracyOptions options;
  options.preprocess = data::synthetic_preprocess();
  options.pictures = 2;
  const EvalResult got = evaluate(*model, *dataset, options);
  ASSERT_TRUE(got.segmentation.has_value());
  std::vector<std::vector<ClassPixels>> images;
  for (int64_t i = 0; i < 12; ++i) {
    data::ImageBatch one = data::load_images(*dataset, {options.preprocess, 1, 0, {i}});
    const at::Tensor logits = model->forward(data::normalized(one, 0, 1)).logits;
    const at::Tensor said = at::upsample_bilinear2d(logits, {64, 64}, false).argmax(1)[0].to(at::kByte);
    const data::Mask mask = dataset->read_mask(i);
    images.push_back(
        count_pixels(said, at::from_blob(const_cast<uint8_t*>(mask.classes.data()), {64, 64}, at::kByte)));
  }
  EXPECT_EQ(got.segmentation->images, images);
  EXPECT_DOUBLE_EQ(got.segmentation->miou, summarise_pixels(images, 13).miou);
  EXPECT_EQ(got.headline(), got.segmentation->miou);
  EXPECT_EQ(got.images, 12);
  EXPECT_TRUE(got.correct.empty());
  EXPECT_EQ(got.segmentation->class_names, data::synthetic_mask_class_names());
  ASSERT_EQ(got.segmentation->pictures.size(), 2u);
  EXPECT_TRUE(got.segmentation->pictures[1].truth.starts_with("data:image/png;base64,"));
  EXPECT_EQ(compare_paired(got, got).difference, 0);
}

TEST(EvaluateSegmentation, RefusesWhatHasNoMasks) {
  const auto model = model_at(64);
  AccuracyOptions options;
  options.preprocess = data::synthetic_preprocess();
  EXPECT_TRUE(
      contains(message_of<Error>([&] { evaluate(*model, *data::open_dataset("synthetic:val:8"), options); }),
               "no masks"));
  const auto five = model_at(64, "segment_linear");
  EXPECT_TRUE(contains(
      message_of<Error>([&] { evaluate(*five, *data::open_dataset("synthetic-masks:val:8"), options); }),
      "13"));
}

}  // namespace
}  // namespace vitrim::eval
