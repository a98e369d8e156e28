// Files, folders and ids that users name, and inputs that they pass by mistake.

#include "vitrim/checkpoint/locate.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "checkpoint/files.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/checkpoint/mistakes.h"
#include "vitrim/core/error.h"
#include "vitrim/model/state_dict.h"

namespace vitrim::checkpoint {
namespace {

using model::StateDict;

namespace fs = std::filesystem;
using namespace vitrim::test;

// A cache as huggingface_hub writes it, in a separate home folder.
class Cache : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"HOME", "HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME"}) {
      const char* const value = std::getenv(name);
      before_.emplace_back(name, value ? std::optional<std::string>(value) : std::nullopt);
      ::unsetenv(name);
    }
    ::setenv("HOME", (folder_ / "home").c_str(), 1);
  }
  void TearDown() override {
    for (const auto& [name, value] : before_) {
      if (value)
        ::setenv(name, value->c_str(), 1);
      else
        ::unsetenv(name);
    }
  }
  std::string put(const std::string& hub, const std::string& model, const std::string& commit = "0a1b") {
    const fs::path folder = fs::path(folder_ / hub) / model;
    fs::create_directories(folder / "snapshots" / commit);
    fs::create_directories(folder / "refs");
    write_file((folder / "refs/main").string(), commit);
    StateDict state;
    state.add("w", at::ones({2}));
    save_safetensors(state, (folder / "snapshots" / commit / "model.safetensors").string());
    return folder.string();
  }

  TemporaryFolder folder_;

 private:
  std::vector<std::pair<const char*, std::optional<std::string>>> before_;
};

TEST_F(Cache, IdsAreLookedUpWhereTheHubsLibraryKeepsModels) {
  put("home/.cache/huggingface/hub", "models--facebook--dinov2-base");
  const std::string usual =
      folder_ / "home/.cache/huggingface/hub/models--facebook--dinov2-base/snapshots/0a1b";
  for (const char* source : {"facebook/dinov2-base", "hf-hub:facebook/dinov2-base", "facebook/dinov2-base/",
                             "https://huggingface.co/facebook/dinov2-base"}) {
    EXPECT_EQ(locate(source), usual);
    EXPECT_TRUE(load(source).contains("w"));
  }
  put("own/hub", "models--timm--deit_tiny_patch16_224.fb_in1k");
  ::setenv("HF_HOME", (folder_ / "own").c_str(), 1);
  EXPECT_EQ(hub_cache(), folder_ / "own/hub");
  EXPECT_TRUE(load("deit_tiny_patch16_224.fb_in1k").contains("w"));
  EXPECT_SAYS(message_of<Error>([] { load("facebook/dinov2-base"); }), "hf download facebook/dinov2-base");
  ::setenv("HF_HUB_CACHE", "~/elsewhere", 1);
  EXPECT_EQ(hub_cache(), folder_ / "home/elsewhere");
  EXPECT_SAYS(message_of<Error>([] { load("timm/vit_tiny_patch16_224.augreg_in21k"); }),
              "no model of that name in the local Hugging Face cache (" + (folder_ / "home/elsewhere") + ")");
}

TEST_F(Cache, AModelsFolderInTheCacheIsItsSnapshot) {
  const std::string model = put("hub", "models--a--b");
  fs::create_directories(model + "/snapshots/older");
  EXPECT_EQ(locate(model), model + "/snapshots/0a1b");
  EXPECT_TRUE(load(model).contains("w"));
  EXPECT_SAYS(message_of<FormatError>([&] { load(folder_ / "hub"); }), "the Hugging Face cache itself");
  // Without the name of the main snapshot, a single snapshot is used, and none of several.
  fs::remove(model + "/refs/main");
  EXPECT_EQ(locate(model), model);
  fs::remove(model + "/snapshots/older");
  EXPECT_EQ(locate(model), model + "/snapshots/0a1b");
  // The files of an interrupted download.
  fs::remove(model + "/snapshots/0a1b/model.safetensors");
  fs::create_symlink("../../blobs/gone", model + "/snapshots/0a1b/model.safetensors");
  EXPECT_SAYS(message_of<Error>([&] { load(model); }), "0a1b/model.safetensors: this link is broken");
}

TEST_F(Cache, PathsStayPaths) {
  fs::create_directories(folder_ / "home/runs");
  EXPECT_EQ(locate("~/runs/x.pth"), folder_ / "home/runs/x.pth");
  for (const char* source :
       {"missing.safetensors", "a/b/c", "facebook/dinov2.pth", "../x/y", "./x", "deit_tiny", ""})
    EXPECT_EQ(locate(source), source);
  for (const char* address :
       {"https://huggingface.co/a/b/resolve/main/model.safetensors", "s3://bucket/model.pth"})
    EXPECT_SAYS(message_of<Error>([&] { locate(address); }), "is a URL, and vitrim does not download files");
  // The first part is a folder here, so this is a mistyped path.
  const std::string before = fs::current_path().string();
  fs::current_path(folder_ / "home");
  EXPECT_EQ(locate("runs/last"), "runs/last");
  fs::current_path(before);
}

struct Sample {
  const char *file, *content, *says;
};

