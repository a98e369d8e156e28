#include "vitrim/data/loader.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <mutex>

#include "data/data_fixtures.h"
#include "data/encoded_images.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"
#include "vitrim/data/synthetic.h"

namespace vitrim::data {
namespace {

using namespace test;

struct Recorder : LogSink {
  void message(LogLevel level, const std::string& text) override {
    const std::lock_guard lock(mutex);
    if (level == LogLevel::kWarning) warnings.push_back(text);
  }
  void progress(const ProgressUpdate& update) override {
    const std::lock_guard lock(mutex);
    last = update;
  }
  std::mutex mutex;
  std::vector<std::string> warnings;
  ProgressUpdate last;
};

class Loader : public testing::Test {
 protected:
  void SetUp() override { set_log_sink(recorder_); }
  void TearDown() override {
    clear_cancel();
    set_log_sink(nullptr);
  }
  /// `whole` good images in two classes, and as many corrupt ones as asked for.
  std::unique_ptr<Dataset> folder(int whole, int corrupt) {
    for (int i = 0; i < whole; ++i)
      put(folder_.file("set/" + std::to_string(i % 2) + "/" + std::to_string(i) + ".png"),
          fixture_bytes("rgb.png"));
    for (int i = 0; i < corrupt; ++i) {
      put(folder_.file("set/1/bad" + std::to_string(i) + ".jpg"), fixture_bytes("rgb420.jpg").substr(0, 700));
    }
    return open_dataset(folder_.file("set"));
  }
  static LoadOptions options(int64_t max_corrupt = 0) {
    LoadOptions result;
    result.preprocess.crop = 20;
    result.max_corrupt = max_corrupt;
    return result;
  }

