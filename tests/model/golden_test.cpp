// Outputs and gradients of timm's models, and of the real ViT-Ti, against reference tensors
// (shared/golden/README.md).

#include <torch/csrc/autograd/autograd.h>

#include <nlohmann/json.hpp>

#include "model/real_vit.h"
#include "model/small_models.h"
#include "shared_data.h"
#include "vitrim/architecture/infer.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/model/loading.h"

namespace vitrim {
namespace {

using test::relative_difference;

std::string golden(const std::string& relative) {
  return (test::shared_folder() / "golden" / relative).string();
}

class GoldenModel : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    VITRIM_NEEDS_SHARED("golden/models");
    read(GetParam());
    architecture::LoadHints hints;
    hints.num_heads = {
        config_["num_heads"].get<int64_t>()};  // 48 channels in 3 heads can't be told from shapes
    spec_ = model::infer_spec(weights_, hints);
  }

  void read(const std::string& name) {
    file_ = checkpoint::load(golden("models/" + name + ".safetensors"));
    config_ = nlohmann::json::parse(file_.metadata.at("config"));
    for (const auto& [key, tensor] : file_.entries()) {
      if (key.starts_with("weights/")) weights_.add(key.substr(8), tensor);
    }
  }

  model::StateDict file_, weights_;
  nlohmann::json config_;
  ModelSpec spec_;
};

TEST_P(GoldenModel, SpecIsThatOfTheConfig) {
  EXPECT_EQ(spec_.image_size[0], config_["img_size"]);
  EXPECT_EQ(spec_.patch_size, config_["patch_size"]);
  EXPECT_EQ(spec_.num_classes, config_["num_classes"]);
  EXPECT_EQ(spec_.embed_dim, config_["embed_dim"]);
  ASSERT_EQ(spec_.blocks.size(), config_["depth"].get<size_t>());
  EXPECT_EQ(spec_.blocks.back().num_heads, config_["num_heads"]);
  EXPECT_EQ(spec_.blocks.back().mlp_dim, spec_.embed_dim * 4);
  EXPECT_EQ(spec_.class_token, config_.value("class_token", true));
  EXPECT_EQ(spec_.pooling == Pooling::kAverage, config_.value("global_pool", "token") == "avg");
  EXPECT_EQ(spec_.fc_norm, spec_.pooling == Pooling::kAverage);
  EXPECT_EQ(spec_.register_tokens, config_.value("reg_tokens", 0));
  EXPECT_EQ(spec_.qkv_bias, config_.value("qkv_bias", true));
  EXPECT_EQ(spec_.qk_norm, config_.value("qk_norm", false));
  EXPECT_EQ(spec_.layer_scale, config_.contains("init_values"));
  EXPECT_EQ(spec_.distillation_token, std::string(GetParam()) == "deit_distilled");
}

// Longest sum of products, and what random weights of the references' scale enlarge.
void expect_output_and_gradients(const model::StateDict& file, const ModelSpec& spec,
                                 const model::StateDict& weights, double tolerance) {
  auto model = model::make_model(spec, weights);
  model->set_requires_grad(true);
  const at::Tensor output = model->forward(file.at("input")).logits;
  EXPECT_LT(relative_difference(output, file.at("output")), tolerance);

  std::vector<std::string> names;
  std::vector<at::Tensor> parameters;
  for (const auto& [name, tensor] : model->parameters().entries()) {
    if (!file.contains("grads/" + name)) continue;
    names.push_back(name);
    parameters.push_back(tensor);
  }
  size_t golden_gradients = 0;
  for (const auto& [name, tensor] : file.entries()) golden_gradients += name.starts_with("grads/");
  ASSERT_EQ(names.size(), golden_gradients);
  const auto gradients = torch::autograd::grad({(output * file.at("output_weights")).sum()}, parameters);
  for (size_t i = 0; i < names.size(); ++i) {
    const at::Tensor& wanted = file.at("grads/" + names[i]);
    const double error = (gradients[i] - wanted).abs().max().item<double>() /
                         file.at("grads/" + test::gradient_scale(names[i])).abs().max().item<double>();
    // Back and forth: twice the operations.
    EXPECT_LT(error, 2 * tolerance) << names[i];
  }
}

TEST_P(GoldenModel, OutputAndGradients) {
  // 768 products per patch are the longest sum; random weights of timm's scale enlarge little.
  expect_output_and_gradients(file_, spec_, weights_, test::float_tolerance(768, test::operations(spec_), 2));
}

INSTANTIATE_TEST_SUITE_P(Timm, GoldenModel,
                         testing::Values("vit_cls", "vit_layerscale_qknorm", "vit_gap", "vit_reg4",
                                         "vit_noqkvbias", "deit_distilled"),
                         [](const auto& info) { return std::string(info.param); });

// Models with stages: Swin of timm, and FLatten-Transformer's.
class GoldenStages : public GoldenModel {
 protected:
  void SetUp() override {
    VITRIM_NEEDS_SHARED("golden/models");
    read(GetParam());
    architecture::LoadHints hints;
    hints.image_size = config_["img_size"].get<int64_t>();
    spec_ = model::infer_spec(weights_, hints);
    spec_.norm_eps =
        1e-5;  // PyTorch's default, which the references were built with; published PVTs have 1e-6
  }
  std::vector<int64_t> list(const char* key) const { return config_[key].get<std::vector<int64_t>>(); }
};

