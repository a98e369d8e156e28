// Checkpoints in several files, and folders as MODEL.

#include <ATen/ATen.h>

#include "checkpoint/files.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/core/error.h"
#include "vitrim/core/random.h"
#include "vitrim/model/state_dict.h"

namespace vitrim::checkpoint {
namespace {

using model::StateDict;

using namespace vitrim::test;

const char* const kIndex = "model.safetensors.index.json";

void save(const std::string& path, const std::vector<std::pair<std::string, float>>& tensors) {
  StateDict state;
  for (const auto& [name, value] : tensors) state.add(name, at::full({2}, value));
  state.metadata["format"] = "pt";
  save_safetensors(state, path);
}

/// Two files under an index, as transformers writes them.
class Shards : public testing::Test {
 protected:
  Shards() {
    save(folder_ / "model-1.safetensors", {{"a", 1.0f}, {"b", 2.0f}});
    save(folder_ / "model-2.safetensors", {{"c", 3.0f}});
    index(R"("a": "model-1.safetensors", "b": "model-1.safetensors", "c": "model-2.safetensors")");
  }
  void index(const std::string& map) {
    write_file(folder_ / kIndex, R"({"metadata": {"total_size": 24}, "weight_map": {)" + map + "}}");
  }
  std::string refusal() {
    try {
      load(folder_ / kIndex);
    } catch (const FormatError& error) {
      return error.what();
    }
    return "nothing was refused";
  }
  TemporaryFolder folder_;
};

TEST_F(Shards, AreOneCheckpoint) {
  for (const std::string& path : {folder_ / kIndex, folder_.path().string(), folder_.path().string() + "/"}) {
    const StateDict state = load(path);
    ASSERT_EQ(state.size(), 3u);
    EXPECT_EQ(state.at("b")[1].item<float>(), 2.0f);
    EXPECT_EQ(state.at("c")[0].item<float>(), 3.0f);
    EXPECT_EQ(state.metadata.at("format"), "pt");
    EXPECT_EQ(std::filesystem::path(state.path).filename(), kIndex);
  }
}

TEST_F(Shards, ATensorInTwoFilesIsTakenFromWhereTheIndexSays) {
  save(folder_ / "model-2.safetensors", {{"c", 3.0f}, {"a", 9.0f}});
  EXPECT_EQ(StateDict(load(folder_ / kIndex)).at("a")[0].item<float>(), 1.0f);
}

TEST_F(Shards, MissingFilesAreAllNamed) {
  std::filesystem::remove(folder_ / "model-1.safetensors");
  std::filesystem::remove(folder_ / "model-2.safetensors");
  EXPECT_SAYS(refusal(), "2 of its 2 files are missing (model-1.safetensors, model-2.safetensors)");
}

TEST_F(Shards, TensorsMustBeWhereTheIndexSays) {
  index(
      R"("a": "model-1.safetensors", "b": "model-1.safetensors", "c": "model-2.safetensors", "d": "model-2.safetensors")");
  EXPECT_SAYS(refusal(), "model-2.safetensors: lacks tensors");
  EXPECT_SAYS(refusal(), "d; download");
  index(R"("a": "model-1.safetensors", "c": "model-2.safetensors")");
  EXPECT_SAYS(refusal(), "model-1.safetensors: contains tensors");
  EXPECT_SAYS(refusal(), "b; download");
}

TEST_F(Shards, FilesElsewhereAreNotRead) {
  save(folder_ / "model-3.safetensors", {{"c", 3.0f}});
  std::filesystem::create_directory(folder_ / "inner");
  for (const char* name :
       {"../model-3.safetensors", "inner/../model-3.safetensors", "/etc/passwd", "..", ".", ""}) {
    index(R"("a": "model-1.safetensors", "b": "model-1.safetensors", "c": ")" + std::string(name) + "\"");
    EXPECT_SAYS(refusal(), "not a file in the index's folder");
  }
  index(R"("a": "model-1.safetensors", "b": "model-1.safetensors", "c": "inner")");
  EXPECT_THROW(load(folder_ / kIndex), Error);  // a folder is no shard
}

TEST_F(Shards, AnIndexInAnIndexIsRefused) {
  index(R"("a": "model.safetensors.index.json")");
  EXPECT_SAYS(refusal(), "not a checkpoint");
}

TEST_F(Shards, WrongIndices) {
  const auto says = [&](const std::string& text) {
    write_file(folder_ / kIndex, text);
    return refusal();
  };
  EXPECT_SAYS(says("{\"weight_map\": "), "not valid JSON");
  EXPECT_SAYS(says("{\"weight_map\": []}"), "weight_map");
  EXPECT_SAYS(says("{\"model_type\": \"vit\"}"), "not the index of a sharded checkpoint");
  EXPECT_SAYS(says("{\"weight_map\": {}}"), "names no tensor");
  EXPECT_SAYS(says("{\"weight_map\": {\"a\": 1}}"), "weight_map.a");
  EXPECT_SAYS(says("{\"weight_map\": {\"a\": \"model-1.safetensors\", \"a\": \"model-2.safetensors\"}}"),
              "twice");
}

TEST_F(Shards, MutatedIndicesNeverHarm) {
  const std::string valid = read_file(folder_ / kIndex);
  Random random(1, 2);
  int refused = 0;
  for (int round = 0; round < 600; ++round) {
    std::string bytes = valid;
    for (int64_t change = 0; change <= random.below(3); ++change) {
      const auto at = static_cast<size_t>(random.below(static_cast<int64_t>(bytes.size())));
      switch (random.below(3)) {
        case 0:
          bytes[at] = static_cast<char>(random.below(256));
          break;
        case 1:
          bytes.erase(at, 1 + static_cast<size_t>(random.below(8)));
          break;
        default:
          bytes.insert(at, bytes.substr(at / 2, 8));
      }
    }
    if (bytes.empty()) continue;
    write_file(folder_ / kIndex, bytes);
    try {
      EXPECT_LE(load(folder_ / kIndex).size(), 3u);
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 200);
}

TEST(Folder, HoldsACheckpointUnderItsUsualName) {
  const TemporaryFolder folder;
  const std::string empty = [&] {
    try {
      load(folder.path().string());
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  }();
  EXPECT_SAYS(empty, "contains no model.safetensors");
  save(folder / "best.safetensors", {{"a", 1.0f}});
  try {
    load(folder.path().string());
    ADD_FAILURE() << "loaded a checkpoint of any name";
  } catch (const Error& error) {
    EXPECT_SAYS(error.what(), "best.safetensors");
  }
  save(folder / "model.safetensors", {{"a", 2.0f}});
  EXPECT_EQ(StateDict(load(folder.path().string())).at("a")[0].item<float>(), 2.0f);
}

}  // namespace
}  // namespace vitrim::checkpoint
