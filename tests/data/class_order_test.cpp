// Which class a folder's name stands for.

#include "data/class_order.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

#include "data/data_fixtures.h"
#include "data/unicode.h"
#include "vitrim/core/error.h"

namespace vitrim::data {
namespace {

using namespace test;

std::vector<std::string> natural(std::vector<std::string> names) {
  std::sort(names.begin(), names.end(), natural_less);
  return names;
}

using Names = std::vector<std::string>;

// Expected orders are those of sorted(names, key=timm.utils.misc.natural_key).
TEST(ClassOrder, NaturalIsTimms) {
  EXPECT_EQ(natural({"10", "2", "1", "0", "11"}), (Names{"0", "1", "2", "10", "11"}));
  EXPECT_EQ(natural({"banana", "Apple", "cherry", "Banane"}), (Names{"Apple", "banana", "Banane", "cherry"}));
  EXPECT_EQ(natural({"class_10", "class_9", "Class_1"}), (Names{"Class_1", "class_9", "class_10"}));
  EXPECT_EQ(natural({"a", "a1", "a01b", "a1a", "1a", ""}), (Names{"", "1a", "a", "a1", "a1a", "a01b"}));
  EXPECT_EQ(natural({"b2c3", "b2c20", "b10c1", "b2"}), (Names{"b2", "b2c3", "b2c20", "b10c1"}));
  EXPECT_EQ(natural({"Ärger", "ähre", "zebra"}), (Names{"zebra", "ähre", "Ärger"}));
  EXPECT_EQ(natural({"99999999999999999999999", "100000000000000000000000", "1"}),
            (Names{"1", "99999999999999999999999", "100000000000000000000000"}));
}

TEST(ClassOrder, RefusesWhereTheOrdersDifferAndShowsBoth) {
  const Names folders{"0", "1", "10", "11", "2"};
  const std::string message = message_of<Error>([&] { class_indices(folders, {}, "set"); });
  EXPECT_TRUE(contains(message, "set: the names of the class folders"));
  EXPECT_TRUE(
      contains(message, "(torchvision) they are 0, 1, 10, 11, 2, in natural order (timm) 0, 1, 2, 10, 11;"));
  EXPECT_TRUE(contains(message, "--class-order lexicographic or --class-order natural"));
  EXPECT_TRUE(contains(message_of<Error>([&] { class_indices({"Apple", "Cherry", "banana"}, {}, "set"); }),
                       "they are Apple, Cherry, banana, in natural order (timm) Apple, banana, Cherry"));
  // Of long lists the place where they part is shown.
  Names many;
  for (int i = 0; i < 40; ++i) many.push_back("a" + std::to_string(i + 100));
  many.insert(many.end(), {"b10", "b9"});
  EXPECT_TRUE(
      contains(message_of<Error>([&] { class_indices(many, {}, "set"); }), "..., a139, b10, b9, in natural"));
}

TEST(ClassOrder, ANamedOrderDecides) {
  const Names folders{"0", "1", "10", "2"};
  DatasetOptions options;
  options.class_order = ClassOrder::kNatural;
  EXPECT_EQ(class_indices(folders, options, "set").of_folder, (std::vector<int64_t>{0, 1, 3, 2}));
  options.class_order = ClassOrder::kLexicographic;
  options.class_names = {"2", "10", "1", "0"};  // who names an order means it
  EXPECT_EQ(class_indices(folders, options, "set").of_folder, (std::vector<int64_t>{0, 1, 2, 3}));
  EXPECT_EQ(parse_class_order("natural"), ClassOrder::kNatural);
  EXPECT_THROW(parse_class_order("random"), std::invalid_argument);
}

TEST(ClassOrder, OrdersThatAgreeNeedNoWord) {
  EXPECT_EQ(class_indices({"00", "01", "10"}, {}, "set").of_folder, (std::vector<int64_t>{0, 1, 2}));
  EXPECT_EQ(class_indices({"n01440764", "n02102040", "n01443537"}, {}, "set").of_folder,
            (std::vector<int64_t>{0, 2, 1}));
  EXPECT_EQ(class_indices({"b", "c", "a"}, {}, "set").names, (Names{"a", "b", "c"}));
}

TEST(ClassOrder, TheModelsClassNamesDecide) {
  DatasetOptions options;
  options.class_names = {"tench, Tinca tinca", "golden retriever", "Crème", "10", "9"};
  const ClassIndices found =
      class_indices({"10", "9", "Golden_Retriever", "Cre\xCC\x80me", "tench"}, options, "set");
  EXPECT_EQ(found.of_folder, (std::vector<int64_t>{3, 4, 1, 2, 0}));
  EXPECT_EQ(found.classes, 5);
  EXPECT_EQ(found.names, options.class_names);
  EXPECT_TRUE(found.named);
  EXPECT_EQ(class_indices({"9"}, options, "set").classes, 5);  // part of the classes
  // No folder bears a class's name: they say nothing, and the folders' order counts.
  EXPECT_EQ(class_indices({"b", "a"}, options, "set").of_folder, (std::vector<int64_t>{1, 0}));
  EXPECT_TRUE(
      contains(message_of<Error>([&] { class_indices({"9", "tensh"}, options, "set"); }),
               "1 of 2 class folders are named after one of the model's 5 classes, but folder tensh is not"));
  EXPECT_TRUE(contains(message_of<Error>([&] { class_indices({"tench", "Tench"}, options, "set"); }),
                       "folders tench and Tench are both named after"));
  options.class_names = {"crane, bird", "crane, machine", "dog"};  // which crane?
  EXPECT_TRUE(contains(message_of<Error>([&] { class_indices({"crane", "dog"}, options, "set"); }),
                       "folder crane is not"));
}

class ByList : public testing::Test {
 protected:
  ClassIndices indices(const Names& folders, const std::string& text) const {
    put(folder_.file("classes.txt"), text);
    return class_indices(folders, {folder_.file("classes.txt")}, "set");
  }
  TempDir folder_;
};

TEST_F(ByList, ALineIsAFoldersNameOrBeginsWithIt) {
  EXPECT_EQ(
      indices({"AM General Hummer", "Acura RL"}, "AM General Hummer\nAM General Truck\nAcura RL\n").of_folder,
      (std::vector<int64_t>{0, 2}));
  EXPECT_EQ(indices({"n02", "n01"}, "n01 tench, Tinca tinca\r\nn02\tgoldfish\r\n").of_folder,
            (std::vector<int64_t>{1, 0}));
  // A whole line goes before a first word.
  EXPECT_EQ(indices({"dog", "dog house"}, "dog house\ndog\n").of_folder, (std::vector<int64_t>{1, 0}));
  EXPECT_EQ(indices({"a"}, "a\nb x\nc\n").classes, 3);
  EXPECT_EQ(indices({"a"}, "a\nb x\nc\n").names, (Names{"a", "b x", "c"}));
  EXPECT_EQ(indices({"a"}, "a y\nb x\nc\n").names, (Names{"a", "b", "c"}));  // folders bear the first words
}

TEST_F(ByList, DoubtsAreNamed) {
  EXPECT_TRUE(contains(message_of<FormatError>([&] { indices({"a"}, "a\nb x\na\n"); }),
                       "line 3: class a occurs twice"));
  EXPECT_TRUE(
      contains(message_of<FormatError>([&] { indices({"a"}, "a x\nb\na y\n"); }), "class a occurs twice"));
  EXPECT_EQ(indices({"b"}, "a x\nb\na y\n").of_folder, (std::vector<int64_t>{1}));  // no folder a, no doubt
  EXPECT_TRUE(contains(
      message_of<Error>([&] { indices({"golden_retriever"}, "golden retriever\ncat\n"); }),
      "is not in the class list " + folder_.file("classes.txt") + " (the nearest one: golden retriever)"));
}

TEST_F(ByList, EncodingsAndAccentsAreOne) {
  const std::string composed_name = "Caf\xC3\xA9", two_parts = "Cafe\xCC\x81";
  EXPECT_EQ(indices({two_parts}, "x\n" + composed_name + "\n").of_folder, (std::vector<int64_t>{1}));
  EXPECT_EQ(indices({composed_name}, "\xEF\xBB\xBF" + two_parts + "\nx\n").of_folder,
            (std::vector<int64_t>{0}));
  const std::string name = "gr\xC3\xBCn \xF0\x9F\x90\x95";
  const std::string little("g\0r\0\xFC\0n\0 \0\x3D\xD8\x15\xDC\r\0\n\0x\0", 20);
  const std::string big("\0g\0r\0\xFC\0n\0 \xD8\x3D\xDC\x15\0\r\0\n\0x", 20);
  for (const std::string& text : {"\xFF\xFE" + little, "\xFE\xFF" + big, little, big}) {
    const ClassIndices found = indices({name, "x"}, text);
    EXPECT_EQ(found.of_folder, (std::vector<int64_t>{0, 1}));
    EXPECT_EQ(found.classes, 2);
  }
  EXPECT_EQ(indices({"\xE9t\xE9"}, "x\n\xE9t\xE9\n").of_folder,
            (std::vector<int64_t>{1}));  // Latin-1 on both sides
}

}  // namespace
}  // namespace vitrim::data
