#include <gtest/gtest.h>

#include "data/data_fixtures.h"
#include "vitrim/core/error.h"

namespace vitrim::data {
namespace {

using namespace test;

/// One record; red, green and blue planes begin with their own mark and count up.
std::string record(const std::string& labels, int mark) {
  std::string bytes = labels;
  for (int plane = 0; plane < 3; ++plane) {
    for (int i = 0; i < 1024; ++i) bytes += static_cast<char>(mark + plane * 50 + i % 7);
  }
  return bytes;
}

TEST(Cifar, ReadsBothLayouts) {
  const TempDir folder;
  put(folder.file("ten.bin"), record("\x03", 1) + record("\x09", 2));
  put(folder.file("hundred.bin"),
      record("\x13\x63", 1) + record(std::string(2, '\0'), 2) + record("\x02\x04", 3));
  const auto ten = open_dataset(folder.file("ten.bin"));
  EXPECT_EQ(ten->size(), 2);
  EXPECT_EQ(ten->num_classes(), 10);
  EXPECT_EQ(ten->label(0), 3);
  EXPECT_EQ(ten->label(1), 9);
  EXPECT_EQ(ten->name(1), "cifar10:ten:1");
  const auto hundred = open_dataset(folder.file("hundred.bin"));
  EXPECT_EQ(hundred->size(), 3);
  EXPECT_EQ(hundred->num_classes(), 100);
  EXPECT_EQ(hundred->label(0), 99);  // the fine label
  EXPECT_EQ(hundred->label(2), 4);
  EXPECT_EQ(hundred->name(2), "cifar100:hundred:2");
  const Image image = hundred->read(1);
  EXPECT_EQ(image.height, 32);
  EXPECT_EQ(image.width, 32);
  EXPECT_EQ(std::vector<uint8_t>(image.pixels.begin(), image.pixels.begin() + 6),
            (std::vector<uint8_t>{2, 52, 102, 3, 53, 103}));
  EXPECT_THROW(hundred->read(3), std::out_of_range);
  EXPECT_THROW(hundred->label(-1), std::out_of_range);
}

TEST(Cifar, LabelsDecideWhereBothLayoutsFit) {
  const TempDir folder;
  std::string ten, hundred;
  for (int i = 0; i < 3074; ++i)
    ten += record("\x05", 200);  // 3074 * 3073 bytes: 3073 records of 3074 bytes too
  for (int i = 0; i < 3073; ++i) hundred += record("\x05\x50", 0);
  put(folder.file("ten.bin"), ten);
  put(folder.file("hundred.bin"), hundred);
  EXPECT_EQ(open_dataset(folder.file("ten.bin"))->num_classes(), 10);
  EXPECT_EQ(open_dataset(folder.file("hundred.bin"))->num_classes(), 100);
}

TEST(Cifar, WrongFilesAreNamed) {
  const TempDir folder;
  const auto problem = [&](const std::string& bytes) {
    put(folder.file("x.bin"), bytes);
    const std::string message = message_of<FormatError>([&] { open_dataset(folder.file("x.bin")); });
    EXPECT_TRUE(contains(message, folder.file("x.bin")));
    return message;
  };
  EXPECT_TRUE(contains(problem(""), "empty file"));
  EXPECT_TRUE(contains(problem(record("\x05", 1).substr(1)), "size 3072 is not a multiple of 3073"));
  EXPECT_TRUE(contains(problem(record("\x05\x7f", 1)), "record 0 has a label"));  // fine labels end at 99
  EXPECT_TRUE(contains(problem(record("\x05", 1) + record("\x0a", 1)),
                       "record 1 has a label that cifar10 does not have"));
  EXPECT_TRUE(contains(problem(record("\x14\x01", 1)), "record 0 has a label that cifar100 does not have"));
}

TEST(Cifar, FingerprintIsOfTheFileNotItsPlace) {
  const TempDir folder;
  put(folder.file("a/test.bin"), record("\x03", 1));
  put(folder.file("b/test.bin"), record("\x03", 1));
  put(folder.file("b/other.bin"), record("\x03", 1));
  const auto of = [&](const std::string& name) { return open_dataset(folder.file(name))->fingerprint(); };
  EXPECT_EQ(of("a/test.bin"), of("b/test.bin"));
  EXPECT_NE(of("a/test.bin"), of("b/other.bin"));
}

}  // namespace
}  // namespace vitrim::data
