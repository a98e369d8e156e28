// Checkpoints of transformers and timm: small stored ones (tests/model/foreign_models.py made them, with the
// outputs of these libraries), and broken ones.

#include <array>
#include <filesystem>
#include <fstream>

#include "core/expect_throw.h"
#include "core/recorded_warnings.h"
#include "core/temp_dir.h"
#include "model/small_models.h"
#include "vitrim/architecture/cost.h"
#include "vitrim/architecture/infer.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/core/error.h"
#include "vitrim/model/loading.h"

namespace vitrim::model {
namespace {

namespace fs = std::filesystem;
using test::relative_difference;

fs::path fixtures() { return fs::path(VITRIM_SOURCE_DIR) / "tests/model/fixtures"; }

void write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

std::string text_of(const fs::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

class Kept : public testing::TestWithParam<const char*> {
 protected:
  std::string folder() const { return (fixtures() / GetParam()).string(); }
};
INSTANTIATE_TEST_SUITE_P(Foreign, Kept,
                         testing::Values("vit", "vit_sharded", "vit_model", "vit_mae", "deit_distilled",
                                         "deit_one_head", "swin", "dinov2", "dinov2_swiglu",
                                         "dinov2_registers", "clip_projection", "timm_dinov2_giant",
                                         "timm_clip_quickgelu", "timm_eva_giant"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(Kept, AnswersAsTheLibraryDoes) {
  const at::NoGradGuard no_grad;
  const auto model = load_model(folder());
  const Output out =
      model->forward(StateDict(checkpoint::load((fixtures() / "input.safetensors").string())).at("input"));
  const model::StateDict expected = checkpoint::load(folder() + "/expected.safetensors");
  ASSERT_GT(expected.size(), 0u);
  for (const auto& [name, tensor] : expected.entries()) {
    const at::Tensor& got = name == "logits"      ? out.logits
                            : name == "head"      ? out.head
                            : name == "head_dist" ? out.head_dist
                                                  : out.features;
    ASSERT_TRUE(got.defined()) << name;
    // Sums of at most 192 products (the patches), on both sides.
    EXPECT_LT(relative_difference(got, tensor),
              2 * test::float_tolerance(192, test::operations(model->spec()), 8))
        << name;
  }
}

TEST_P(Kept, SavesUnderItsOwnNamesAndReloads) {
  const at::NoGradGuard no_grad;
  const TempDir temp;
  const auto model = load_model(folder());
  save_model(*model, temp.file("own.safetensors"));
  // Files in the folder of vitrim's own checkpoint are not read.
  fs::copy_file(fixtures() / "dinov2/config.json", temp.file("config.json"));
  const auto again = load_model(temp.file("own.safetensors"));
  EXPECT_EQ(again->spec(), model->spec());
  const at::Tensor input = test::colour_input(2);
  EXPECT_TRUE(at::equal(again->forward(input).features, model->forward(input).features));
}

std::unique_ptr<Model> kept(const std::string& name) { return load_model((fixtures() / name).string()); }

TEST(Foreign, WhatTensorsDoNotTellComesFromTheFilesBeside) {
  const ModelSpec vit = kept("vit")->spec();
  EXPECT_EQ(vit.blocks[0].num_heads, 2);
  EXPECT_EQ(vit.norm_eps, 1e-12);
  EXPECT_EQ(vit.class_names, (std::vector<std::string>{"cat", "dog", "bird, sitting", "fish", "tree"}));
  ASSERT_TRUE(vit.preprocess);
  EXPECT_EQ(vit.preprocess->resize, 32);
  EXPECT_TRUE(vit.preprocess->squash);
  EXPECT_EQ(vit.preprocess->interpolation, Interpolation::kBilinear);
  EXPECT_EQ(vit.preprocess->mean[0], 0.5);

  const ModelSpec clip = kept("clip_projection")->spec();
  EXPECT_TRUE(clip.pre_norm);
  EXPECT_EQ(clip.activation, Activation::kQuickGelu);
  EXPECT_EQ(clip.norm_eps, 1e-5);
  EXPECT_EQ(clip.num_classes, 12);
  ASSERT_TRUE(clip.preprocess);
  EXPECT_EQ(clip.preprocess->resize, 36);
  EXPECT_FALSE(clip.preprocess->squash);
  EXPECT_EQ(clip.preprocess->crop, 32);

  const ModelSpec dino = kept("dinov2")->spec();
  EXPECT_EQ(dino.pooling, Pooling::kTokenAndAverage);
  EXPECT_EQ(dino.feature_dim(), 32);
  EXPECT_TRUE(dino.layer_scale);
  EXPECT_EQ(kept("dinov2_registers")->spec().register_tokens, 4);
  EXPECT_FALSE(kept("dinov2_registers")->spec().embed_prefix_tokens);
  const ModelSpec swiglu = kept("dinov2_swiglu")->spec();
  EXPECT_TRUE(swiglu.gated_mlp);
  EXPECT_EQ(swiglu.activation, Activation::kSilu);
  EXPECT_EQ(swiglu.num_classes, 0);

  EXPECT_TRUE(kept("deit_distilled")->spec().distillation_token);
  EXPECT_FALSE(kept("deit_one_head")->spec().distillation_token);
  EXPECT_EQ(kept("deit_one_head")->spec().register_tokens, 1);
  EXPECT_EQ(kept("swin")->spec().blocks[1].shift, 2);
  EXPECT_EQ(kept("swin")->spec().blocks[0].window, 4);

  const ModelSpec quick = kept("timm_clip_quickgelu")->spec();
  EXPECT_EQ(quick.activation, Activation::kQuickGelu);
  EXPECT_EQ(quick.name, "vit_base_patch16_clip_quickgelu_224");
  EXPECT_EQ(quick.class_names.size(), 5u);
  ASSERT_TRUE(quick.preprocess);
  EXPECT_EQ(quick.preprocess->crop, 32);
  EXPECT_EQ(kept("timm_eva_giant")->spec().pooling, Pooling::kAverage);
}

TEST(Foreign, FlagsGoBeforeFiles) {
  architecture::LoadHints hints;
  hints.num_heads = {4};
  hints.image_size = 48;
  const ModelSpec spec = load_spec((fixtures() / "vit").string(), hints);
  EXPECT_EQ(spec.blocks[1].num_heads, 4);
  EXPECT_EQ(spec.image_size[0], 48);
  EXPECT_EQ(spec.preprocess->crop, 48);
  EXPECT_EQ(spec.preprocess->resize, 48);
}

TEST(Foreign, ANewHeadHasNoNames) {
  for (const char* name : {"vit", "dinov2"}) {
    const auto model = load_model_with_new_head((fixtures() / name).string(), 7, 1);
    EXPECT_EQ(model->spec().num_classes, 7);
    EXPECT_TRUE(model->spec().class_names.empty());
    EXPECT_EQ(model->parameter("head.weight").size(1), model->spec().feature_dim());
    EXPECT_TRUE(at::equal(model->parameter("blocks.1.attn.qkv.weight"),
                          kept(name)->parameter("blocks.1.attn.qkv.weight")));
  }
}

TEST(Foreign, ItIsSaidWhatCameFromWhere) {
  SpecSources sources;
  load_spec((fixtures() / "vit_mae").string(), {}, &sources);
  std::string all;
  for (const std::string& line : sources.said) all += line + "\n";
  EXPECT_TRUE(contains(all, "transformers (ViT"));
  EXPECT_TRUE(contains(all, "config.json: heads, norm epsilon, activation"));
  EXPECT_TRUE(contains(all, "left out: decoder."));
}

// A copy of a kept checkpoint that can be broken.
class Broken : public testing::Test {
 protected:
  void take(const std::string& name) {
    for (const auto& entry : fs::directory_iterator(fixtures() / name)) {
      fs::copy_file(entry.path(), temp_.file(entry.path().filename().string()),
                    fs::copy_options::overwrite_existing);
    }
  }
  void replace(const std::string& file, const std::string& from, const std::string& to) {
    std::string text = text_of(temp_.file(file));
    const size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    write(temp_.file(file), text.replace(at, from.size(), to));
  }
  void change(const std::function<void(model::StateDict&)>& edit) {
    const model::StateDict was = checkpoint::load(temp_.file("model.safetensors"));
    model::StateDict state;
    for (const auto& [name, tensor] : was.entries()) state.add(name, tensor.clone());
    edit(state);
    checkpoint::save_safetensors(state, temp_.file("model.safetensors"));
  }
  std::string refusal() {
    return message_of<FormatError>([&] { load_model(temp_.file("model.safetensors")); });
  }
  TempDir temp_;
};

TEST_F(Broken, ConfigsOfOtherModels) {
  take("vit");
  replace("config.json", "\"hidden_size\": 16", "\"hidden_size\": 24");
  EXPECT_TRUE(contains(refusal(), "the width: states 24, but the tensors beside it have 16"));
  take("vit");
  replace("config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3");
  EXPECT_TRUE(contains(refusal(), "num_hidden_layers: states 3"));
  take("vit");
  replace("config.json", "\"model_type\": \"vit\"", "\"model_type\": \"bert\"");
  EXPECT_TRUE(contains(refusal(), "'bert' is not a model that vitrim reads (vit, deit"));
  take("vit");
  replace("config.json", "\"hidden_act\": \"gelu\"", "\"hidden_act\": \"mish\"");
  EXPECT_TRUE(contains(refusal(), "'mish' is not one that vitrim supports"));
  take("vit");
  replace("config.json", "\"num_attention_heads\": 2", "\"num_attention_heads\": 3");
  EXPECT_TRUE(contains(refusal(), "num_heads 3 does not divide"));
  take("vit");
  write(temp_.file("config.json"), "{");
  EXPECT_TRUE(contains(refusal(), "config.json: byte"));
}

TEST_F(Broken, FieldsForPeopleNeverKeepAModelOut) {
  struct Case {
    const char *from, *to, *warning;
    std::vector<std::string> names;
  };
  const char* const labels = R"("id2label": {
    "0": "cat",
    "1": "dog",
    "2": "bird, sitting",
    "3": "fish",
    "4": "tree"
  })";
  for (const Case& one :
       {Case{labels,
             R"("id2label": {"0": 7, "1": 1, "2": 2, "3": 3, "4": 4.5})",
             "",
             {"7", "1", "2", "3", "4.5"}},
        Case{labels, R"("id2label": {"1": "a", "2": "b", "3": "c", "4": "d", "5": "e"})", "id2label", {}},
        Case{labels, R"("id2label": {"0": "a", "1": "b"})", "lists 2 classes, but the classifier has 5", {}},
        Case{labels, R"("id2label": {"a": "a"})", "id2label", {}},
        Case{labels, R"("id2label": "none")", "id2label", {}},
        Case{labels, R"("id2label": {"0": null, "1": "b"})", "id2label", {}},
        Case{labels, R"("id2label": null)", "", {}}, Case{labels, R"("id2label": {})", "", {}},
        Case{labels, R"("id2label": ["a", "b", "c", "d", "e"])", "", {"a", "b", "c", "d", "e"}}}) {
    take("vit");
    replace("config.json", one.from, one.to);
    const RecordedWarnings warnings;
    EXPECT_EQ(load_spec(temp_.file("model.safetensors")).class_names, one.names) << one.to;
    if (*one.warning == '\0') {
      EXPECT_EQ(warnings.text(), "") << one.to;
    } else {
      EXPECT_TRUE(contains(warnings.text(), one.warning));
      EXPECT_TRUE(contains(warnings.text(), "without class names"));
    }
  }
}

TEST_F(Broken, ProcessorsThatCannotBeReadLeaveTheModel) {
  for (const char* text : {R"({"size": "large"})", R"({"size": [32, 24]})", R"({"image_mean": "0.5"})",
                           R"({"do_resize": "yes"})", R"({"image_std": [1, 2]})", R"({"image_std": 0})", "{",
                           R"({"rescale_factor": 0})"}) {
    take("vit");
    write(temp_.file("preprocessor_config.json"), text);
    const RecordedWarnings warnings;
    EXPECT_FALSE(load_spec(temp_.file("model.safetensors")).preprocess) << text;
    EXPECT_TRUE(contains(warnings.text(), "preprocessor_config.json"));
    EXPECT_TRUE(contains(warnings.text(), "preprocessing is not taken from this file"));
  }
  take("timm_eva_giant");
  replace("config.json", "\"crop_pct\": ", "\"crop_pct\": 7");
  const RecordedWarnings warnings;
  EXPECT_FALSE(load_spec(temp_.file("model.safetensors")).preprocess);
  EXPECT_TRUE(contains(warnings.text(), "crop_pct"));
}

TEST_F(Broken, ForeignTensorsThatAreMissing) {
  take("vit");
  change([](model::StateDict& state) { state.erase("vit.encoder.layer.1.attention.attention.key.bias"); });
  EXPECT_TRUE(contains(refusal(), "occurs without the other parts of blocks.1.attn.qkv.bias"));
  take("vit");
  change([](model::StateDict& state) { state.erase("vit.encoder.layer.1.output.dense.bias"); });
  const std::string message = message_of<Error>([&] { load_model(temp_.file("model.safetensors")); });
  EXPECT_TRUE(contains(message, "blocks.1.mlp.fc2.bias"));
  EXPECT_TRUE(contains(message, "the file's are those of transformers"));
  take("vit");
  change([](model::StateDict& state) {
    state.set("vit.encoder.layer.0.attention.attention.value.weight", at::ones({16, 15}));
  });
  EXPECT_TRUE(contains(refusal(), "has another shape or dtype than the other parts"));
  take("vit");
  change([](model::StateDict& state) { state.add("layernorm.weight", at::ones({16})); });
  EXPECT_TRUE(contains(refusal(), "occurs twice"));
  take("timm_dinov2_giant");
  change([](model::StateDict& state) { state.set("blocks.1.mlp.fc1.weight", at::ones({5, 16})); });
  EXPECT_TRUE(contains(refusal(), "fits neither a plain MLP nor a gated one"));
}

TEST_F(Broken, WhatVitrimHasNotIsNamedWithTheMend) {
  const auto with = [&](const std::string& fixture, const std::string& tensor) {
    take(fixture);
    change([&](model::StateDict& state) { state.set(tensor, at::ones({1})); });
    return refusal();
  };
  EXPECT_TRUE(contains(with("timm_clip_quickgelu", "attn_pool.latent"), "pools its tokens by attention"));
  EXPECT_TRUE(contains(with("timm_clip_quickgelu", "blocks.0.attn.norm.weight"), "sub-LN"));
  EXPECT_TRUE(contains(with("timm_clip_quickgelu", "rope.freqs"), "rotary"));
  EXPECT_TRUE(contains(with("timm_clip_quickgelu", "blocks.0.attn.relative_position_bias_table"),
                       "relative positions"));
  EXPECT_TRUE(contains(with("swin", "swin.encoder.layers.0.blocks.0.attention.self.logit_scale"), "Swin V2"));
  EXPECT_TRUE(contains(with("vit", "vit.encoder.layer.0.lambda_1"), "BEiT"));
  take("clip_projection");
  change([](model::StateDict& state) {
    state.erase("visual_projection.weight");
    state.add("vision_model.head.probe", at::ones({1}));
  });
  EXPECT_TRUE(contains(refusal(), "by attention (SigLIP)"));
  // The tensors have the names of models that vitrim supports; only the architecture differs.
  take("timm_eva_giant");
  replace("config.json", "eva_giant_patch14_224", "eva02_base_patch14_224");
  EXPECT_TRUE(contains(refusal(), "rotary"));
  take("timm_eva_giant");
  fs::remove(temp_.file("config.json"));
  EXPECT_TRUE(contains(refusal(), "put timm's config.json, which states this, beside it"));
  take("timm_clip_quickgelu");
  replace("config.json", "\"global_pool\": \"token\"", "\"global_pool\": \"max\"");
  EXPECT_TRUE(contains(refusal(), "the pooling 'max'"));
}

TEST_F(Broken, WithoutConfigTheUsualIsTaken) {
  take("vit");
  fs::remove(temp_.file("config.json"));
  EXPECT_TRUE(contains(refusal(), "pass --num-heads")) << "16 channels are no number of heads of 64";
  architecture::LoadHints hints;
  hints.num_heads = {2};
  const ModelSpec spec = load_spec(temp_.file("model.safetensors"), hints);
  EXPECT_EQ(spec.norm_eps, 1e-12);
  EXPECT_TRUE(spec.class_names.empty());
  EXPECT_TRUE(spec.preprocess) << "preprocessor_config.json is still there";
}

TEST_F(Broken, UnknownModelsSayWhatWasTried) {
  model::StateDict state;
  state.add("conv1.weight", at::ones({1}));
  checkpoint::save_safetensors(state, temp_.file("model.safetensors"));
  const std::string message = refusal();
  for (const char* part : {"conv1.weight", "timm's names (patch_embed.proj.weight", "transformers'", "CSwin",
                           "docs/checkpoints.md"}) {
    EXPECT_TRUE(contains(message, part));
  }
}

TEST_F(Broken, ProcessorsOfEveryForm) {
  const auto read = [&](const std::string& text) {
    take("clip_projection");
    write(temp_.file("preprocessor_config.json"), text);
    return *load_spec(temp_.file("model.safetensors")).preprocess;
  };
  PreprocessSpec p = read(R"({"do_resize": false, "do_normalize": false})");
  EXPECT_FALSE(p.resize);
  EXPECT_EQ(p.crop, 32);
  EXPECT_EQ(p.mean, (std::array<double, 3>{0, 0, 0}));
  EXPECT_EQ(p.std, (std::array<double, 3>{1, 1, 1}));
  // A number: the short side for CLIP's processor, both sides for the others'.
  p = read(
      R"({"size": 48, "feature_extractor_type": "CLIPFeatureExtractor", "do_center_crop": true, "crop_size": 32})");
  EXPECT_EQ(p.resize, 48);
  EXPECT_FALSE(p.squash);
  p = read(
      R"({"size": 48, "feature_extractor_type": "DeiTFeatureExtractor", "do_center_crop": true, "crop_size": 32, "resample": 2})");
  EXPECT_TRUE(p.squash);
  EXPECT_EQ(p.interpolation, Interpolation::kBilinear);
  // Another crop than the model's images: the same share of the image.
  p = read(
      R"({"size": {"shortest_edge": 256}, "do_center_crop": true, "crop_size": {"height": 224, "width": 224}})");
  EXPECT_EQ(p.resize, 256 * 32 / 224);
  EXPECT_EQ(p.crop, 32);
  // Sizes as pairs, filters by name, nulls for what is usual, one value for all channels.
  p = read(R"({"size": [48, 48], "crop_size": [32, 32], "do_center_crop": true, "resample": "BILINEAR"})");
  EXPECT_EQ(p.resize, 48);
  EXPECT_TRUE(p.squash);
  EXPECT_EQ(p.interpolation, Interpolation::kBilinear);
  p = read(
      R"({"size": {"shortest_edge": 48}, "crop_size": {"height": 32, "width": 32}, "do_center_crop": true, "resample": "PIL.Image.Resampling.BICUBIC", "image_mean": [0.25]})");
  EXPECT_EQ(p.resize, 48);
  EXPECT_FALSE(p.squash);
  EXPECT_EQ(p.interpolation, Interpolation::kBicubic);
  EXPECT_EQ(p.mean, (std::array<double, 3>{0.25, 0.25, 0.25}));
  p = read(
      R"({"size": null, "crop_size": null, "resample": null, "do_resize": null, "do_rescale": null, "rescale_factor": null, "image_processor_type": null, "do_center_crop": null})");
  EXPECT_FALSE(p.resize);
  EXPECT_EQ(p.crop, 32);
  // x / 127.5 - 1 is (x / 255 - 0.5) / 0.5.
  p = read(R"({"rescale_factor": 0.00784313725490196, "image_mean": [1, 1, 1], "image_std": [1, 1, 1]})");
  EXPECT_NEAR(p.mean[1], 0.5, 1e-12);
  EXPECT_NEAR(p.std[2], 0.5, 1e-12);
}

// The same weights under the names of the models' authors.
class Authors : public testing::Test {
 protected:
  using Edit = std::function<void(model::StateDict&, const std::string&, const at::Tensor&)>;
  // `edit` adds what a file of the authors has for each of vitrim's tensors.
  void expect_same(const ModelSpec& spec, const Edit& edit,
                   const std::function<void(model::StateDict&)>& more = {}) {
    const at::NoGradGuard no_grad;
    const model::StateDict own = test::lively_weights(spec, 3);
    model::StateDict theirs;
    for (const auto& [name, tensor] : own.entries()) edit(theirs, name, tensor);
    if (more) more(theirs);
    const TempDir temp;
    checkpoint::save_safetensors(theirs, temp.file("theirs.safetensors"));
    architecture::LoadHints hints;
    hints.num_heads = {2};
    const auto model = load_model(temp.file("theirs.safetensors"), hints);
    ModelSpec wanted = spec;
    wanted.preprocess.reset();
    EXPECT_EQ(to_json(model->spec()), to_json(wanted));
    const at::Tensor images = test::colour_input(2);
    // Positions that were part of a token are added in another order.
    EXPECT_LT(
        relative_difference(model->forward(images).features, make_model(spec, own)->forward(images).features),
        test::float_tolerance(192, test::operations(spec), 8));
  }
  static std::string changed(std::string name, const std::string& from, const std::string& to) {
    const size_t at = name.find(from);
    return at == std::string::npos ? name : name.replace(at, from.size(), to);
  }
};

TEST_F(Authors, SeparateProjections) {
  expect_same(test::variant("layerscale_qknorm"), [](model::StateDict& out, const std::string& name,
                                                     const at::Tensor& t) {
    if (name.find("attn.qkv") == std::string::npos) return out.add(name, t);
    const std::vector<at::Tensor> parts = t.chunk(3);
    for (int i = 0; i < 3; ++i)
      out.add(changed(name, "qkv", std::array{"q_proj", "k_proj", "v_proj"}[static_cast<size_t>(i)]),
              parts[static_cast<size_t>(i)]);
  });
}

TEST_F(Authors, GatedMlps) {
  const ModelSpec spec = test::variant("swiglu");
  expect_same(spec, [](model::StateDict& out, const std::string& name, const at::Tensor& t) {
    if (name.find("mlp.fc1") == std::string::npos) return out.add(name, t);
    out.add(changed(name, "fc1", "fc1_x"), t.chunk(2)[1]);
    out.add(changed(name, "fc1", "fc1_g"), t.chunk(2)[0]);
  });
  expect_same(spec, [](model::StateDict& out, const std::string& name, const at::Tensor& t) {
    out.add(changed(changed(name, "fc1", "w12"), "fc2", "w3"), t);
  });
}

TEST_F(Authors, RegistersBehindThePositions) {
  const at::Tensor place = at::full({1, 1, 32}, 0.25f);
  expect_same(
      test::variant("registers"),
      [&](model::StateDict& out, const std::string& name, const at::Tensor& t) {
        if (name == "cls_token") return out.add(name, t - place);
        if (name == "pos_embed") return out.add(name, at::cat({place, t}, 1));
        out.add(changed(name, "reg_token", "register_tokens"), t);
      },
      [](model::StateDict& out) {
        out.add("mask_token", at::ones({1, 32}));
        out.add("masked_embed", at::ones({1, 32}));  // iBOT's
      });
}

TEST_F(Authors, LayerScaleOfDeit3) {
  ModelSpec spec = test::small_spec();
  spec.layer_scale = true;
  expect_same(spec, [](model::StateDict& out, const std::string& name, const at::Tensor& t) {
    out.add(changed(changed(name, "ls1.gamma", "gamma_1"), "ls2.gamma", "gamma_2"), t);
  });
}

TEST_F(Authors, MaskedAutoencoder) {
  ModelSpec spec = test::small_spec();
  spec.num_classes = 0;
  expect_same(
      spec,
      [](model::StateDict& out, const std::string& name, const at::Tensor& t) {
        out.add("model." + name, t);
      },
      [](model::StateDict& out) {
        out.add("model.mask_token", at::ones({1, 1, 8}));
        out.add("model.decoder_embed.weight", at::ones({8, 32}));
        out.add("model.decoder_blocks.0.norm1.weight", at::ones({8}));
      });
}

// A gate doubles fc1: parameters and multiply-adds say so.
TEST(Foreign, GatedMlpsCostThreeMatrices) {
  ModelSpec plain = test::small_spec(), gated = plain;
  gated.gated_mlp = true;
  const auto& block = plain.blocks[0];
  EXPECT_EQ(architecture::mlp_macs(plain, 0), 17 * 2 * block.embed_dim * block.mlp_dim);
  EXPECT_EQ(architecture::mlp_macs(gated, 0), 17 * 3 * block.embed_dim * block.mlp_dim);
}

}  // namespace
}  // namespace vitrim::model
