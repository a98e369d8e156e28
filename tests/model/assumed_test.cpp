// Properties that a checkpoint does not state: known by name or by shape, assumed with a message, or
// requested.

#include <ATen/ATen.h>

#include <fstream>

#include "core/expect_throw.h"
#include "core/temp_dir.h"
#include "model/small_models.h"
#include "vitrim/architecture/infer.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"
#include "vitrim/model/loading.h"

namespace vitrim::model {
namespace {

// The tensors of a ViT of any size; each repeats one number.
struct Size {
  int64_t width = 64, depth = 1, mlp = 128, patch = 4, positions = 17;
  bool class_token = true, gated = false;
  int64_t registers = 0;
  bool layer_scale = false;
};

model::StateDict tensors(const Size& size, const std::vector<int64_t>& without = {}) {
  model::StateDict out;
  const auto add = [&](const std::string& name, at::IntArrayRef shape) {
    out.add(name, at::full({1}, 0.01f).expand(shape));
  };
  const auto linear = [&](const std::string& name, int64_t rows, int64_t columns) {
    add(name + ".weight", {rows, columns});
    add(name + ".bias", {rows});
  };
  const int64_t w = size.width;
  if (size.class_token) add("cls_token", {1, 1, w});
  if (size.registers > 0) add("reg_token", {1, size.registers, w});
  add("pos_embed", {1, size.positions, w});
  add("patch_embed.proj.weight", {w, 3, size.patch, size.patch});
  add("patch_embed.proj.bias", {w});
  for (int64_t i = 0; i < size.depth; ++i) {
    const std::string block = "blocks." + std::to_string(i) + ".";
    if (std::find(without.begin(), without.end(), i) == without.end()) {
      add(block + "norm1.weight", {w});
      add(block + "norm1.bias", {w});
      linear(block + "attn.qkv", 3 * w, w);
      linear(block + "attn.proj", w, w);
      if (size.layer_scale) add(block + "ls1.gamma", {w});
    }
    add(block + "norm2.weight", {w});
    add(block + "norm2.bias", {w});
    linear(block + "mlp.fc1", (size.gated ? 2 : 1) * size.mlp, w);
    linear(block + "mlp.fc2", w, size.mlp);
    if (size.layer_scale) add(block + "ls2.gamma", {w});
  }
  add("norm.weight", {w});
  add("norm.bias", {w});
  linear("head", 5, w);
  return out;
}

class Recorder : public LogSink {
 public:
  void message(LogLevel level, const std::string& text) override {
    if (level == LogLevel::kWarning) warnings.push_back(text);
  }
  void progress(const ProgressUpdate&) override {}
  std::vector<std::string> warnings;
};

class Assumed : public testing::Test {
 protected:
  void SetUp() override { set_log_sink(recorder_); }
  void TearDown() override { set_log_sink(nullptr); }

  void write(const model::StateDict& state) {
    checkpoint::save_safetensors(state, folder_.file("model.safetensors"));
  }
  void write_config(const std::string& text) { std::ofstream(folder_.file("config.json")) << text; }
  ModelSpec load(const architecture::LoadHints& hints = {}) {
    sources_ = {};
    recorder_->warnings.clear();
    return load_spec(folder_.file("model.safetensors"), hints, &sources_);
  }
  std::string refusal(const architecture::LoadHints& hints = {}) {
    return message_of<FormatError>([&] { load(hints); });
  }
  // Null if nothing was assumed about `field`.
  const Assumption* assumed(const std::string& field) const {
    for (const Assumption& one : sources_.assumed) {
      if (one.field == field) return &one;
    }
    return nullptr;
  }
  static architecture::LoadHints heads(int64_t count) {
    architecture::LoadHints hints;
    hints.num_heads = {count};
    return hints;
  }

