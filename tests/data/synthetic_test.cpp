#include "vitrim/data/synthetic.h"

#include <gtest/gtest.h>

#include <set>

#include "data/data_fixtures.h"
#include "vitrim/core/error.h"
#include "vitrim/data/loader.h"

namespace vitrim::data {
namespace {

using namespace test;

constexpr SyntheticSplit kSplits[] = {SyntheticSplit::kTrain, SyntheticSplit::kCalib, SyntheticSplit::kVal,
                                      SyntheticSplit::kTest};

// Published accuracies refer to exactly these pixels; a change here is a new data set.
TEST(Synthetic, PixelsAreTheSameEverywhere) {
  std::string all;
  for (const auto split : kSplits) {
    for (int64_t i = 0; i < 50; ++i) {
      const Image image = draw_synthetic(split, i);
      EXPECT_EQ(image.height, 64);
      EXPECT_EQ(image.width, 64);
      all.append(image.pixels.begin(), image.pixels.end());
      all += static_cast<char>(synthetic_label(split, i));
    }
  }
  EXPECT_EQ(sha256_hex(all), "22955def3cb6bdc739585ccef252bc009ff5fab86b1043c01f22cb32500890b5");
}

TEST(Synthetic, ClassesAreBalanced) {
  for (const auto split : kSplits) {
    std::vector<int> counts(kSyntheticClasses);
    for (int64_t i = 0; i < 200; ++i) ++counts[synthetic_label(split, i)];
    for (const int count : counts) EXPECT_EQ(count, 20);
  }
  // Evenly spread indices must not hit the same class again and again.
  std::set<int64_t> seen;
  for (const int64_t i : spread_indices(2000, 200)) seen.insert(synthetic_label(SyntheticSplit::kTest, i));
  EXPECT_EQ(static_cast<int64_t>(seen.size()), kSyntheticClasses);
}

TEST(Synthetic, NoImageOccursTwice) {
  std::set<std::string> seen;
  for (const auto split : kSplits) {
    for (int64_t i = 0; i < 250; ++i)
      EXPECT_TRUE(seen.insert(hash(draw_synthetic(split, i))).second) << to_string(split) << " " << i;
  }
}

TEST(Synthetic, OpensBySplitAndCount) {
  const auto test_set = open_dataset("synthetic:test");
  EXPECT_EQ(test_set->size(), 2000);
  EXPECT_EQ(test_set->num_classes(), kSyntheticClasses);
  EXPECT_EQ(test_set->name(17), "synthetic:test:17");
  EXPECT_EQ(test_set->description(), "synthetic set, test, 2000 images");
  EXPECT_EQ(open_dataset("synthetic:train")->size(), synthetic_default_count(SyntheticSplit::kTrain));
  EXPECT_EQ(open_dataset("synthetic:val")->size(), 1000);
  const auto few = open_dataset("synthetic:calib:7");
  EXPECT_EQ(few->size(), 7);
  EXPECT_EQ(few->read(3).pixels, open_dataset("synthetic:calib")->read(3).pixels)
      << "a count only cuts the set off";
  EXPECT_NE(few->fingerprint(), open_dataset("synthetic:calib:8")->fingerprint());
  EXPECT_THROW(few->read(7), std::out_of_range);
}

TEST(Synthetic, WrongSourcesAreNamed) {
  const auto problem = [](const std::string& source) {
    const std::string message = message_of<Error>([&] { open_dataset(source); });
    EXPECT_TRUE(contains(message, source + ": "));
    EXPECT_TRUE(contains(message, "write synthetic:SPLIT[:COUNT]"));
    return message;
  };
  EXPECT_TRUE(contains(problem("synthetic"), "no split was named"));
  EXPECT_TRUE(contains(problem("synthetic:"), "no split \"\""));
  EXPECT_TRUE(contains(problem("synthetic:vall"), "no split \"vall\""));
  for (const std::string count : {"", "0", "-3", "2.5", "1e3", "7 ", "99999999999999999999", "5:6"}) {
    EXPECT_TRUE(contains(problem("synthetic:val:" + count), "\"" + count + "\" is not a number of images"));
  }
  EXPECT_THROW(draw_synthetic(SyntheticSplit::kVal, -1), std::invalid_argument);
}

}  // namespace
}  // namespace vitrim::data
