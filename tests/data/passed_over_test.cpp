// Files among the images that are not read: they are counted, never skipped silently.

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <mutex>

#include "data/data_fixtures.h"
#include "data/image_format.h"
#include "data/tar_files.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"

namespace vitrim::data {
namespace {

using namespace test;

class PassedOver : public testing::Test, public LogSink {
 protected:
  void SetUp() override {
    set_log_sink(std::shared_ptr<LogSink>(this, [](LogSink*) {}));
  }
  void TearDown() override { set_log_sink(nullptr); }
  void message(LogLevel level, const std::string& text) override {
    if (level == LogLevel::kWarning) warnings_ += text + "\n";
  }
  void progress(const ProgressUpdate&) override {}

  void add(const std::string& name, const std::string& image) {
    put(folder_.file("set/" + name), fixture_bytes(image));
  }
  std::string root() const { return folder_.file("set"); }
  std::string error() const {
    return message_of<Error>([&] { open_dataset(root()); });
  }

  TempDir folder_;
  std::string warnings_;
};

TEST_F(PassedOver, OtherFormatsAreCountedAndOtherEndingsRead) {
  add("a/1.png", "rgb.png");
  add("a/2.webp", "lossy.webp");
  add("a/3.JFIF", "rgb420.jpg");
  add("a/4.jpe", "rgb420.jpg");
  add("a/5.bmp", "rgb420.jpg");  // by another name
  put(root() + "/a/6.bmp", "BM");
  put(root() + "/a/deep/7.BMP", "BM");
  put(root() + "/a/8.tif", std::string("II*\0", 4));
  put(root() + "/a/notes.txt", fixture_bytes("rgb.png"));
  add("a/0f3a", "rgb.png");  // no ending
  add("a/photo.jpg?w=300", "rgb420.jpg");
  const auto set = open_dataset(root());
  EXPECT_EQ(set->size(), 5);
  for (int64_t i = 0; i < set->size(); ++i) EXPECT_EQ(set->read(i).width, 37);
  EXPECT_TRUE(
      contains(warnings_, "passed over 2 .bmp files (the first: " + root() + "/a/6.bmp), 1 .tif files"));
  EXPECT_TRUE(contains(warnings_,
                       "1 PNG images whose names have no image ending (the first: " + root() + "/a/0f3a)"));
  EXPECT_TRUE(contains(warnings_, "1 JPEG images whose names"));
  EXPECT_EQ(std::count(warnings_.begin(), warnings_.end(), '\n'), 1);
}

TEST_F(PassedOver, AClassOfOtherFormatsNamesThem) {
  add("a/1.png", "rgb.png");
  for (int i = 0; i < 8; ++i) put(root() + "/b/" + std::to_string(i) + ".tiff", "x");
  EXPECT_TRUE(contains(
      error(), root() + "/b: class folder with 8 .tiff files, which vitrim does not read; convert them"));
  std::filesystem::remove_all(root() + "/a");
  EXPECT_TRUE(
      contains(error(), "no image (.jpg, .jpeg, .png, .webp) in this folder or below, but 8 .tiff files"));
}

TEST_F(PassedOver, SpecialFilesAreNotRead) {
  add("a/1.png", "rgb.png");
  ASSERT_EQ(mkfifo((root() + "/a/pipe.jpg").c_str(), 0600), 0);
  std::filesystem::create_symlink("/dev/zero", root() + "/a/endless.png");
  EXPECT_EQ(open_dataset(root())->size(), 1);
  EXPECT_TRUE(contains(
      warnings_, "2 special files (pipes, devices, sockets) (the first: " + root() + "/a/endless.png)"));
  // Also if a file changed after the folder was read, and if archives and other files are named.
  add("a/2.png", "rgb.png");
  const auto set = open_dataset(root());
  std::filesystem::remove(root() + "/a/2.png");
  ASSERT_EQ(mkfifo((root() + "/a/2.png").c_str(), 0600), 0);
  EXPECT_TRUE(contains(message_of<Error>([&] { set->read(1); }), "2.png: not a regular file but a pipe"));
  ASSERT_EQ(mkfifo(folder_.file("p.tar").c_str(), 0600), 0);
  ASSERT_EQ(mkfifo(folder_.file("p.bin").c_str(), 0600), 0);
  std::filesystem::create_symlink("/dev/zero", folder_.file("z.bin"));
  for (const char* name : {"p.tar", "p.bin", "z.bin"}) {
    EXPECT_TRUE(
        contains(message_of<Error>([&] { open_dataset(folder_.file(name)); }), "not a regular file but a"));
  }
}

TEST_F(PassedOver, AFolderOfSplitsIsRefused) {
  for (const char* name : {"train/cat/1.png", "train/dog/1.png", "val/cat/1.png", "val/dog/1.png"})
    add(name, "rgb.png");
  EXPECT_TRUE(
      contains(error(), root() + ": holds parts of a data set (train, val), not classes; name one of them, " +
                            root() + "/train"));
  EXPECT_EQ(open_dataset(root() + "/train")->num_classes(), 2);
  DatasetOptions unlabelled;
  unlabelled.labels = false;  // evaluation images among training images
  EXPECT_THROW(open_dataset(root(), unlabelled), Error);
  add("meta/1.png", "rgb.png");
  EXPECT_TRUE(contains(error(), "(train, val)"));
  // And in a subfolder, where the parts would be one class, or calibration images.
  for (const bool labels : {true, false}) {
    unlabelled.labels = labels;
    EXPECT_TRUE(contains(message_of<Error>([&] { open_dataset(folder_.file(""), unlabelled); }),
                         root() + ": holds parts of a data set (train, val)"));
  }
  std::filesystem::remove_all(root() + "/val");
  std::filesystem::remove_all(root() + "/meta");
  EXPECT_TRUE(contains(error(), "(train)"));
  // A class may be called train.
  add("bus/1.png", "rgb.png");
  add("train/1.png", "rgb.png");
  EXPECT_EQ(open_dataset(root())->num_classes(), 2);
}

TEST_F(PassedOver, UnlabelledFoldersNeedNoOrder) {
  for (const char* name : {"1/a.png", "10/a.png", "2/a.png"}) add(name, "rgb.png");
  std::filesystem::create_directories(root() + "/3");
  EXPECT_TRUE(contains(error(), "--class-order"));
  DatasetOptions unlabelled;
  unlabelled.labels = false;
  const auto set = open_dataset(root(), unlabelled);
  EXPECT_EQ(set->size(), 3);
  EXPECT_EQ(set->num_classes(), 0);
  EXPECT_EQ(set->label(2), -1);
  EXPECT_EQ(warnings_, "");
  // A given order does not replace the missing class.
  DatasetOptions ordered;
  ordered.class_order = ClassOrder::kNatural;
  EXPECT_TRUE(
      contains(message_of<Error>([&] { open_dataset(root(), ordered); }), "class folder without images"));
  ordered.classes_file = "x";
  EXPECT_TRUE(contains(message_of<std::invalid_argument>([&] { open_dataset(root(), ordered); }),
                       "already determines the order of the classes"));
}

TEST_F(PassedOver, TarMembersWithDotsAreCounted) {
  const std::string png = fixture_bytes("rgb.png");
  std::string tar;
  for (int i = 0; i < 9; ++i) tar += tar_member("data/img_" + std::to_string(i) + ".png", png);
  for (int i = 9; i < 16; ++i) tar += tar_member("data/IMG.2021." + std::to_string(i) + ".png", png);
  tar += tar_member("data/q.bmp", "BM") + tar_header("data/link.jpg", '2', tar_octal(0)) +
         tar_member("data/q.json", "{}");
  put(folder_.file("calib.tar"), tar + kTarEnd);
  EXPECT_EQ(open_dataset(folder_.file("calib.tar"))->size(), 9);
  EXPECT_TRUE(contains(warnings_, "left out 1 .bmp members"));
  EXPECT_TRUE(
      contains(warnings_, "7 images with a dot in their names (the first: " + folder_.file("calib.tar") +
                              "/data/IMG.2021.10.png, read as part \"2021.10.png\" of sample \"data/IMG\")"));
  EXPECT_TRUE(contains(warnings_, "1 links"));
  EXPECT_TRUE(contains(warnings_, "WebDataset cuts a member's name at its first dot"));
  put(folder_.file("all.tar"), tar_member("v1.0.png", png) + tar_member("v1.1.png", png) + kTarEnd);
  EXPECT_TRUE(contains(message_of<Error>([&] { open_dataset(folder_.file("all.tar")); }),
                       "in these shards, but 2 images with a dot in their names"));
  put(folder_.file("cls.tar"), tar_member("a.cls", "1") + tar_member("a.input.png", png) + kTarEnd);
  EXPECT_TRUE(contains(message_of<FormatError>([&] { open_dataset(folder_.file("cls.tar")); }),
                       "read as part \"input.png\" of sample \"a\""));
}

TEST_F(PassedOver, FormatsAreKnownByContent) {
  const auto format = [](const std::string& bytes) {
    return std::string(format_of_content(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()));
  };
  EXPECT_EQ(format(fixture_bytes("rgb420.jpg")), "JPEG");
  EXPECT_EQ(format(fixture_bytes("lossless.webp")), "WebP");
  EXPECT_EQ(format(std::string("\0\0\0\x1c"
                               "ftypavif",
                               12)),
            "AVIF");
  EXPECT_EQ(format("P6\n1 1\n255\n"), "Netpbm");
  EXPECT_EQ(format("RIFF....WAVE"), "");
  EXPECT_EQ(format(""), "");
  EXPECT_TRUE(contains(message_of<FormatError>([] { decode("GIF89a....", "b.png"); }),
                       "b.png: byte 0: its content is a GIF image, which vitrim does not read"));
  EXPECT_TRUE(contains(message_of<FormatError>([] { decode(fixture_bytes("animated.webp"), "b.webp"); }),
                       "b.webp: header: an animated WebP"));
}

}  // namespace
}  // namespace vitrim::data