  TempDir folder_;
  SpecSources sources_;
  std::shared_ptr<Recorder> recorder_ = std::make_shared<Recorder>();
};

// Width, depth and MLP of the models that timm 1.0 and transformers publish.
TEST(PublishedHeads, OfEveryWidth) {
  struct Case {
    Size size;
    int64_t heads;
  };
  const std::vector<Case> cases = {
      {{.width = 192, .depth = 12, .mlp = 768}, 3},
      {{.width = 384, .depth = 12, .mlp = 1536}, 6},
      {{.width = 768, .depth = 12, .mlp = 3072}, 12},
      {{.width = 1024, .depth = 24, .mlp = 4096}, 16},
      {{.width = 1152, .depth = 27, .mlp = 4304}, 16},
      {{.width = 1280, .depth = 32, .mlp = 5120}, 16},
      {{.width = 1408, .depth = 40, .mlp = 6144}, 16},
      {{.width = 1664, .depth = 48, .mlp = 8192}, 16},
      {{.width = 640, .depth = 12, .mlp = 2560}, 10},
      {{.width = 832, .depth = 21, .mlp = 2176}, 13},
      {{.width = 896, .depth = 18, .mlp = 2304}, 14},
      {{.width = 320, .depth = 14, .mlp = 1792}, 5},
      {{.width = 1280, .depth = 1, .mlp = 5120}, 16},
      {{.width = 1664, .depth = 5, .mlp = 100}, 16},
      {{.width = 1536, .depth = 40, .mlp = 4096, .gated = true}, 24},
      {{.width = 1536, .depth = 40, .mlp = 6144, .positions = 256, .class_token = false}, 16},
  };
  for (const Case& one : cases) {
    const ModelSpec spec = infer_spec(tensors(one.size));
    EXPECT_EQ(spec.blocks[0].num_heads, one.heads) << one.size.width;
  }
}

TEST(PublishedHeads, OfTwoModelsOfOneShapeAreAskedFor) {
  const Size gap{.width = 768, .depth = 12, .mlp = 3072, .patch = 16, .positions = 196, .class_token = false};
  const std::string message = message_of<FormatError>([&] { infer_spec(tensors(gap)); });
  EXPECT_TRUE(contains(message, "12 or 16 heads"));
  EXPECT_TRUE(contains(message, "--num-heads"));
  architecture::LoadHints hints;
  hints.num_heads = {16};
  EXPECT_EQ(infer_spec(tensors(gap), hints).blocks[11].num_heads, 16);
}

TEST(PublishedHeads, ActivationOfSiglip2) {
  Size size{.width = 1152, .depth = 27, .mlp = 4304, .patch = 16, .positions = 256, .class_token = false};
  EXPECT_EQ(infer_spec(tensors(size)).activation, Activation::kGeluTanh);
  size.patch = 14;
  EXPECT_EQ(infer_spec(tensors(size)).activation, Activation::kGelu);
}

TEST_F(Assumed, AWidthThatNobodyPublishedIsAGuessThatIsSaid) {
  write(tensors({}));
  EXPECT_EQ(load().blocks[0].num_heads, 1);
  ASSERT_TRUE(assumed("num_heads"));
  EXPECT_TRUE(assumed("num_heads")->guess);
  EXPECT_EQ(assumed("num_heads")->value, "1");
  ASSERT_EQ(recorder_->warnings.size(), 1u) << "all guesses in one warning";
  EXPECT_TRUE(contains(recorder_->warnings[0], "num_heads 1 (64 channels a head"));
  EXPECT_TRUE(contains(recorder_->warnings[0], "--num-heads"));
  EXPECT_TRUE(contains(recorder_->warnings[0], "norm_eps 1e-06"));
  EXPECT_EQ(load(heads(4)).blocks[0].num_heads, 4);
  EXPECT_FALSE(assumed("num_heads"));
}

TEST_F(Assumed, APublishedModelIsReadWithoutAWarning) {
  // DeiT-Ti for images of 224 pixels; half the blocks' size does not matter, so all of it is small in the
  // file.
  write(tensors({.width = 192, .depth = 12, .mlp = 768, .patch = 16, .positions = 197}));
  EXPECT_EQ(load().blocks[0].num_heads, 3);
  EXPECT_TRUE(recorder_->warnings.empty()) << recorder_->warnings[0];
  ASSERT_TRUE(assumed("norm_eps"));
  EXPECT_FALSE(assumed("norm_eps")->guess);
}

TEST_F(Assumed, TheNamedArchitectureDecides) {
  write(tensors({}));
  write_config(R"({"architecture": "test_vit.r160_in1k"})");
  EXPECT_EQ(load().blocks[0].num_heads, 2) << "64 channels, of which a stranger would have one head";
  EXPECT_FALSE(assumed("num_heads"));
  EXPECT_FALSE(assumed("norm_eps"));
  // Sixteen narrow heads, or one of 64 channels: the width is another than the name's.
  write_config(R"({"architecture": "vit_large_patch16_224"})");
  EXPECT_TRUE(contains(refusal(), "has 16 heads and 1024 channels, but the model has 64 channels"));
  EXPECT_TRUE(contains(refusal(), "--num-heads"));
  write_config(R"({"architecture": "vit_large_patch16_224", "model_args": {"embed_dim": 64}})");
  EXPECT_EQ(load().blocks[0].num_heads, 16) << "timm changes the width alone";
  // Training scripts store it in the file.
  model::StateDict state = tensors({});
  state.metadata["arch"] = "test_vit_patch16_160";
  write(state);
  write_config("{}");
  EXPECT_EQ(load().blocks[0].num_heads, 2);
}

// MoCo v3's ViT-S has twelve heads where everyone else's has six.
TEST_F(Assumed, MocosSmallModels) {
  const Size small{.width = 384, .mlp = 1536};
  model::StateDict state, plain = tensors(small);
  for (const auto& [name, tensor] : plain.entries()) state.add("module.base_encoder." + name, tensor);
  write(state);
  EXPECT_EQ(load().blocks[0].num_heads, 12);
  write(plain);
  EXPECT_EQ(load().blocks[0].num_heads, 6);
  plain.metadata["arch"] = "vit_small";
  write(plain);
  EXPECT_TRUE(contains(refusal(), "--num-heads 6 or --num-heads 12"));
  EXPECT_EQ(load(heads(12)).blocks[0].num_heads, 12);
}

TEST_F(Assumed, TransformersClassesHaveTwelveHeads) {
  model::StateDict state = tensors({.width = 192});
  write_config(R"({"model_type": "vit"})");
  write(state);
  EXPECT_EQ(load().blocks[0].num_heads, 12) << "the class's own number, where the config leaves it out";
}

TEST_F(Assumed, FlagsSayWhatFilesDoNot) {
  write(tensors({}));
  architecture::LoadHints hints = heads(1);
  hints.activation = Activation::kQuickGelu;
  hints.norm_eps = 1e-5;
  hints.pooling = Pooling::kAverage;
  hints.image_size = 16;
  const ModelSpec spec = load(hints);
  EXPECT_EQ(spec.activation, Activation::kQuickGelu);
  EXPECT_EQ(spec.norm_eps, 1e-5);
  EXPECT_EQ(spec.pooling, Pooling::kAverage);
  EXPECT_TRUE(sources_.assumed.empty()) << sources_.assumed[0].field;
  EXPECT_TRUE(recorder_->warnings.empty());
  write(tensors({.positions = 16, .class_token = false}));
  hints.pooling = Pooling::kToken;
  EXPECT_TRUE(contains(message_of<std::invalid_argument>([&] { load(hints); }), "--pooling average"));
}

TEST_F(Assumed, NumbersInMetadataThatAreNone) {
  for (const char* text : {"2.5", "1e300", "-1", "nan", "0"}) {
    model::StateDict state = tensors({});
    state.metadata["num_heads"] = text;
    write(state);
    EXPECT_TRUE(contains(refusal(), "not a whole number from 1 to 1048576")) << text;
  }
  const std::tuple<const char*, const char*, const char*> stated[] = {
      {"norm_eps", "nan", "is not a number above 0"},
      {"norm_eps", "-1", "pass --norm-eps"},
      {"norm_eps", "small", "small is not a number"},
      {"activation", "mish", "'mish' is not one that vitrim supports (gelu,"},
      {"std", "0", "a std is not positive"}};
  for (const auto& [key, text, says] : stated) {
    model::StateDict state = tensors({});
    state.metadata = {{"num_heads", "1"}, {"mean", "0.5"}, {key, text}};
    write(state);
    EXPECT_TRUE(contains(refusal(), says)) << key;
    EXPECT_FALSE(contains(refusal(), "validate")) << "a sentence for people names no function";
  }
  model::StateDict without = tensors({.depth = 2}, {1});
  without.metadata = {{"num_heads", "1"}, {"stream_gain", "7"}};
  write(without);
  EXPECT_TRUE(contains(refusal(), "metadata stream_gain: 7 is neither 1 nor 2"));
  model::StateDict state = tensors({});
  state.metadata = {{"mean", "0.5"}, {"std", "0.5"}, {"resize", "1e30"}, {"num_heads", "1"}};
  write(state);
  EXPECT_TRUE(contains(refusal(), "metadata resize"));
}

TEST_F(Assumed, PreprocessingThatIsHalfSaid) {
  model::StateDict state = tensors({});
  state.metadata = {{"mean", "0.5"}, {"std", "0.5"}, {"num_heads", "1"}};
  write(state);
  EXPECT_EQ(load().preprocess->resize, 17);
  ASSERT_TRUE(assumed("preprocess.resize"));
  EXPECT_TRUE(contains(recorder_->warnings.at(0), "--resize"));
}

TEST_F(Assumed, RectanglesAreRefused) {
  const auto say = [&](const Size& size) {
    write(tensors(size));
    return refusal(heads(1));
  };
  // 4 x 8 patches: no square at all.
  EXPECT_TRUE(contains(say({.positions = 33}),
                       "33 positions, less those of the class token, do not form a square image but one "
                       "of 4 x 8 patches; vitrim takes square "
                       "images only"));
  // Sides that differ by two: with the class token the positions are a square number.
  EXPECT_TRUE(
      contains(say({.patch = 16, .positions = 49}), "48 patches that do not form a square (such as 6 x 8)"));
  EXPECT_TRUE(contains(say({.patch = 16, .positions = 49}), "pass --image-size 112"));
  EXPECT_TRUE(contains(say({.patch = 16, .positions = 225}), "such as 14 x 16"));
  EXPECT_TRUE(contains(say({.patch = 16, .positions = 225, .layer_scale = true}), "such as 14 x 16"));
  EXPECT_TRUE(contains(say({.positions = 32, .class_token = false}), "4 x 8"));
  EXPECT_TRUE(contains(say({.positions = 9, .registers = 4}), "--image-size 12 or 8"));
}

TEST_F(Assumed, WhatSaysThatPositionsLeaveTheClassTokenOut) {
  const auto bare = [&](const architecture::LoadHints& hints) {
    const ModelSpec spec = load(hints);
    return !spec.embed_prefix_tokens && spec.grid_width() * spec.patch_size == spec.image_size[0];
  };
  architecture::LoadHints hints = heads(1);
  write(tensors({.patch = 16, .positions = 225}));
  hints.image_size = 240;
  EXPECT_TRUE(bare(hints)) << "the flag, of a FlexiViT";
  write_config(R"({"architecture": "flexivit_base", "pretrained_cfg": {"input_size": [3, 240, 240]}})");
  EXPECT_TRUE(bare(heads(1))) << "timm's config.json";
  write_config("{}");
  // DeiT III, DINOv2 with registers.
  write(tensors({.patch = 16, .positions = 196, .layer_scale = true}));
  EXPECT_TRUE(bare(heads(1)));
  write(tensors({.patch = 14, .positions = 1369, .registers = 4}));
  EXPECT_TRUE(bare(heads(1)));
}

TEST_F(Assumed, ASquareThatCouldBeARectangleIsSaid) {
  write(tensors({}));  // 4 x 4 or 2 x 8
  EXPECT_EQ(load(heads(1)).image_size[0], 16);
  ASSERT_TRUE(assumed("image_size"));
  EXPECT_TRUE(contains(assumed("image_size")->why, "as 4 x 4 and not as 2 x 8"));
  EXPECT_TRUE(assumed("image_size")->guess);
  write(tensors({.patch = 16, .positions = 197}));
  load(heads(1));
  EXPECT_FALSE(assumed("image_size")->guess) << "224 pixels are what most take";
  write(tensors({.positions = 26}));  // 5 x 5 only
  load(heads(1));
  EXPECT_FALSE(assumed("image_size"));
}

TEST_F(Assumed, BlocksWithoutAttentionAskForTheirGain) {
  write(tensors({.depth = 3}, {0, 2}));
  const std::string message = refusal(heads(1));
  EXPECT_TRUE(contains(message, "its blocks without attention (0, 2)"));
  EXPECT_TRUE(contains(message, "--stream-gain 1 or --stream-gain 2"));
  architecture::LoadHints hints = heads(1);
  for (const double gain : {1.0, 2.0}) {
    hints.stream_gain = gain;
    const ModelSpec spec = load(hints);
    EXPECT_EQ(spec.blocks[0].stream_gain, gain);
    EXPECT_EQ(spec.blocks[1].stream_gain, 1);
    EXPECT_EQ(spec.blocks[2].stream_gain, gain);
  }
  hints.stream_gain = 3;
  EXPECT_TRUE(contains(message_of<std::invalid_argument>([&] { load(hints); }), "1 or 2"));
  // Every block has attention.
  hints.stream_gain = 2;
  write(tensors({.depth = 2}));
  EXPECT_EQ(load(hints).blocks[1].stream_gain, 1);
  EXPECT_TRUE(contains(recorder_->warnings.at(0), "--stream-gain is not needed"));
}

// It has attention, but not under a known name.
TEST_F(Assumed, AnAttentionUnderOtherNamesIsNoBlockWithoutAttention) {
  for (const auto& [name, says] : {std::pair("attn.to_q.weight", "read from attn.qkv, or from attn.q_proj"),
                                   std::pair("attn.qkv.lin.weight", "another module wraps the layer")}) {
    model::StateDict state = tensors({.depth = 2}, {1});
    state.add(std::string("blocks.1.") + name, at::zeros({64, 64}));
    write(state);
    const std::string message = refusal(heads(1));
    EXPECT_TRUE(contains(message, "blocks.1.attn.qkv.weight: this tensor is missing")) << message;
    EXPECT_TRUE(contains(message, std::string("the file holds blocks.1.") + name)) << message;
    EXPECT_TRUE(contains(message, says)) << message;
  }
}

// github.com/sihaoevery/lambda_vit keeps the arguments of its script; files of its diluted models hold the
// attention that they no longer compute.
TEST_F(Assumed, FilesOfNosesAuthors) {
  model::StateDict state = tensors({.depth = 3}, {1});
  state.metadata = {
      {"args.prune_layer", "[]"}, {"args.done_layer", "[1]"}, {"args.model", "deit_base_patch16_224_shrink"}};
  write(state);
  EXPECT_EQ(load(heads(1)).blocks[1].stream_gain, 2);
  state = tensors({.depth = 3});
  state.metadata = {{"args.prune_layer", "[0, 2]"}, {"args.done_layer", "[]"}, {"epoch", "399"}};
  write(state);
  const ModelSpec spec = load(heads(1));
  EXPECT_EQ(spec.blocks[0].attention, AttentionKind::kNone);
  EXPECT_EQ(spec.blocks[0].stream_gain, 2);
  EXPECT_EQ(spec.blocks[1].attention, AttentionKind::kSoftmax);
  EXPECT_EQ(spec.blocks[2].attention, AttentionKind::kNone);
  load_model(folder_.file("model.safetensors"), heads(1));  // and its other tensors fit
  state.metadata["epoch"] = "280";
  write(state);
  EXPECT_TRUE(contains(refusal(heads(1)), "was still being diluted (prune_layer [0, 2], epoch 280)"));
}

}  // namespace
}  // namespace vitrim::model