  TempDir folder_;
  std::shared_ptr<Recorder> recorder_ = std::make_shared<Recorder>();
};

TEST_F(Loader, LoadsInOrderWithEverythingBeside) {
  const auto set = folder(4, 0);
  const ImageBatch batch = load_images(*set, options());
  EXPECT_EQ(batch.size(), 4);
  EXPECT_EQ(batch.pixels.sizes(), (at::IntArrayRef{4, 3, 20, 20}));
  EXPECT_EQ(batch.pixels.scalar_type(), at::kByte);
  EXPECT_EQ(batch.labels, (std::vector<int64_t>{0, 0, 1, 1}));
  EXPECT_EQ(batch.names[1], set->name(1));
  EXPECT_EQ(batch.description, set->description());
  EXPECT_EQ(batch.fingerprint, set->fingerprint());
  EXPECT_TRUE(batch.corrupt.empty());
  EXPECT_EQ(recorder_->last.stage, "decode");
  EXPECT_EQ(recorder_->last.unit, "images");
  EXPECT_EQ(recorder_->last.done, 4);
  EXPECT_EQ(recorder_->last.total, 4);
  const Image image = set->read(2);  // 29 x 37, so the window begins at row 4, column 8
  EXPECT_EQ(batch.pixels[2][1][3][5].item<int>(), image.pixels[((4 + 3) * 37 + 8 + 5) * 3 + 1]);
  LoadOptions some = options();
  some.indices = {0, 3};
  EXPECT_EQ(load_images(*set, some).fingerprint, set->fingerprint() + ", 2 of them used");
}

TEST_F(Loader, OnlyTheIndicesAskedFor) {
  const auto set = folder(5, 0);
  LoadOptions some = options();
  some.indices = {4, 0, 4};
  const ImageBatch batch = load_images(*set, some);
  EXPECT_EQ(batch.names, (std::vector<std::string>{set->name(4), set->name(0), set->name(4)}));
  some.indices = {5};
  EXPECT_TRUE(contains(message_of<std::invalid_argument>([&] { load_images(*set, some); }), "image 5"));
}

TEST_F(Loader, CorruptImagesAreCountedAndNamed) {
  const auto set = folder(6, 2);
  const std::string message = message_of<Error>([&] { load_images(*set, options(1)); });
  EXPECT_TRUE(contains(message, "2 of 8 images are corrupt"));
  EXPECT_TRUE(contains(message, folder_.file("set/1/bad0.jpg")));
  EXPECT_TRUE(contains(message, folder_.file("set/1/bad1.jpg")));
  EXPECT_TRUE(contains(message, "--max-corrupt 2"));
  EXPECT_TRUE(recorder_->warnings.empty());

  const ImageBatch batch = load_images(*set, options(2));
  EXPECT_EQ(batch.size(), 6);
  EXPECT_EQ(batch.pixels.size(0), 6);
  EXPECT_EQ(batch.corrupt,
            (std::vector<std::string>{folder_.file("set/1/bad0.jpg"), folder_.file("set/1/bad1.jpg")}));
  ASSERT_EQ(recorder_->warnings.size(), 1u);
  EXPECT_TRUE(contains(recorder_->warnings[0], "bad1.jpg"));
  for (int i = 1; i < 6; ++i)
    EXPECT_TRUE(at::equal(batch.pixels[i], batch.pixels[0])) << "the gap must close";
}

TEST_F(Loader, NamesTheFirstTen) {
  const std::string message = message_of<Error>([&] { load_images(*folder(1, 12), options()); });
  EXPECT_TRUE(contains(message, "12 of 13"));
  EXPECT_TRUE(contains(message, ", ..."));
}

TEST_F(Loader, NothingLeftIsAnError) {
  EXPECT_TRUE(
      contains(message_of<Error>([&] { load_images(*folder(0, 2), options(9)); }), "no image is left"));
}

TEST_F(Loader, ThreadsDoNotChangeTheResult) {
  const auto set = open_dataset("synthetic:val:64");
  LoadOptions one, two;
  one.preprocess = two.preprocess = synthetic_preprocess();
  one.threads = 1;
  two.threads = 2;
  const ImageBatch a = load_images(*set, one), b = load_images(*set, two);
  EXPECT_TRUE(at::equal(a.pixels, b.pixels));
  EXPECT_EQ(a.labels, b.labels);
  EXPECT_EQ(a.names, b.names);
  const auto broken = folder(20, 5);
  one = two = options(5);
  one.threads = 1;
  two.threads = 2;
  EXPECT_EQ(load_images(*broken, one).names, load_images(*broken, two).names);
}

TEST_F(Loader, StopsWhenAsked) {
  request_cancel();
  EXPECT_THROW(load_images(*open_dataset("synthetic:val:64"), options()), Interrupted);
}

TEST(Normalized, IsTorchvisionsArithmetic) {
  ImageBatch batch;
  batch.pixels = at::arange(2 * 3 * 11 * 11, at::kLong).remainder(256).to(at::kByte).reshape({2, 3, 11, 11});
  batch.labels = {0, 1};
  batch.preprocess.mean = {0.485, 0.456, 0.406};
  batch.preprocess.std = {0.229, 0.224, 0.225};
  const at::Tensor mean = at::tensor({0.485f, 0.456f, 0.406f}).reshape({1, 3, 1, 1});
  const at::Tensor std = at::tensor({0.229f, 0.224f, 0.225f}).reshape({1, 3, 1, 1});
  const at::Tensor expected = (batch.pixels.to(at::kFloat) / 255 - mean) / std;
  EXPECT_TRUE(at::equal(normalized(batch, 0, 2), expected));
  EXPECT_TRUE(at::equal(normalized(batch, 1, 2), expected.narrow(0, 1, 1)));
  EXPECT_EQ(normalized(batch, 1, 1).size(0), 0);
  EXPECT_THROW(normalized(batch, 0, 3), std::invalid_argument);
  EXPECT_THROW(normalized(batch, -1, 2), std::invalid_argument);
}

TEST(SpreadIndices, CoverTheSetEvenly) {
  EXPECT_EQ(spread_indices(10, 4), (std::vector<int64_t>{0, 2, 5, 7}));
  EXPECT_EQ(spread_indices(3, 5), (std::vector<int64_t>{0, 1, 2}));
  EXPECT_TRUE(spread_indices(0, 5).empty());
}

TEST(SpreadImages, AreADataSet) {
  const std::shared_ptr<const Dataset> whole = open_dataset("synthetic-masks:val:10");
  const auto some = spread_images(whole, 4);
  ASSERT_EQ(some->size(), 4);
  EXPECT_EQ(some->num_classes(), whole->num_classes());
  EXPECT_EQ(some->class_names(), whole->class_names());
  EXPECT_TRUE(some->has_masks());
  const std::vector<int64_t> indices = spread_indices(10, 4);
  for (int64_t i = 0; i < 4; ++i) {
    const int64_t there = indices[static_cast<size_t>(i)];
    EXPECT_EQ(some->name(i), whole->name(there));
    EXPECT_EQ(some->label(i), whole->label(there));
    EXPECT_EQ(some->read(i).pixels, whole->read(there).pixels);
    EXPECT_EQ(some->read_mask(i).classes, whole->read_mask(there).classes);
  }
  EXPECT_EQ(some->description(), "4 images spread over " + whole->description());
  EXPECT_NE(some->fingerprint(), whole->fingerprint());
  EXPECT_NE(some->fingerprint(), spread_images(whole, 3)->fingerprint());
  for (const int64_t count : {0, 10, 11}) EXPECT_EQ(spread_images(whole, count), whole);
}

TEST_F(Loader, AnImageBombIsOneCorruptImage) {
  put(folder_.file("set/0/bomb.png"), black_png({1000000, 1}));
  LoadOptions large = options(1);
  large.preprocess.resize = 256;
  const auto set = folder(3, 0);
  const ImageBatch batch = load_images(*set, large);
  EXPECT_EQ(batch.size(), 3);
  ASSERT_EQ(batch.corrupt.size(), 1u);
  EXPECT_TRUE(contains(recorder_->warnings.back(), "which resizing would make 256000000 x 256 pixels large"));
}

TEST_F(Loader, OneChannelIsGreyAsPillowMakesIt) {
  const auto set = folder(2, 0);
  LoadOptions grey = options();
  grey.channels = 1;
  const ImageBatch one = load_images(*set, grey), three = load_images(*set, options());
  EXPECT_EQ(one.pixels.sizes(), at::IntArrayRef({2, 1, 20, 20}));
  // No resize: the luma of each pixel, rounded (0.299 R + 0.587 G + 0.114 B in 16 fraction bits).
  const at::Tensor weights = at::tensor({19595, 38470, 7471}, at::kLong).reshape({1, 3, 1, 1});
  const at::Tensor luma =
      (three.pixels.to(at::kLong) * weights).sum(1, true).add(0x8000).bitwise_right_shift(16);
  EXPECT_TRUE(at::equal(one.pixels.to(at::kLong), luma));
  EXPECT_EQ(normalized(one, 0, 2).sizes(), at::IntArrayRef({2, 1, 20, 20}));
  EXPECT_TRUE(
      at::equal(normalized(one, 1, 2), (one.pixels.slice(0, 1, 2).to(at::kFloat) / 255 - 0.5f) / 0.5f));
  grey.channels = 4;
  EXPECT_THROW(load_images(*set, grey), std::invalid_argument);
}

TEST(ImageChannels, AreThreeOrOne) {
  ModelSpec spec;
  EXPECT_EQ(image_channels(spec, "m.pth"), 3);
  spec.in_channels = 1;
  EXPECT_EQ(image_channels(spec, "m.pth"), 1);
  spec.in_channels = 13;
  EXPECT_TRUE(contains(message_of<Error>([&] { image_channels(spec, "m.pth"); }),
                       "m.pth: the model takes images of 13 channels, and images have 3"));
}

}  // namespace
}  // namespace vitrim::data
