#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "checkpoint/files.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/core/error.h"
#include "vitrim/model/state_dict.h"

namespace vitrim::checkpoint {
namespace {

using model::StateDict;

using namespace vitrim::test;

std::string refusal(const std::string& path) {
  const std::string message = message_of<Error>([&] { load(path); });
  EXPECT_NE(message.find(path), std::string::npos) << message;
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  return message;
}

TEST(Load, MissingFilesNameTheNearest) {
  const TemporaryFolder folder;
  write_file(folder / "model.safetensors", "x");
  write_file(folder / "notes.txt", "x");
  const std::string message = refusal(folder / "modle.safetensors");
  EXPECT_SAYS(message, "model.safetensors");
  EXPECT_EQ(message.find("notes.txt"), std::string::npos) << message;
  EXPECT_SAYS(refusal(folder / "q"), "model.safetensors");
  EXPECT_SAYS(refusal(folder / "no/model.safetensors"), "does not exist either");
  EXPECT_SAYS(refusal("vitrim-no-such-file-here"), "no such file");
}

TEST(Load, FoldersEmptyFilesAndPipes) {
  const TemporaryFolder folder;
  EXPECT_SAYS(refusal(folder.path().string()), "folder");
  write_file(folder / "empty.pth", "");
  EXPECT_SAYS(refusal(folder / "empty.pth"), "empty");
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_SAYS(refusal(folder / "pipe"), "pipe");
}

TEST(Load, FilesWithoutPermission) {
  if (geteuid() == 0) GTEST_SKIP() << "SKIPPED: root may read everything, so permissions can't be tested";
  const TemporaryFolder folder;
  write_file(folder / "secret", "x");
  ASSERT_EQ(chmod((folder / "secret").c_str(), 0), 0);
  EXPECT_SAYS(refusal(folder / "secret"), "permission");
}

TEST(Load, ContentDecidesNotTheName) {
  const TemporaryFolder folder;
  StateDict state;
  state.add("w", at::ones({2}));
  save_safetensors(state, folder / "a.pth");
  EXPECT_EQ(load(folder / "a.pth").size(), 1u);
  const std::string tensor = p_tensor(p_storage("FloatStorage", "0", 6), 0, {6}, {1});
  write_file(folder / "b.safetensors", pth_archive(p_dict({{"w", tensor}}), {{"0", floats(6)}}).bytes());
  EXPECT_EQ(load(folder / "b.safetensors").size(), 1u);
}

TEST(Load, StrangersAreNamed) {
  const TemporaryFolder folder;
  const auto says = [&](const std::string& bytes) {
    write_file(folder / "x.bin", bytes);
    return refusal(folder / "x.bin");
  };
  EXPECT_SAYS(says("version https://git-lfs.github.com/spec/v1\n"), "git lfs pull");
  EXPECT_SAYS(says("<!DOCTYPE html>"), "web page");
  EXPECT_SAYS(says("\x1f\x8b\x08"), "gzip");
  EXPECT_SAYS(says("hello, I am a text file"), "neither");
  EXPECT_SAYS(says("a"), "neither");
  EXPECT_SAYS(says("\x80\x02\x8a\nl\xfc\x9c\x46\xf9\x20j\xa8P\x19."), "before 1.6");
  write_file(folder / "x.safetensors", "hello, I am a text file");
  EXPECT_SAYS(refusal(folder / "x.safetensors"), "not a safetensors file");
}

TEST(StateDictTest, AddSetEraseAndLookUp) {
  StateDict state;
  state.path = "f.pth";
  state.add("a", at::ones({1}));
  state.add("b", at::ones({2}));
  state.add("c", at::ones({3}));
  EXPECT_THROW(state.add("b", at::ones({1})), std::invalid_argument);
  state.erase("a");
  state.erase("nothing");
  EXPECT_EQ(state.size(), 2u);
  EXPECT_FALSE(state.contains("a"));
  EXPECT_EQ(state.at("c").numel(), 3);
  state.set("b", at::ones({7}));
  state.set("d", at::ones({8}));
  EXPECT_EQ(state.entries()[0].second.numel(), 7);
  EXPECT_EQ(state.entries()[2].first, "d");
  EXPECT_SAYS(message_of<std::out_of_range>([&] { state.at("zz"); }), "f.pth has no tensor named zz");
}

}  // namespace
}  // namespace vitrim::checkpoint
