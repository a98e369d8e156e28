// Int8 layers as ONNX nodes (docs/quantization.md, docs/export.md).

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "exporter/layer_builder.h"
#include "vitrim/architecture/input_gain.h"

namespace vitrim::exporter {

namespace {

constexpr double kLargestStep = 127;  // steps on either side of zero, for inputs that are quantised per token
constexpr double kMiddle = 128;       // the zero point of uint8, which runtimes multiply fastest
// The divisor for a row of zeros: 127 / 1e-30 is still finite.
constexpr double kSmallestRow = 1e-30;

}  // namespace

// The bias has three dimensions, because ONNX Runtime would fuse a bias with a single dimension and its
// product into a float32 Gemm before it looks for integer products.
Value LayerBuilder::int8_linear(const Value& x, const std::string& prefix) {
  const std::string label = prefix.substr(prefix.rfind('.') + 1);
  Value out;
  {
    const Graph::Scope scope(graph_, label);
    Value in = to_float(x);
    if (const std::string gain = prefix + architecture::kInputGain; has(gain))
      in = binary("Mul", "gain", in, stored(gain));
    out = input_ranges_.empty() ? dynamic_product(in, prefix)
                                : static_product(in, prefix, input_ranges_.at(prefix));
    if (has(prefix + ".bias")) {
      const at::Tensor& bias = take(prefix + ".bias");
      out = binary("Add", "bias", out,
                   graph_.tensor(prefix + ".bias", bias.reshape({1, 1, bias.size(0)}), Type::kFloat));
    }
  }
  return to_compute(out);
}

// x_q + 128 = round(x 127 / max |x|) + 128, token by token; sums; max |x| / 127; the channels' scales.
Value LayerBuilder::dynamic_product(const Value& x, const std::string& prefix) {
  const Value weight = graph_.tensor(prefix + ".weight", take(prefix + ".weight").t(), Type::kInt8),
              scale = graph_.tensor(prefix + ".weight_scale", take(prefix + ".weight_scale").flatten(),
                                    Type::kFloat),
              middle = graph_.scalar(kMiddle, Type::kUint8);
  const Value largest = reduce("ReduceMax", "largest", unary("Abs", "magnitude", x), -1, true);
  const Value steps = binary("Div", "steps", graph_.scalar(kLargestStep, Type::kFloat),
                             binary("Max", "not_zero", largest, graph_.scalar(kSmallestRow, Type::kFloat)));
  const Value quantized = graph_.node(
      "QuantizeLinear", "quantized",
      {binary("Mul", "in_steps", x, steps), graph_.scalar(1, Type::kFloat), middle}, Type::kUint8);
  const Value sums = graph_.node("MatMulInteger", "sums", {quantized, weight, middle}, Type::kInt32);
  const Value factors = binary("Div", "factors", largest, graph_.scalar(kLargestStep, Type::kFloat));
  return binary("Mul", "scaled", binary("Mul", "by_token", cast(sums, Type::kFloat), factors), scale);
}

// MatMul between DequantizeLinear and DequantizeLinear.
Value LayerBuilder::static_product(const Value& x, const std::string& prefix, const InputRange& range) {
  // 255 steps between the two ends, with one step exactly at zero.
  const double width = static_cast<double>(range.high) - range.low, step = width > 0 ? width / 255 : 1;
  const double zero = std::clamp(std::round(-range.low / step), 0.0, 255.0);
  const at::Tensor& values = take(prefix + ".weight");
  const int64_t out = values.size(0);
  const Value scale =
      graph_.tensor(prefix + ".input_scale", at::scalar_tensor(step, at::kDouble), Type::kFloat);
  const Value zero_point = graph_.scalar(zero, Type::kUint8);
  const Value quantized = graph_.node("QuantizeLinear", "quantized", {x, scale, zero_point}, Type::kUint8);
  const Value read =
      graph_.node("DequantizeLinear", "dequantized", {quantized, scale, zero_point}, Type::kFloat);
  const Value weight = graph_.node(
      "DequantizeLinear", "weight",
      {graph_.tensor(prefix + ".weight", values.t(), Type::kInt8),
       graph_.tensor(prefix + ".weight_scale", take(prefix + ".weight_scale").flatten(), Type::kFloat),
       graph_.shared_tensor("zeros:" + std::to_string(out), at::zeros({out}), Type::kInt8)},
      Type::kFloat, {{"axis", int64_t{1}}});
  return binary("MatMul", "product", read, weight);
}

}  // namespace vitrim::exporter
