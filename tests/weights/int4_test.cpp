// Weights of 4 bits in files: packed and unpacked, exactly, and what is refused.

#include "vitrim/weights/int4.h"

#include <ATen/ATen.h>

#include <cmath>
#include <functional>

#include "core/expect_throw.h"
#include "model/small_models.h"
#include "vitrim/core/error.h"
#include "vitrim/model/state_dict.h"
#include "vitrim/quantize/quantize.h"

namespace vitrim::weights {
namespace {

constexpr const char* kLayer = "blocks.0.mlp.fc2";  // [32, 64]

// Widths that groups and words do not divide, one row of zeros.
std::unique_ptr<model::Model> int4_model() {
  ModelSpec spec = test::small_spec(2);
  spec.blocks[1].mlp_dim = 37;
  const auto dense = test::lively_model(spec);
  at::Tensor weight = dense->parameter("blocks.1.mlp.fc2.weight").clone();
  weight[3].zero_();
  dense->set_parameter("blocks.1.mlp.fc2.weight", weight);
  quantize::QuantizeOptions options;
  options.weight_bits = 4;
  options.keep = {"blocks.0.attn.proj"};
  return quantize::quantize(*dense, options).model;
}

model::StateDict packed_state(const model::Model& model) {
  checkpoint::Checkpoint state = model.parameters();
  pack_int4(model.spec(), state);
  return state;
}

TEST(Int4, ComesBackExactly) {
  const auto model = int4_model();
  ASSERT_TRUE(model->spec().blocks[1].int4.fc2 && !model->spec().blocks[0].int4.proj);
  const model::StateDict packed = packed_state(*model);
  EXPECT_FALSE(packed.contains(std::string(kLayer) + ".weight"));
  EXPECT_EQ(packed.at("blocks.1.mlp.fc2.weight_packed").sizes(), at::IntArrayRef({32, 5}));
  EXPECT_EQ(packed.at("blocks.1.mlp.fc2.weight_scale").sizes(), at::IntArrayRef({32, 2}));
  EXPECT_EQ(packed.at("blocks.1.mlp.fc2.weight_scale").scalar_type(), at::kHalf);
  EXPECT_EQ(packed.at("blocks.0.attn.proj.weight").scalar_type(), at::kFloat);
  checkpoint::Checkpoint again = packed;
  unpack_int4(model->spec(), again);
  const model::StateDict state = again;
  ASSERT_EQ(state.size(), model->parameters().size());
  for (const auto& [name, tensor] : model->parameters().entries())
    EXPECT_TRUE(at::equal(state.at(name), tensor)) << name;
}

// The meaning of the packed form, without the tested code: scale times the 4-bit number.
TEST(Int4, PackedAsTheConventionSays) {
  const auto model = int4_model();
  const model::StateDict packed = packed_state(*model);
  const std::string name = kLayer;
  const at::Tensor words = packed.at(name + ".weight_packed"), scale = packed.at(name + ".weight_scale"),
                   shape = packed.at(name + ".weight_shape");
  EXPECT_TRUE(at::equal(shape, at::tensor({32, 64}, at::kLong)));
  for (int64_t r = 0; r < 32; r += 5) {
    for (int64_t i = 0; i < 64; ++i) {
      const auto word = static_cast<uint32_t>(words[r][i / 8].item<int32_t>());
      const int q = static_cast<int>(word >> (4 * (i % 8)) & 15U) - 8;
      EXPECT_LE(std::abs(q), 7);
      EXPECT_EQ(static_cast<float>(q) * scale[r][i / 32].item<float>(),
                static_cast<float>(model->parameter(name + ".weight")[r][i].item<int8_t>()) *
                    model->parameter(name + ".weight_scale")[r].item<float>());
    }
  }
}

TEST(Int4, ScalesBeyondHalfPrecision) {
  const auto model = int4_model();
  const std::string scale = std::string(kLayer) + ".weight_scale";
  model->set_parameter(scale, model->parameter(scale) * std::ldexp(1.0, -20));
  const model::StateDict packed = packed_state(*model);
  EXPECT_EQ(packed.at(scale).scalar_type(), at::kFloat);
  checkpoint::Checkpoint again = packed;
  unpack_int4(model->spec(), again);
  EXPECT_TRUE(at::equal(model::StateDict(again).at(scale), model->parameter(scale)));
}

TEST(Int4, RefusesWhatIsWrong) {
  const auto model = int4_model();
  const model::StateDict packed = packed_state(*model);
  const std::string name = kLayer, words = name + ".weight_packed", scale = name + ".weight_scale",
                    shape = name + ".weight_shape";
  const at::Tensor scales = packed.at(scale).to(at::kFloat);
  const auto with_scale = [&](double value) {
    at::Tensor changed = scales.clone();
    changed[2][1] = value;
    return changed;
  };
  const struct {
    std::string name;
    at::Tensor value;  // undefined: the tensor is missing
    const char* says;
  } cases[] = {
      {words, {}, "missing"},
      {scale, {}, "missing"},
      {shape, {}, "missing"},
      {words, packed.at(words).slice(1, 0, 7), "expected [32, 8], found [32, 7]"},
      {words, packed.at(words).to(at::kLong), "expected int32"},
      {scale, scales.slice(1, 0, 1), "expected [32, 2], found [32, 1]"},
      {scale, at::ones_like(scales, at::kInt), "floating-point"},
      {scale, with_scale(0), "row 2: the scales"},
      {scale, with_scale(-0.5), "row 2: the scales"},
      {scale, with_scale(NAN), "row 2: the scales"},
      {scale, with_scale(0.123456), "row 2: the scales"},
      {scale, with_scale(1e30), "row 2: the scales"},
      {words, at::zeros_like(packed.at(words)), "at most 127 is allowed"},  // -8 everywhere
      {shape, at::tensor({64, 32}, at::kLong), "states 64 x 32"},
      {shape, at::tensor({32, 64}, at::kInt), "expected int64"},
  };
  for (const auto& wrong : cases) {
    model::StateDict changed = packed;
    if (wrong.value.defined()) {
      changed.set(wrong.name, wrong.value);
    } else {
      changed.erase(wrong.name);
    }
    if (wrong.says == std::string("at most 127 is allowed"))  // factors of 1 and 16
      changed.set(scale, at::tensor({0.5f, 8.0f}).expand({32, 2}).contiguous());
    checkpoint::Checkpoint file = changed;
    const std::string said = message_of<FormatError>([&] { unpack_int4(model->spec(), file); });
    EXPECT_TRUE(contains(said, wrong.says));
    EXPECT_TRUE(contains(said, name));
  }
  // Weights that do not fit into 4 bits are not written as if they did.
  const auto other = int4_model();
  at::Tensor weight = other->parameter(name + ".weight").clone();
  weight[0][0] = 1;
  weight[0][1] = 101;
  other->set_parameter(name + ".weight", weight);
  EXPECT_TRUE(contains(message_of<std::invalid_argument>([&] { packed_state(*other); }), name));
}

}  // namespace
}  // namespace vitrim::weights
