// Tensors that are derived from a file's without LibTorch equal those that LibTorch derives.

#include "weights/derive.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "model/derive.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/model/loading.h"
#include "vitrim/model/state_dict.h"
#include "vitrim/weights/open.h"

namespace vitrim::weights {
namespace {

namespace fs = std::filesystem;
using architecture::TensorInfo;
using architecture::TensorTable;

// Every fixture of other libraries' checkpoints: the engine's parameters are the model's.
TEST(Derive, EnginesParametersAreTheModels) {
  const fs::path fixtures = fs::path(VITRIM_SOURCE_DIR) / "tests/model/fixtures";
  int64_t tensors = 0;
  for (const auto& entry : fs::directory_iterator(fixtures)) {
    if (!entry.is_directory()) continue;
    const auto model = model::load_model(entry.path().string());
    const Opened opened = open(entry.path().string());
    EXPECT_EQ(opened.spec, model->spec());
    const checkpoint::Checkpoint found = parameters_of(opened);
    ASSERT_EQ(found.size(), model->parameters().size()) << entry.path();
    for (const auto& [name, view] : found.entries()) {
      const at::Tensor expected = model->parameter(name);
      ASSERT_EQ(at::IntArrayRef(view.shape), expected.sizes()) << name;
      const std::vector<float> values = checkpoint::floats_of(view);
      const at::Tensor got = at::from_blob(const_cast<float*>(values.data()), view.shape, at::kFloat);
      // Only resized positions are computed, in float64 here and in float32 there: sixteen products a value.
      EXPECT_TRUE(at::allclose(got, expected, 0, 16 * 0x1p-24 * 8)) << entry.path() << " " << name;
      ++tensors;
    }
  }
  EXPECT_GT(tensors, 100);
}

TEST(Derive, ResizedMapsAreLibTorchs) {
  for (const bool antialias : {false, true}) {
    for (const auto& [from, to] : std::vector<std::pair<Grid, Grid>>{{{7, 7}, {12, 12}},
                                                                     {{14, 14}, {9, 5}},
                                                                     {{16, 16}, {3, 3}},
                                                                     {{5, 5}, {5, 11}},
                                                                     {{2, 2}, {1, 4}}}) {
      model::StateDict file;
      file.add("p",
               at::randn({1, from.size(), 6}, at::detail::createCPUGenerator(from.size())).to(at::kFloat));
      TensorTable wanted;
      wanted.add(
          "p", architecture::resized({"p", DType::kF32, {1, from.size(), 6}, nullptr}, from, to, antialias));
      const at::Tensor expected = model::derive(wanted, file).at("p");
      const checkpoint::Checkpoint found = derive(wanted, file);
      EXPECT_TRUE(at::allclose(model::StateDict(found).at("p"), expected, 1e-5, 1e-5))
          << from.height << " -> " << to.height << "x" << to.width << " antialias " << antialias;
    }
  }
}

TEST(Derive, EveryDtypeReadsAsLibTorchReadsIt) {
  const at::Tensor values =
      at::cat({at::linspace(-448, 448, 57), at::tensor({0.0, 1e-3, -6e-8, 65504.0, 1e-7})});
  for (const at::ScalarType type : {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16, at::kLong, at::kInt,
                                    at::kShort, at::kFloat8_e4m3fn, at::kFloat8_e5m2}) {
    const at::Tensor typed = (type == at::kShort ? values.clamp(-448, 448) : values).to(type);
    model::StateDict file;
    file.add("flat", typed);
    file.add("turned", typed.slice(0, 0, 60).reshape({6, 10}).t());
    const checkpoint::Checkpoint views = file;
    for (const auto& [name, view] : views.entries()) {
      const std::vector<float> got = checkpoint::floats_of(view);
      const at::Tensor expected = file.at(name).to(at::kFloat).contiguous();
      const float* want = expected.const_data_ptr<float>();
      for (size_t i = 0; i < got.size(); ++i) {
        if (std::isnan(want[i])) {
          EXPECT_TRUE(std::isnan(got[i])) << c10::toString(type) << " " << i;
        } else {
          EXPECT_EQ(got[i], want[i]) << c10::toString(type) << " " << name << " " << i;
        }
      }
    }
  }
}

}  // namespace
}  // namespace vitrim::weights
