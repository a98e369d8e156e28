#include <gtest/gtest.h>

#include "data/data_fixtures.h"
#include "vitrim/core/error.h"

namespace vitrim::data {
namespace {

using namespace test;
namespace fs = std::filesystem;

class ImageFolder : public testing::Test {
 protected:
  void add(const std::string& name, const std::string& image = "rgb.png") {
    put(path(name), fixture_bytes(image));
  }
  std::string path(const std::string& name) const { return folder_.file("set/" + name); }
  std::string root() const { return folder_.file("set"); }
  std::string classes(const std::string& text) {
    put(folder_.file("classes.txt"), text);
    return folder_.file("classes.txt");
  }
  std::string error(const DatasetOptions& options = {}) const {
    return message_of<Error>([&] { open_dataset(root(), options); });
  }
  std::string format_error(const DatasetOptions& options) const {
    return message_of<FormatError>([&] { open_dataset(root(), options); });
  }

  TempDir folder_;
};

std::vector<std::string> names(const Dataset& dataset, const std::string& root) {
  std::vector<std::string> result;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    result.push_back(fs::path(dataset.name(i)).lexically_relative(root).string() + "=" +
                     std::to_string(dataset.label(i)));
  }
  return result;
}

TEST_F(ImageFolder, ClassesAreSortedFoldersAndOnlyImagesCount) {
  add("zebra/2.JPEG", "rgb420.jpg");
  add("zebra/10.png");
  add("ant/a/deep.jpg", "grey.jpg");
  add("ant/B.PnG");
  add("ant/really_a_jpeg.png", "rgb420.jpg");
  put(path("ant/notes.txt"), "no image");
  put(path("readme.md"), "no image");
  add("ant/.hidden.png");
  add(".thumbnails/1.png");
  put(path(".DS_Store"), "x");
  const auto set = open_dataset(root());
  EXPECT_EQ(names(*set, root()),
            (std::vector<std::string>{"ant/B.PnG=0", "ant/a/deep.jpg=0", "ant/really_a_jpeg.png=0",
                                      "zebra/10.png=1", "zebra/2.JPEG=1"}));
  EXPECT_EQ(set->num_classes(), 2);
  EXPECT_EQ(set->description(), "image folder " + root() + ", 5 images");
  for (int64_t i = 0; i < set->size(); ++i) EXPECT_EQ(set->read(i).width, 37);
  EXPECT_EQ(names(*open_dataset(root() + "/"), root()), names(*set, root()));
}

TEST_F(ImageFolder, ClassListGivesIndices) {
  add("n03/1.png");
  add("n01/1.png");
  fs::create_directories(path("n02"));  // a class of which this part has no image
  const auto set = open_dataset(root(), {classes("n03 tench, Tinca\r\nn02\nn00 x\nn01 goldfish\n\n")});
  EXPECT_EQ(names(*set, root()), (std::vector<std::string>{"n01/1.png=3", "n03/1.png=0"}));
  EXPECT_EQ(set->num_classes(), 4);
}

TEST_F(ImageFolder, ClassListProblemsAreNamed) {
  add("n01/1.png");
  add("n07/1.png");
  EXPECT_TRUE(contains(error({classes("n01\nn02\n")}), "n07 is not in the class list"));
  EXPECT_TRUE(contains(format_error({classes("n01\nn07\nn01\n")}), "line 3: class n01 occurs twice"));
  EXPECT_TRUE(contains(format_error({classes("n01\n\nn07\n")}), "line 2: empty line"));
  EXPECT_TRUE(contains(format_error({classes("\n")}), "no class in the class list"));
  EXPECT_TRUE(contains(error({folder_.file("nowhere.txt")}), "nowhere.txt"));
}

TEST_F(ImageFolder, FlatFolderHasNoLabels) {
  add("b.png");
  add("a.jpg", "grey.jpg");
  fs::create_directories(path("empty"));
  const auto set = open_dataset(root());
  EXPECT_EQ(names(*set, root()), (std::vector<std::string>{"a.jpg=-1", "b.png=-1"}));
  EXPECT_EQ(set->num_classes(), 0);
  EXPECT_TRUE(contains(set->description(), "2 images without labels"));
}

TEST_F(ImageFolder, WrongSourcesAreNamed) {
  EXPECT_TRUE(contains(error(), root() + ": no such file or folder"));
  fs::create_directories(path("a"));
  EXPECT_TRUE(contains(error(), root() + ": no image (.jpg, .jpeg, .png, .webp)"));
  add("b/1.png");
  EXPECT_TRUE(contains(error(), path("a") + ": class folder without images"));
  add("stray.png");
  EXPECT_TRUE(contains(error(), "holds images (stray.png) beside class folders (b)"));
  EXPECT_TRUE(contains(message_of<Error>([&] { open_dataset(path("stray.png")); }),
                       "stray.png: a file, but neither a CIFAR .bin"));
  EXPECT_TRUE(contains(message_of<Error>([] { open_dataset(""); }), "no data set was named"));
}

TEST_F(ImageFolder, LinksInCirclesEnd) {
  add("a/1.png");
  fs::create_directory_symlink(path("a"), path("a/again"));
  EXPECT_TRUE(contains(error(), "remove circular links"));
}

TEST_F(ImageFolder, LostFileIsNoticed) {
  add("a/1.png");
  fs::create_symlink("/nowhere/2.png", path("a/2.png"));
  const auto set = open_dataset(root());
  ASSERT_EQ(set->size(), 2);
  EXPECT_TRUE(contains(message_of<Error>([&] { set->read(1); }), "a/2.png"));
}

TEST_F(ImageFolder, FingerprintIsOfNamesAndSizesNotOfThePlace) {
  add("a/1.png");
  add("b/2.png");
  const std::string here = open_dataset(root())->fingerprint();
  EXPECT_TRUE(contains(here, "2 files, sha256 "));
  const std::string elsewhere = folder_.file("elsewhere/copy");
  fs::create_directories(elsewhere);
  fs::copy(root(), elsewhere, fs::copy_options::recursive);
  EXPECT_EQ(open_dataset(elsewhere)->fingerprint(), here);
  put(elsewhere + "/b/2.png", fixture_bytes("grey.png"));
  EXPECT_NE(open_dataset(elsewhere)->fingerprint(), here);
  fs::rename(path("b/2.png"), path("b/3.png"));
  EXPECT_NE(open_dataset(root())->fingerprint(), here);
}

TEST_F(ImageFolder, ItsSourceIsCheckedWithoutOpeningIt) {
  fs::create_directories(root());  // without an image, which only open_dataset() refuses
  for (const std::string& source : {root(), std::string("synthetic:test:3"),
                                    std::string("synthetic-masks:val"), std::string("train-{0..1}.tar")})
    EXPECT_NO_THROW(check_source(source)) << source;
  EXPECT_THROW(open_dataset(root()), Error);
  for (const std::string source : {"", "nowhere/", "synthetics"})
    EXPECT_EQ(message_of<Error>([&] { check_source(source); }),
              message_of<Error>([&] { open_dataset(source); }));
}

}  // namespace
}  // namespace vitrim::data
