// The tensors of a training script's file that form the model.

#include "weights/weight_sets.h"

#include <filesystem>
#include <functional>

#include "core/expect_throw.h"
#include "core/temp_dir.h"
#include "model/small_models.h"
#include "vitrim/architecture/infer.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/core/error.h"
#include "vitrim/model/loading.h"

namespace vitrim::model {
namespace {

using namespace weights;

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

constexpr const char* kPatches = "patch_embed.proj.weight";

// Tensors of these names; those that embed patches have four dimensions.
std::vector<FileTensor> file_of(const Names& names) {
  std::vector<FileTensor> tensors;
  for (const std::string& name : names) {
    const bool patches =
        name.find("embed") != std::string::npos || name.find("projection") != std::string::npos;
    tensors.push_back({name, patches ? std::vector<int64_t>{4, 3, 2, 2} : std::vector<int64_t>{4, 4}});
  }
  return tensors;
}

// The tensors used from a file, and the messages about it.
struct Taken {
  std::string set, why;
  Names names, others, left_out;
};

Taken taken_from(const std::vector<FileTensor>& tensors, const std::string& wanted = "") {
  WeightSets found = find_weight_sets(tensors);
  EXPECT_FALSE(found.sets.empty());
  const WeightChoice choice =
      choose_weights(found, tensors, wanted, "file.pth", [](size_t, size_t) { return false; });
  const WeightSet& set = found.sets[choice.taken];
  Taken out{set.name, choice.why, {}, choice.others, {}};
  for (const auto& member : set.tensors) out.names.push_back(member.name);
  for (const size_t i : set.left_out) out.left_out.push_back(tensors[i].name);
  for (const size_t i : found.outside) out.left_out.push_back(tensors[i].name);
  return out;
}

Taken taken_from(const Names& names, const std::string& wanted = "") {
  return taken_from(file_of(names), wanted);
}

// A file with whole models under these prefixes.
Names models_under(const Names& prefixes, const Names& more = {}) {
  Names names;
  for (const std::string& prefix : prefixes) {
    for (const char* name : {kPatches, "cls_token", "blocks.0.norm1.weight"}) names.push_back(prefix + name);
  }
  names.insert(names.end(), more.begin(), more.end());
  return names;
}

TEST(WeightSets, AnyPrefixIsFoundUnderEveryNaming) {
  for (const std::string prefix : {"", "backbone.", "model.", "state_dict.lit.net.", "a.b.c.d."}) {
    for (const std::string name :
         {"patch_embed.proj", "embeddings.patch_embeddings.projection", "embeddings.patch_embedding",
          "patch_embed1.proj", "stage1_conv_embed.0"}) {
      const Taken taken = taken_from(Names{prefix + name + ".weight", prefix + "x.y"});
      EXPECT_EQ(taken.names, (Names{name + ".weight", "x.y"})) << prefix;
      EXPECT_TRUE(taken.left_out.empty());
    }
  }
  // transformers' classes with a head: tensors that belong to the inner model are used too, and nothing else.
  const Taken vit = taken_from(Names{"net.vit.embeddings.patch_embeddings.projection.weight",
                                     "net.classifier.weight", "net.other.weight"});
  EXPECT_EQ(vit.names, (Names{"vit.embeddings.patch_embeddings.projection.weight", "classifier.weight"}));
  EXPECT_EQ(vit.left_out, (Names{"net.other.weight"}));
}

TEST(WeightSets, WrapperWordsAreTakenOutAnywhere) {
  const Taken taken = taken_from(Names{"module._orig_mod.patch_embed.proj.weight", "_orig_mod.cls_token",
                                       "module.blocks._orig_mod.0._checkpoint_wrapped_module.norm1.weight",
                                       "_fsdp_wrapped_module.blocks.1.module.norm1.weight"});
  EXPECT_EQ(taken.names, (Names{kPatches, "cls_token", "blocks.0.norm1.weight", "blocks.1.norm1.weight"}));
  // Tensors that differ only in wrapper words are not merged.
  const Taken twice = taken_from(Names{kPatches, "norm.weight", "module.norm.weight"});
  EXPECT_EQ(twice.names, (Names{kPatches, "norm.weight", "module.norm.weight"}));
}

TEST(WeightSets, ChunksOfBlocksAreJoined) {
  const auto joined = [](const Names& blocks) {
    Names names{kPatches};
    for (const std::string& block : blocks) names.push_back("blocks." + block + ".norm1.weight");
    Names out = taken_from(names).names;
    out.erase(out.begin());
    for (std::string& name : out)
      name = name.substr(7, name.size() - 7 - std::string(".norm1.weight").size());
    return out;
  };
  EXPECT_EQ(joined({"0.0", "0.1", "1.2", "1.3"}), (Names{"0", "1", "2", "3"}));
  EXPECT_EQ(joined({"0.0", "0.1", "1.0", "1.1"}), (Names{"0", "1", "2", "3"}));
  EXPECT_EQ(joined({"0", "1", "1.5"}), (Names{"0", "1", "1.5"})) << "no chunks: left as they are";
}

TEST(WeightSets, CountersAndLossesAreLeftOutAndNamed) {
  const Taken taken = taken_from(
      models_under({"model."}, {"model.blocks.0.mlp.total_ops", "model.total_params", "val_acc.tp",
                                "ce.weight", "criterion.weight", "optimizer.state.0.exp_avg", "epoch"}));
  EXPECT_EQ(taken.names.size(), 3u);
  EXPECT_EQ(taken.left_out,
            (Names{"model.blocks.0.mlp.total_ops", "model.total_params", "val_acc.tp", "ce.weight"}));
  // A model without a prefix: only tensors that clearly do not belong to it are left out.
  const Taken bare =
      taken_from(models_under({""}, {"criterion.weight", "n_averaged", "val_acc.confmat", "extra.weight"}));
  EXPECT_EQ(bare.names.back(), "extra.weight") << "surplus is kept, and refused with the model's own tensors";
  EXPECT_EQ(bare.left_out, (Names{"criterion.weight", "n_averaged", "val_acc.confmat"}));
}

struct Pair {
  const char *taken, *other, *why;
};

TEST(WeightSets, WhatTheWriterTakesForInference) {
  for (const Pair& pair :
       {Pair{"state_dict_ema", "state_dict", "timm"}, Pair{"model", "model_ema", "DeiT"},
        Pair{"state_dict", "ema_state_dict", "OpenMMLab"},
        Pair{"state_dict", "current_model_state", "Lightning"}, Pair{"ema", "model", "averaged"},
        Pair{"teacher.backbone", "student.backbone", "teacher"}, Pair{"teacher", "student", "teacher"},
        Pair{"model.teacher.backbone", "model.student.backbone", "teacher"},
        Pair{"teacher_backbone", "student_backbone", "teacher"}, Pair{"target_encoder", "encoder", "I-JEPA"},
        Pair{"state_dict.base_encoder", "state_dict.momentum_encoder", "MoCo"},
        Pair{"encoder_q", "encoder_k", "MoCo"}, Pair{"backbone", "backbone_momentum", "MoCo"},
        Pair{"online_encoder", "target_encoder", "BYOL"}, Pair{"ema_model", "online_model", "averaged"}}) {
    const std::string one = std::string(pair.taken) + ".", two = std::string(pair.other) + ".";
    for (const Names& order : {Names{one, two}, Names{two, one}}) {
      const Taken taken = taken_from(models_under(order));
      EXPECT_EQ(taken.set, pair.taken);
      EXPECT_EQ(taken.others, (Names{pair.other}));
      EXPECT_TRUE(contains(taken.why, pair.why));
      EXPECT_EQ(taken_from(models_under(order), pair.other).set, pair.other);
    }
  }
  const Names torchvision = models_under({"model.", "model_ema.module."}, {"model_ema.n_averaged"});
  EXPECT_EQ(taken_from(torchvision).set, "model_ema");
  // Inside a module the same words say nothing: what such a module computes with is its author's choice.
  const Names module = models_under({"state_dict.model.", "state_dict.model_ema."});
  EXPECT_TRUE(contains(message_of<Error>([&] { taken_from(module); }),
                       "'state_dict.model' or 'state_dict.model_ema'"));
}

TEST(WeightSets, AProjectorOfMocoIsNoClassifier) {
  const Taken taken =
      taken_from(models_under({"module.base_encoder.", "module.momentum_encoder."},
                              {"module.base_encoder.head.0.weight", "module.predictor.0.weight"}));
  EXPECT_EQ(taken.names.size(), 3u);
  EXPECT_EQ(taken.left_out, (Names{"module.base_encoder.head.0.weight", "module.predictor.0.weight"}));
}

TEST(WeightSets, HeadsOfTrainingWithoutLabelsAreLeftOut) {
  const Names heads = {"prototypes.weight", "projection_head.0.weight", "dino_head.mlp.0.weight"};
  for (const char* prefix : {"", "module.", "backbone."}) {
    Names more;
    for (const std::string& head : heads) more.push_back(prefix + head);
    const Taken taken = taken_from(models_under({prefix}, more));
    EXPECT_EQ(taken.names.size(), 3u) << prefix;
    EXPECT_EQ(taken.left_out, more);
  }
}

TEST(WeightSets, WhatCannotBeKnownIsAskedFor) {
  const Names file = models_under({"image_encoder.", "sketch_encoder."});
  const std::string message = message_of<Error>([&] { taken_from(file); });
  EXPECT_TRUE(contains(message, "file.pth: it contains several sets of weights"));
  EXPECT_TRUE(contains(message, "--weights with 'image_encoder' or 'sketch_encoder'"));
  EXPECT_EQ(taken_from(file, "sketch_encoder").set, "sketch_encoder");
  EXPECT_TRUE(
      contains(message_of<Error>([&] { taken_from(file, "ema"); }),
               "'ema' matches none of the sets of weights in this file; they are 'image_encoder' and"));
  // A part of the name is enough if only one set has it.
  const Names dino = models_under({"teacher.backbone.", "student.module.backbone."});
  EXPECT_EQ(taken_from(dino, "student").set, "student.backbone");
  EXPECT_EQ(taken_from(dino, "student.module.backbone").set, "student.backbone");
  EXPECT_TRUE(contains(message_of<Error>([&] { taken_from(dino, "backbone"); }), "more than one"));
  // A larger teacher teaches the student, which is the model.
  std::vector<FileTensor> distilled = file_of(dino);
  for (FileTensor& tensor : distilled) {
    if (tensor.name.starts_with("teacher")) tensor.shape[0] *= 2;
  }
  EXPECT_TRUE(contains(message_of<Error>([&] { taken_from(distilled); }), "pass --weights"));
}

TEST(WeightSets, EqualSetsAndOptimisersAreNoChoice) {
  const std::vector<FileTensor> tensors = file_of(models_under({"model.", "alias.", "optimizer.average."}));
  WeightSets found = find_weight_sets(tensors);
  const WeightChoice choice =
      choose_weights(found, tensors, "", "file.pth", [](size_t, size_t) { return true; });
  EXPECT_EQ(found.sets[choice.taken].name, "model");
  EXPECT_TRUE(choice.others.empty());
  EXPECT_EQ(taken_from(tensors, "average").set, "optimizer.average");
  EXPECT_EQ(taken_from(models_under({"model.", "callbacks.EMA."})).others, Names{"callbacks.EMA"})
      << "what a callback keeps is named";
}

// Stored checkpoints of other libraries, wrapped as in training scripts, give the same as before.
TEST(WeightSets, WrappedModelsGiveTheSameOutputs) {
  const at::NoGradGuard no_grad;
  const fs::path fixtures = fs::path(VITRIM_SOURCE_DIR) / "tests/model/fixtures";
  const at::Tensor input = StateDict(checkpoint::load((fixtures / "input.safetensors").string())).at("input");
  for (const char* name :
       {"vit", "vit_mae", "dinov2_registers", "clip_projection", "swin", "timm_eva_giant"}) {
    const TempDir temp;
    for (const auto& entry : fs::directory_iterator(fixtures / name))
      fs::copy_file(entry.path(), temp.file(entry.path().filename().string()));
    const model::StateDict plain = checkpoint::load((fixtures / name).string());
    model::StateDict wrapped;
    for (const auto& [tensor_name, tensor] : plain.entries()) {
      wrapped.add("student.backbone." + tensor_name, -tensor);
      wrapped.add("teacher.module.backbone." + tensor_name, tensor.clone());
    }
    wrapped.add("teacher.head.mlp.0.weight", at::ones({2, 2}));
    wrapped.add("val_acc.tp", at::ones({2}));
    checkpoint::save_safetensors(wrapped, temp.file("model.safetensors"));
    const auto got = load_model(temp.file("model.safetensors"))->forward(input),
               expected = load_model((fixtures / name).string())->forward(input);
    EXPECT_TRUE(at::equal(got.features, expected.features)) << name;
    SpecSources sources;
    architecture::LoadHints hints;
    hints.weights = "student";
    load_spec(temp.file("model.safetensors"), hints, &sources);
    EXPECT_EQ(sources.said.front(),
              "weights: those under 'student.backbone'; the file also contains teacher.backbone (--weights)");
    EXPECT_TRUE(contains(
        sources.said.at(1),
        "left out: 2 tensors that do not belong to the model (teacher.head.mlp.0.weight, val_acc.tp"));
  }
}

TEST(WeightSets, SurplusInTheModelsOwnPrefixIsRefused) {
  const TempDir temp;
  const model::StateDict own = test::lively_weights(test::small_spec(), 3);
  model::StateDict wrapped;
  for (const auto& [name, tensor] : own.entries()) wrapped.add("backbone." + name, tensor);
  wrapped.add("backbone.blocks.1.norm3.weight", at::ones({32}));
  wrapped.add("other.weight", at::ones({32}));
  checkpoint::save_safetensors(wrapped, temp.file("x.safetensors"));
  architecture::LoadHints hints;
  hints.num_heads = {2};
  EXPECT_TRUE(contains(
      message_of<FormatError>([&] { load_model(temp.file("x.safetensors"), hints); }),
      "surplus: blocks.1.norm3.weight; a surplus tensor may be of a part that vitrim does not compute"));
}

// A small ViT under timm's names, changed as training scripts and other libraries change it.
class Changed : public testing::Test {
 protected:
  Changed() : spec_(test::small_spec()), own_(test::lively_weights(spec_, 3)) { hints_.num_heads = {2}; }
  void change(const std::function<void(model::StateDict&)>& edit) {
    model::StateDict state;
    for (const auto& [name, tensor] : own_.entries()) state.add(name, tensor);
    edit(state);
    checkpoint::save_safetensors(state, file());
  }
  static void rename(model::StateDict& state, const std::string& from, const std::string& to) {
    const at::Tensor tensor = state.at(from);
    state.erase(from);
    state.add(to, tensor);
  }
  std::string file() const { return temp_.file("x.safetensors"); }
  std::string refusal() {
    return message_of<FormatError>([&] { load_model(file(), hints_); });
  }
  ModelSpec spec_;
  model::StateDict own_;
  architecture::LoadHints hints_;
  TempDir temp_;
};

TEST_F(Changed, FilesThatNeedALastStepAreRefusedWithIt) {
  struct Case {
    const char *from, *to, *says;
  };
  for (const Case& one :
       {Case{"blocks.0.mlp.fc1.weight", "blocks.0.mlp.fc1.weight_orig", "torch.nn.utils.prune.remove"},
        Case{"patch_embed.proj.weight", "patch_embed.proj.weight_orig", "torch.nn.utils.prune.remove"},
        Case{"blocks.0.mlp.fc1.weight", "blocks.0.mlp.fc1.parametrizations.weight.original",
             "remove_parametrizations"},
        Case{"blocks.0.attn.qkv.weight", "blocks.0.attn.qkv.base_layer.weight", "merge_and_unload"},
        Case{"patch_embed.proj.weight", "patch_embed.projection.weight", "torchvision's or OpenMMLab's"},
        Case{"blocks.0.attn.qkv.weight", "encoder.layers.encoder_layer_0.self_attention.in_proj_weight",
             "docs/checkpoints.md has the names"},
        Case{"blocks.0.attn.qkv.weight", "visual.transformer.resblocks.0.attn.in_proj_weight",
             "checkpoint_filter_fn"},
        Case{"head.weight", "head.1.weight", "vitrim train --new-head"}}) {
    change([&](model::StateDict& state) { rename(state, one.from, one.to); });
    EXPECT_TRUE(contains(refusal(), one.to));
    EXPECT_TRUE(contains(refusal(), one.says));
  }
  change([](model::StateDict& state) { state.add("pre_logits.fc.weight", at::ones({32, 32})); });
  EXPECT_TRUE(contains(refusal(), "tanh layer before the classifier"));
}

TEST_F(Changed, ANewHeadTakesThePlaceOfOneThatCannotBeRead) {
  change([](model::StateDict& state) {
    rename(state, "head.weight", "head.1.weight");
    rename(state, "head.bias", "head.1.bias");
  });
  const auto model = load_model_with_new_head(file(), 3, 1, hints_);
  EXPECT_EQ(model->spec().num_classes, 3);
  EXPECT_TRUE(at::equal(model->parameter("blocks.1.mlp.fc1.weight"), own_.at("blocks.1.mlp.fc1.weight")));
  // What belongs to the model is refused nevertheless.
  change([](model::StateDict& state) { state.add("blocks.0.attn.qkv.lora_A.weight", at::ones({2, 32})); });
  EXPECT_TRUE(
      contains(message_of<FormatError>([&] { load_model_with_new_head(file(), 3, 1, hints_); }), "LoRA"));
}

TEST_F(Changed, AMissingTensorIsOnlyMissingWhereNoneHasItsEnding) {
  const std::string name = "blocks.0.mlp.fc2.weight";
  change([&](model::StateDict& state) { state.erase(name); });
  EXPECT_TRUE(contains(refusal(), "this tensor is missing: the file is incomplete"));
  change([&](model::StateDict& state) { rename(state, name, "blocks.0.wrapped.mlp.inner.fc2.weight"); });
  EXPECT_TRUE(contains(refusal(), "but the file holds blocks.0.wrapped.mlp.inner.fc2.weight"));
  EXPECT_FALSE(refusal().find("incomplete") != std::string::npos);
  change([&](model::StateDict& state) { rename(state, name, "blocks.0.mlp.fc2.kernel"); });
  EXPECT_TRUE(contains(refusal(), "but the file holds blocks.0.mlp.fc2.kernel in its place"));
}

TEST(WeightSets, NothingToChooseFrom) {
  architecture::LoadHints hints;
  hints.weights = "ema";
  EXPECT_TRUE(
      contains(message_of<Error>([&] { load_spec("deit_tiny_patch16_224", hints); }), "without --weights"));
  const TempDir temp;
  save_model(*make_random_model(test::small_spec(), 1), temp.file("own.safetensors"));
  EXPECT_TRUE(contains(message_of<Error>([&] { load_model(temp.file("own.safetensors"), hints); }),
                       "'ema' is not a set of weights"));
}

}  // namespace
}  // namespace vitrim::model