TEST_P(GoldenStages, SpecIsThatOfTheConfig) {
  const std::vector<int64_t> depths = list(config_.contains("depths") ? "depths" : "depth"),
                             heads = list("num_heads");
  ASSERT_EQ(spec_.stages.size(), depths.size());
  for (size_t s = 0; s < depths.size(); ++s) {
    EXPECT_EQ(spec_.stages[s].depth, depths[s]);
    const int64_t wanted =
        config_.contains("embed_dims") ? list("embed_dims")[s] : config_["embed_dim"].get<int64_t>() << s;
    EXPECT_EQ(spec_.stages[s].embed_dim, wanted);
  }
  const std::string attention = config_.value("attn_type", "SSSS");
  for (int i = 0; i < static_cast<int>(spec_.blocks.size()); ++i) {
    const BlockSpec& block = spec_.blocks[static_cast<size_t>(i)];
    const auto stage = static_cast<size_t>(spec_.position(i).stage);
    EXPECT_EQ(block.num_heads, heads[stage]) << i;
    EXPECT_EQ(block.num_heads * block.qk_dim, block.embed_dim) << i;
    EXPECT_EQ(block.mlp_dim, 4 * block.embed_dim) << i;
    const bool linear = block.attention == AttentionKind::kFocusedLinear ||
                        block.attention == AttentionKind::kCrossFocusedLinear;
    EXPECT_EQ(linear, attention[stage] == 'L') << i;
  }
  EXPECT_EQ(model_spec_from_json(to_json(spec_), "json"), spec_);
}

TEST_P(GoldenStages, OutputAndGradients) {
  // The longest sum: 1024 products of a 7 x 7 or 8 x 8 convolution, 784 tokens of a window. Third powers and
  // their norms treble a relative change in every focused block.
  expect_output_and_gradients(file_, spec_, weights_,
                              test::float_tolerance(1024, test::operations(spec_), 4));
}

INSTANTIATE_TEST_SUITE_P(References, GoldenStages,
                         testing::Values("swin", "swin_w7", "flatten_swin_LLLL_w4", "flatten_swin_LSSS_w28",
                                         "flatten_pvt_SSSS_8421", "flatten_pvt_LLLL_8421",
                                         "flatten_pvt_LLSS_1111", "flatten_pvt_v2_LLLL_8421",
                                         "flatten_pvt_v2_LLSS_1111", "flatten_cswin_LLSS"),
                         [](const auto& info) { return std::string(info.param); });

class RealViT : public test::RealViTTiny {
 protected:
  double distance(const std::vector<model::BlockGain>& gains, const std::string& key) const {
    const at::NoGradGuard no_grad;
    return relative_difference(model_->forward(images_, gains).logits, golden_.at(key));
  }
  static std::vector<model::BlockGain> at_0_2_4(model::BlockGain gain) {
    std::vector<model::BlockGain> gains(12);
    gains[0] = gains[2] = gains[4] = gain;
    return gains;
  }
};

TEST_F(RealViT, PreprocessingIsInTheMetadata) {
  const PreprocessSpec p = model_->spec().preprocess.value();
  EXPECT_EQ(p.resize, 248);
  EXPECT_EQ(p.crop, 224);
  EXPECT_EQ(p.mean[2], 0.5);
  EXPECT_EQ(p.interpolation, Interpolation::kBicubic);
}

TEST_F(RealViT, DenseLogitsAndTokens) {
  const at::NoGradGuard no_grad;
  EXPECT_LT(distance({}, "logits_dense"), tolerance_);
  at::Tensor x = model_->embed(images_.slice(0, 0, 2));
  for (int i = 0; i < 12; ++i) {
    x = model_->run_block(i, x, model::kKeep, nullptr);
    EXPECT_LT(relative_difference(x.select(1, 0), golden_.at("cls_after_block")[i]), tolerance_)
        << "block " << i;
  }
  const at::Tensor normed =
      at::layer_norm(x, {192}, model_->parameter("norm.weight"), model_->parameter("norm.bias"), 1e-6);
  EXPECT_LT(relative_difference(normed, golden_.at("final_norm_tokens")), tolerance_);
  EXPECT_LT(relative_difference(model_->finish(x).features, golden_.at("final_norm_tokens").select(1, 0)),
            tolerance_);
}

TEST_F(RealViT, RemovedAndDilutedAttention) {
  EXPECT_LT(distance(at_0_2_4(model::kSkip), "logits_removed_0_2_4_dropped"), tolerance_);
  EXPECT_LT(distance(at_0_2_4(model::kIdentity), "logits_removed_0_2_4_identity2x"), tolerance_);
  EXPECT_LT(distance(at_0_2_4(model::diluted(0.4)), "logits_diluted_0_2_4_lambda0.4"), tolerance_);
}

TEST_F(RealViT, Bfloat16IsNear) {
  const at::NoGradGuard no_grad;
  model_->set_compute_dtype(at::kBFloat16);
  // Each product is rounded to 8 bits (2^-9 relative) at its inputs and its output; five products and sums a
  // block whose errors add up as a root, enlarged as above: sqrt(60) * 2^-9 * 10 = 0.15.
  EXPECT_LT(distance({}, "logits_dense"), std::sqrt(60.0) * std::ldexp(1.0, -9) * 10);
  EXPECT_GT(distance({}, "logits_dense"), tolerance_) << "bfloat16 was not used";
}

}  // namespace
}  // namespace vitrim
