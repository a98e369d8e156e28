#pragma once
// The real ViT-Ti and its reference tensors, for tests that run where the shared data is.

#include <gtest/gtest.h>

#include <memory>

#include "model/small_models.h"
#include "shared_data.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/model/loading.h"

namespace vitrim::test {

class RealViTTiny : public testing::Test {
 protected:
  void SetUp() override {
    VITRIM_NEEDS_SHARED("golden/vit_tiny_imagenet.safetensors");
    VITRIM_NEEDS_SHARED("data/vit_tiny_imagenet1k/model.safetensors");
    golden_ = checkpoint::load((shared_folder() / "golden/vit_tiny_imagenet.safetensors").string());
    model_ = model::load_model((shared_folder() / "data/vit_tiny_imagenet1k/model.safetensors").string());
    images_ = (golden_.at("images_u8").to(at::kFloat) / 255 - 0.5) / 0.5;
    // fc2 sums 768 products. A trained network enlarges relative changes by some 10 through twelve blocks.
    tolerance_ = float_tolerance(768, operations(model_->spec()), 10);
  }

  model::StateDict golden_;
  std::unique_ptr<model::Model> model_;
  at::Tensor images_;
  double tolerance_ = 0;
};

}  // namespace vitrim::test
