#include "vitrim/data/class_list.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <functional>

#include "data/data_fixtures.h"
#include "data/unicode.h"
#include "vitrim/core/error.h"

namespace vitrim::data {
namespace {

using namespace test;
using Lines = std::vector<std::string>;

Lines parsed(const std::string& text) { return parse_class_list(text, "list.txt"); }
std::string problem(const std::string& text) {
  return message_of<FormatError>([&] { parsed(text); });
}

TEST(ClassList, LinesOfAnyKind) {
  EXPECT_EQ(parsed("a b\nc"), (Lines{"a b", "c"}));
  EXPECT_EQ(parsed(" a \r\n\tb\r\n\r\n"), (Lines{"a", "b"}));
  EXPECT_EQ(parsed("a\rb\r"), (Lines{"a", "b"}));  // line ends of old Macs
  EXPECT_EQ(parsed("\xEF\xBB\xBF"
                   "a\n"),
            (Lines{"a"}));
}

TEST(ClassList, ProblemsAreNamed) {
  EXPECT_TRUE(contains(problem(""), "list.txt: no class in the class list"));
  EXPECT_TRUE(contains(problem("\n \n"), "no class in the class list"));
  EXPECT_TRUE(contains(problem("a\n\nb\n"), "list.txt: line 2: empty line between classes"));
  EXPECT_TRUE(contains(problem(std::string("abc\0d", 5)), "byte 3: a zero byte"));
  EXPECT_TRUE(contains(problem("\xFF\xFE"
                               "abc"),
                       "damaged UTF-16"));
  EXPECT_TRUE(contains(problem("\xFF\xFE" + std::string("\x3D\xD8", 2)), "damaged UTF-16"));
  EXPECT_TRUE(contains(problem("\xFF\xFE" + std::string("\x3D\xDC\x41\0", 4)), "damaged UTF-16"));
}

TEST(ClassList, OnlyRegularFilesAreRead) {
  const TempDir folder;
  ASSERT_EQ(mkfifo(folder.file("pipe").c_str(), 0600), 0);
  EXPECT_TRUE(contains(message_of<Error>([&] { read_class_list(folder.file("pipe")); }),
                       "not a regular file but a pipe"));
  EXPECT_TRUE(
      contains(message_of<Error>([] { read_class_list("/dev/zero"); }), "not a regular file but a device"));
  EXPECT_TRUE(contains(message_of<Error>([&] { read_class_list(folder.file("")); }),
                       "not a regular file but a folder"));
}

TEST(ClassList, AListIsBuiltIn) {
  const Lines ids = read_class_list("imagenet-1k");
  ASSERT_EQ(ids.size(), 1000U);
  EXPECT_EQ(ids.front(), "n01440764");
  EXPECT_EQ(ids.back(), "n15075141");
  // Sorted and without duplicates: the indices of ILSVRC2012 are the ranks of the ids.
  EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end(), std::less_equal<>()));
  for (const std::string& id : ids)
    EXPECT_TRUE(id.size() == 9 && id[0] == 'n' && id.find_first_not_of("0123456789", 1) == std::string::npos)
        << id;
  EXPECT_TRUE(contains(message_of<Error>([] { read_class_list("imagenet_1k"); }),
                       "no built-in class list of this name (imagenet-1k)"));
  EXPECT_TRUE(contains(classes_remedy(1000), "pass --classes imagenet-1k"));
  EXPECT_FALSE(contains(classes_remedy(10), "imagenet"));
}

TEST(ClassList, AccentsAreComposed) {
  EXPECT_EQ(composed("e\xCC\x81"), "\xC3\xA9");
  EXPECT_EQ(composed("\xE9"), "\xE9");  // no UTF-8
  EXPECT_EQ(lower_case("\xC3\x89"), "\xC3\xA9");
  EXPECT_EQ(lower_case("A\xFF"
                       "B"),
            "a\xFF"
            "b");
}

}  // namespace
}  // namespace vitrim::data