TEST(Mistakes, FilesAreNamedWithTheRemedy) {
  const TemporaryFolder folder;
  for (const Sample& sample :
       {Sample{"model.onnx", "\x08\x07\x12\x07pytorch", "ONNX graph"},
        Sample{"tf_model.h5", "\x89HDF\r\n\x1a\n", "from_tf=True"},
        Sample{"saved_model.pb", "\x08\x01\x12\x05", "TensorFlow"},
        Sample{"model.ckpt.index", "\x01\x02\x03\x04", "TensorFlow"},
        Sample{"model.ckpt.data-00000-of-00001", "\x01\x02\x03\x04", "TensorFlow"},
        Sample{"flax_model.msgpack", "\x83\xa1", "from_flax=True"},
        Sample{"weights.npy", "\x93NUMPY\x01", "NumPy array"}, Sample{"m.gguf", "GGUF\x03", "GGUF"},
        Sample{"m.pth", "\x1f\x8b\x08", "unpack it first"}, Sample{"m.plan", "ptrt", "another runtime"},
        Sample{"cat.jpg", "\xff\xd8\xff", "is an image"},
        Sample{"config.json", "{\"model_type\": \"vit\"}", "file of settings"},
        Sample{"adapter_config.json", "{\"peft_type\": \"LORA\"}", "merge_and_unload"}}) {
    write_file(folder / sample.file, std::string(sample.content) + std::string(64, ' '));
    EXPECT_SAYS(message_of<FormatError>([&] { load(folder / sample.file); }), sample.says);
  }
}

TEST(Mistakes, ArchivesAreNamedWithTheRemedy) {
  const TemporaryFolder folder;
  for (const Sample& sample : {Sample{"vit.npz", "embedding/kernel.npy", "NumPy archive"},
                               Sample{"m.keras", "model.weights.h5", "Keras"},
                               Sample{"m.pt2", "m/archive_format", "compiled program"},
                               Sample{"m.zip", "x/model.safetensors", "unpack it first"},
                               Sample{"m.docx", "word/document.xml", "contains no data.pkl"}}) {
    ZipWriter zip;
    zip.add(sample.content, "x");
    write_file(folder / sample.file, zip.bytes());
    EXPECT_SAYS(message_of<FormatError>([&] { load(folder / sample.file); }), sample.says);
  }
}

TEST(Mistakes, FoldersAreNamedWithTheRemedy) {
  for (const Sample& sample :
       {Sample{"adapter_model.safetensors", "", "merge_and_unload"},
        Sample{"saved_model.pb", "", "TensorFlow"}, Sample{"__0_0.distcp", "", "dcp_to_torch_save"},
        Sample{"optimizer.pt", "", "optimiser's state"}, Sample{"model.onnx", "", "ONNX"},
        Sample{"model_best.pth.tar", "", "name a checkpoint in it: model_best.pth.tar"}}) {
    const TemporaryFolder folder;
    write_file(folder / sample.file, "x");
    EXPECT_SAYS(message_of<Error>([&] { load(folder / ""); }), sample.says);
  }
  const TemporaryFolder folder;
  fs::create_directories(folder / "checkpoint-500");
  write_file(folder / "checkpoint-500/model.safetensors", "x");
  EXPECT_SAYS(message_of<Error>([&] { load(folder / ""); }), "name one of the folders in it: checkpoint-500");
}

TEST(Mistakes, TensorsAreNamedWithTheRemedy) {
  for (const Sample& sample :
       {Sample{"blocks.0.attn.qkv.lora_A.weight", "", "merge_and_unload"},
        Sample{"base_model.model.vit.encoder.layer.0.attention.attention.query.lora_B.default.weight", "",
               "LoRA"},
        Sample{"blocks.0.attn.qkv.base_layer.weight", "", "adapter"},
        Sample{"blocks.0.mlp.fc1.weight_orig", "", "prune.remove"},
        Sample{"blocks.0.mlp.fc1.weight_mask", "", "prune.remove"},
        Sample{"blocks.0.mlp.fc1.parametrizations.weight.original", "", "remove_parametrizations"},
        Sample{"head.weight_v", "", "remove_weight_norm"},
        Sample{"_fsdp_wrapped_module._flat_param", "", "FULL_STATE_DICT"},
        Sample{"state.0.exp_avg", "", "optimiser's state"},
        Sample{"blocks.0.mlp.fc1.qweight", "", "quantised"}}) {
    const auto mistake = mistaken_tensor({"cls_token", sample.file});
    ASSERT_TRUE(mistake) << sample.file;
    EXPECT_EQ(mistake->name, sample.file);
    EXPECT_SAYS(mistake->what, sample.says);
    EXPECT_FALSE(mistake->head);
  }
  for (const char* name : {"pre_logits.fc.weight", "head.1.weight", "classifier.3.bias"})
    EXPECT_TRUE(mistaken_tensor({name})->head);
  EXPECT_FALSE(
      mistaken_tensor({"cls_token", "head.weight", "head.fc.weight", "blocks.0.attn.qkv.weight", "head.probe",
                       "layers.1.downsample.norm.weight", "stage1_conv_embed.0.weight"}));
}

}  // namespace
}  // namespace vitrim::checkpoint
