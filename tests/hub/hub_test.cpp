#include "vitrim/hub/hub.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/temp_dir.h"
#include "vitrim/architecture/quantization_config.h"
#include "vitrim/core/atomic_file.h"
#include "vitrim/core/error.h"

namespace vitrim::hub {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

ModelSpec small_spec() {
  ModelSpec spec;
  spec.name = "vit_small_thing";
  spec.image_size = {32, 32};
  spec.patch_size = 8;
  spec.num_classes = 3;
  spec.embed_dim = 64;
  spec.class_names = {"cat", "dog", "\"quoted\""};
  spec.preprocess = PreprocessSpec();
  spec.preprocess->crop = 32;
  for (int i = 0; i < 2; ++i) {
    BlockSpec block;
    block.embed_dim = 64;
    block.num_heads = 2;
    block.qk_dim = block.v_dim = 32;
    block.mlp_dim = 128;
    spec.blocks.push_back(block);
  }
  return spec;
}

CompressResult result_for(const std::string& output) {
  CompressResult r;
  r.model = "models/dense.safetensors";
  r.output = output;
  r.removed = {1};
  r.reason = "named";
  r.compressed_spec = small_spec();
  r.dense_params = 2'000'000;
  r.compressed_params = 1'500'000;
  r.dense_macs = 300'000'000;
  r.compressed_macs = 200'000'000;
  r.manifest.command = "vitrim compress models/dense.safetensors";
  r.manifest.version = "0.1.0";
  return r;
}

TEST(Hub, NamesOfFoldersAndFiles) {
  const TempDir folder;
  fs::create_directory(folder.file("there"));
  EXPECT_TRUE(is_folder(folder.file("new/")));
  EXPECT_TRUE(is_folder(folder.file("there")));
  EXPECT_FALSE(is_folder(folder.file("model.safetensors")));
  EXPECT_EQ(stem_of("a/b//"), "a/b");
  EXPECT_EQ(weights_path("a.safetensors"), "a.safetensors");
  EXPECT_EQ(weights_path("out/"), "out/model.safetensors");
  EXPECT_EQ(files_of("a.safetensors"), std::vector<std::string>{"a.safetensors"});
  EXPECT_EQ(files_of("out/").size(), 4u);
}

TEST(Hub, AFolderIsTakenAwayUnlessItIsKept) {
  const TempDir folder;
  const std::string name = folder.file("new/");
  {
    const NewFolder made(name);
    EXPECT_TRUE(fs::is_directory(name));
  }
  EXPECT_FALSE(fs::exists(folder.file("new")));
  {
    NewFolder made(name);
    made.keep();
  }
  EXPECT_TRUE(fs::is_directory(name));
  {
    const NewFolder made(name);  // it was there
  }
  EXPECT_TRUE(fs::is_directory(name));
  EXPECT_THROW(NewFolder(folder.file("no/such/")), Error);
  {
    const NewFolder none(folder.file("a.safetensors"));
  }
  EXPECT_FALSE(fs::exists(folder.file("a.safetensors")));
}

TEST(Hub, WritableBeforeTheFolderIsThere) {
  const TempDir folder;
  const std::string output = folder.file("new/");
  EXPECT_NO_THROW(check_writable(folder.file("new/page.html"), output));
  EXPECT_THROW(check_writable(folder.file("other/page.html"), output), Error);
  EXPECT_THROW(check_writable(folder.file("no/such/model.safetensors"), folder.file("no/such/")), Error);
  EXPECT_EQ(folder.entries(), 0u);
}

TEST(Hub, ConfigSaysArchitectureRecipeAndQuantization) {
  ModelSpec spec = small_spec();
  Manifest manifest;
  manifest.command = "vitrim quantize a -o b/";
  json config = json::parse(config_json(spec, {"compress", "owner/base", {}}, manifest));
  EXPECT_EQ(config["architecture"], "vit_small_thing");
  EXPECT_EQ(config["num_features"], 64);
  EXPECT_EQ(config["id2label"]["2"], "\"quoted\"");
  EXPECT_EQ(config["label2id"]["dog"], 1);
  EXPECT_EQ(config["vitrim"]["base_model"], "owner/base");
  EXPECT_EQ(model_spec_from_json(config["vitrim"]["spec"].dump(), "config"), spec);
  EXPECT_FALSE(config.contains("quantization_config"));
  spec.blocks[0].int8.fc1 = spec.blocks[1].int8.qkv = spec.blocks[1].int8.fc2 = true;
  spec.blocks[1].int4.fc2 = true;
  const std::string quantization = architecture::quantization_config(spec);
  config = json::parse(config_json(spec, {"quantize", "owner/base", quantization}, manifest));
  const json& groups = config["quantization_config"]["config_groups"];
  EXPECT_EQ(groups["group_0"]["targets"], json::parse(R"(["blocks.0.mlp.fc1", "blocks.1.attn.qkv"])"));
  EXPECT_EQ(groups["group_1"]["targets"], json::parse(R"(["blocks.1.mlp.fc2"])"));
  EXPECT_EQ(groups["group_1"]["weights"]["num_bits"], 4);
  EXPECT_EQ(config["quantization_config"]["format"], "mixed-precision");
}

TEST(Hub, PreprocessingInTheWordsOfTransformers) {
  PreprocessSpec p;
  p.crop = 32;
  EXPECT_EQ(json::parse(preprocessor_json(p))["do_resize"], false);
  p.resize = 36;
  p.mean = {0.485, 0.456, 0.406};
  json said = json::parse(preprocessor_json(p));
  EXPECT_EQ(said["image_processor_type"], "CLIPImageProcessor");
  EXPECT_EQ(said["size"], json::parse(R"({"shortest_edge": 36})"));
  EXPECT_EQ(said["crop_size"], json::parse(R"({"height": 32, "width": 32})"));
  EXPECT_EQ(said["resample"], 3);
  EXPECT_EQ(said["image_mean"], json::parse("[0.485, 0.456, 0.406]"));
  p.squash = true;
  said = json::parse(preprocessor_json(p));
  EXPECT_EQ(said["size"], json::parse(R"({"height": 36, "width": 36})"));
  EXPECT_EQ(said["do_center_crop"], true);
  p.resize = 32;
  p.interpolation = Interpolation::kBilinear;
  said = json::parse(preprocessor_json(p));
  EXPECT_EQ(said["image_processor_type"], "ViTImageProcessor");
  EXPECT_FALSE(said.contains("do_center_crop"));
  EXPECT_EQ(said["resample"], 2);
}

TEST(Hub, TheCardHasTheMeasuredTable) {
  CompressResult r = result_for("out/");
  std::string text = card("out", r, "");
  EXPECT_NE(text.find("the attention of layer 1 was removed (named)"), std::string::npos);
  EXPECT_NE(text.find("| this model | 1.500 M | 0.200 G |\n"), std::string::npos) << text;
  EXPECT_EQ(text.find("top-1"), std::string::npos);
  EXPECT_NE(text.find("\nlicense: # fill in"), std::string::npos);
  EXPECT_EQ(text.find("base_model:"), std::string::npos);  // a file is no model of a hub
  r.dense.emplace().top1 = 0.8;
  r.compressed.emplace().top1 = 0.785;
  r.compressed->top1_ci95 = {0.75, 0.81};
  r.compressed->images = 700;
  r.compressed->data = "image folder val, 700 images";
  r.manifest.data_fingerprint = "1000 files";
  r.held_out_agreement = 0.9;
  r.features = FeatureFigures{12, 0.9, 0.8};
  r.paired = PairedResult{-0.015, {-0.03, 0.001}, 0.04};
  r.model = "owner/base";
  text = card("out", r, "apache-2.0");
  EXPECT_NE(text.find("| 78.5 % (75.0 to 81.0) |"), std::string::npos) << text;
  EXPECT_NE(text.find("paired difference -1.5 points (95 % interval -3.0 to +0.1, McNemar p = 0.04)"),
            std::string::npos);
  EXPECT_NE(text.find("on the same images (image folder val, 700 images): "), std::string::npos);
  EXPECT_NE(text.find(", calibration images: 1000 files"), std::string::npos);
  EXPECT_NE(text.find("\nbase_model: owner/base\n"), std::string::npos);
  EXPECT_NE(text.find("On 12 calibration images that were kept out of the fit"), std::string::npos);
  EXPECT_NE(text.find("engine = Engine(\"out\")"), std::string::npos);
  EXPECT_NE(text.find("\nlicense: apache-2.0\n"), std::string::npos);
}

TEST(Hub, DescribesAFolderAndLeavesFilesAlone) {
  const TempDir folder;
  const std::string output = folder.file("out/");
  describe(result_for(folder.file("a.safetensors")));
  EXPECT_EQ(folder.entries(), 0u);
  NewFolder made(output);
  made.keep();
  describe(result_for(output));
  EXPECT_TRUE(fs::exists(output + "config.json"));
  EXPECT_TRUE(fs::exists(output + "preprocessor_config.json"));
  const std::string readme = output + "README.md";
  EXPECT_NO_THROW(check_writable(readme, output));  // its own card
  std::string text = read_text_file(readme);
  const size_t begin = text.find("# fill in");
  ASSERT_NE(begin, std::string::npos);
  write_text_file(readme, text.replace(begin, text.find('\n', begin) - begin, "mit"));
  describe(result_for(output));
  EXPECT_NE(read_text_file(readme).find("\nlicense: mit\n"), std::string::npos);
  // A model made from that folder lists both commands.
  CompressResult next = result_for(folder.file("next/"));
  next.model = output;
  next.manifest.command = "vitrim quantize out/ -o next/";
  NewFolder second(next.output);
  second.keep();
  describe(next);
  const json own = json::parse(read_text_file(next.output + "config.json"))["vitrim"];
  EXPECT_EQ(own["earlier_commands"], json({result_for(output).manifest.command}));
  text = read_text_file(next.output + "README.md");
  EXPECT_NE(text.find(result_for(output).manifest.command + "\nvitrim quantize out/ -o next/\n```"),
            std::string::npos)
      << text;
}

TEST(Hub, TheTaskIsThatOfTheCommand) {
  const TempDir folder;
  CompressResult r = result_for(folder.file("out/"));
  NewFolder made(r.output);
  made.keep();
  const auto task = [&] {
    describe(r);
    return json::parse(read_text_file(r.output + "config.json"))["vitrim"]["task"].get<std::string>();
  };
  r.dense_spec = r.compressed_spec;
  EXPECT_EQ(task(), "compress");  // layer 1 was removed
  r.removed.clear();
  r.compressed_spec.blocks[1].attention = AttentionKind::kStatic;
  EXPECT_EQ(task(), "compress");
  r.dense_spec = r.compressed_spec;  // the filters were there before
  EXPECT_EQ(task(), "prune");
  r.compressed_spec.blocks[0].merge = 2;
  EXPECT_EQ(task(), "merge");
  r.dense_spec = r.compressed_spec;  // the pairs were merged before
  r.removed = {1};
  EXPECT_EQ(task(), "compress");
}

}  // namespace
}  // namespace vitrim::hub
