// Entropies and transfer entropies of the real ViT-Ti against figures computed in Python
// (shared/golden/nose_vit_tiny.json). Both sides run in bfloat16 (where this machine has it), so they agree
// within 5 %.

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <sstream>

#include "shared_data.h"
#include "vitrim/analysis/layer_trace.h"
#include "vitrim/analysis/transfer_entropy.h"
#include "vitrim/data/dataset.h"
#include "vitrim/model/loading.h"

namespace vitrim::analysis {
namespace {

constexpr double kTolerance = 0.05;

class RealEntropy : public testing::Test {
 protected:
  void SetUp() override {
    VITRIM_NEEDS_SHARED("golden/nose_vit_tiny.json");
    VITRIM_NEEDS_SHARED("data/imagenet_calib1000");
    VITRIM_NEEDS_SHARED("data/vit_tiny_imagenet1k/model.safetensors");
    golden_ = nlohmann::json::parse(std::ifstream(test::shared_folder() / "golden/nose_vit_tiny.json"));
    model_ =
        model::load_model((test::shared_folder() / "data/vit_tiny_imagenet1k/model.safetensors").string());
    model_->set_compute_dtype(model::fast_dtype());
  }

  // The first `count` images in class order.
  data::ImageBatch load(int64_t count) const {
    const auto dataset = data::open_dataset((test::shared_folder() / "data/imagenet_calib1000").string());
    data::LoadOptions options;
    options.preprocess = model_->spec().preprocess.value();
    options.indices.resize(static_cast<size_t>(count));
    std::iota(options.indices.begin(), options.indices.end(), 0);
    return data::load_images(*dataset, options);
  }

  // Scores all sets of `figures` in one call, so that they share prefixes, and compares.
  void compare(const data::ImageBatch& images, Mask mask, const nlohmann::json& figures,
               const std::vector<std::string>& quick) {
    std::vector<select::LayerSet> sets;
    std::vector<double> expected;
    for (const auto& [key, value] : figures.items()) {
      if (!std::getenv("VITRIM_FULL") && std::find(quick.begin(), quick.end(), key) == quick.end()) continue;
      std::istringstream layers(key);
      sets.emplace_back();
      for (std::string layer; std::getline(layers, layer, ',');) sets.back().push_back(std::stoi(layer));
      expected.push_back(value);
    }
    ASSERT_GE(sets.size(), quick.size());
    TransferEntropyOptions options;
    options.mask = mask;
    options.replicates = 20;
    TransferEntropyScorer scorer(*model_, images, options);
    const auto scored = scorer.score(sets);
    for (size_t i = 0; i < sets.size(); ++i) {
      EXPECT_NEAR(scored[i].result.te.value, expected[i], kTolerance * expected[i])
          << to_string(mask) << ' ' << testing::PrintToString(sets[i]);
      EXPECT_GT(scored[i].result.te.standard_error, 0);
    }
    EXPECT_NEAR(scorer.output_entropy().value, golden_["H_dense"].get<double>(), 0.005 * 257.6);
    EXPECT_EQ(scorer.floored_channels(), 0);
  }

  nlohmann::json golden_;
  std::unique_ptr<model::Model> model_;
};

// VITRIM_FULL compares every figure of the file.
TEST_F(RealEntropy, TransferEntropies) {
  const data::ImageBatch images = load(golden_["images"]);
  compare(images, Mask::kSkip, golden_["transfer_entropy_drop"], {"0,2,4", "6,8,9", "9", "10", "11"});
  compare(images, Mask::kIdentity, golden_["transfer_entropy_identity2x"], {"8", "10", "11"});
}

TEST_F(RealEntropy, LayerEntropies) {
  LayerTraceOptions options;
  options.other_estimator = false;
  options.replicates = 20;
  const LayerTrace trace = trace_layers(*model_, load(200), options);
  const nlohmann::json& figures = golden_["layer_entropy_first_200_images"];
  ASSERT_EQ(trace.attention.size(), figures["attention"].size());
  for (size_t i = 0; i < trace.attention.size(); ++i) {
    const double attention = figures["attention"][i], mlp = figures["mlp"][i];
    EXPECT_NEAR(trace.attention[i].value, attention, kTolerance * std::abs(attention)) << "block " << i;
    EXPECT_NEAR(trace.mlp[i].value, mlp, kTolerance * std::abs(mlp)) << "block " << i;
    EXPECT_GT(trace.attention[i].standard_error, 0);
  }
}

}  // namespace
}  // namespace vitrim::analysis
