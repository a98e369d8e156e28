// The computation of int8 layers in LibTorch.

#include "vitrim/model/quantized.h"

#include "core/expect_throw.h"
#include "model/small_models.h"
#include "vitrim/core/error.h"

namespace vitrim::model {
namespace {

// Products of bytes, if this machine has them, equal those of integers in float32, to the last bit.
TEST(QuantizedLinear, BytesAndFloatsAgree) {
  if (!multiplies_bytes()) GTEST_SKIP() << "no instructions that multiply bytes exactly";
  at::Generator generator = at::detail::createCPUGenerator(2);
  const struct {
    int64_t rows, in, out;
  } shapes[] = {{1, 5, 3}, {7, 64, 16}, {33, 300, 70}, {2, 3072, 9}};
  for (const auto& shape : shapes) {
    at::Tensor x = at::randn({2, shape.rows, shape.in}, generator);
    x[0][0].zero_();
    at::Tensor weight = at::randint(-127, 128, {shape.out, shape.in}, generator).to(at::kFloat);
    weight.slice(1, 0, shape.in, 2).fill_(127);
    const at::Tensor scale = at::rand({shape.out, 1}, generator), bias = at::randn({shape.out}, generator);
    EXPECT_TRUE(at::equal(quantized_linear(x, weight, scale, bias),
                          quantized_linear(x, weight.to(at::kChar), scale, bias)))
        << shape.in;
  }
}

TEST(QuantizedLinear, FactorsOnTheInput) {
  const ModelSpec dense = test::small_spec(2);
  ModelSpec spec = dense;
  for (BlockSpec& block : spec.blocks) block.int8.fc2 = true;
  StateDict weights = test::lively_weights(dense, 1);
  for (const char* layer : {"blocks.0.mlp.fc2", "blocks.1.mlp.fc2"}) {
    const std::string name = layer;
    weights.set(name + ".weight",
                (weights.at(name + ".weight") * 100).round().clamp(-127, 127).to(at::kChar));
    weights.add(name + ".weight_scale", at::full({32, 1}, 0.01f));
  }
  const auto without = make_model(spec, weights);
  const at::Tensor gain = at::linspace(0.5, 2, 64);
  weights.add("blocks.1.mlp.fc2.input_gain", gain);
  const auto with = make_model(spec, weights);
  ASSERT_TRUE(with->has_parameter("blocks.1.mlp.fc2.input_gain"));
  const at::NoGradGuard no_grad;
  const at::Tensor hidden = at::randn({3, 64}, at::detail::createCPUGenerator(3));
  EXPECT_TRUE(at::equal(with->linear(hidden, "blocks.1.mlp.fc2"),
                        without->linear(hidden * gain, "blocks.1.mlp.fc2")));
  weights.set("blocks.1.mlp.fc2.input_gain", at::ones({63}));
  EXPECT_THROW(make_model(spec, weights), FormatError);
  weights.erase("blocks.1.mlp.fc2.input_gain");
  weights.add("blocks.1.mlp.fc1.input_gain", at::ones({32}));  // of a layer that is float
  EXPECT_THROW(make_model(spec, weights), FormatError);
}

}  // namespace
}  // namespace vitrim::model
