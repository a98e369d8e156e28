#include "exporter/layer_builder.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>
#include <stdexcept>

#include "vitrim/architecture/parameters.h"
#include "vitrim/core/error.h"

namespace vitrim::exporter {

namespace {

std::string last_part(const std::string& name) { return name.substr(name.rfind('.') + 1); }

}  // namespace

LayerBuilder::LayerBuilder(const model::Model& model, const OnnxOptions& options)
    : model_(model),
      batch_(options.batch.value_or(-1)),
      compute_(options.half ? Type::kHalf : Type::kFloat),
      input_ranges_(options.input_ranges) {}

const at::Tensor& LayerBuilder::take(const std::string& parameter) {
  taken_.insert(parameter);
  return model_.parameter(parameter);
}

void LayerBuilder::check_all_taken() const {
  std::string left;
  for (const architecture::ParameterInfo& info : architecture::parameter_layout(spec())) {
    if (info.used && !taken_.contains(info.name)) left += (left.empty() ? "" : ", ") + info.name;
  }
  if (!left.empty())
    throw std::invalid_argument("[exporter::write_onnx] the ONNX writer does not support these parameters: " +
                                left);
}

Value LayerBuilder::compute_tensor(const std::string& name, const at::Tensor& tensor) {
  if (compute_ == Type::kHalf && tensor.numel() > 0) {
    constexpr double kLargestHalf = 65504;
    const double largest = tensor.abs().max().item<double>();
    if (largest > kLargestHalf)
      throw Error("[exporter::write_onnx] " + name + " holds " + std::to_string(largest) +
                  ", which float16 can't represent; export with --precision f32");
  }
  return graph_.tensor(name, tensor, compute_);
}

Value LayerBuilder::stored(const std::string& parameter) {
  return graph_.tensor(parameter, take(parameter), Type::kFloat);
}

Value LayerBuilder::cast(const Value& x, Type type) {
  if (x.type == type) return x;
  const char* name = type == Type::kHalf ? "to_half" : type == Type::kFloat ? "to_float" : "to_int";
  return graph_.node("Cast", name, {x}, type, {{"to", static_cast<int64_t>(type)}});
}

Value LayerBuilder::reshape(const std::string& label, const Value& x, const std::vector<int64_t>& shape) {
  return graph_.node("Reshape", label, {x, graph_.integers(shape)}, x.type);
}

Value LayerBuilder::transpose(const std::string& label, const Value& x, const std::vector<int64_t>& order) {
  return graph_.node("Transpose", label, {x}, x.type, {{"perm", order}});
}

Value LayerBuilder::slice(const std::string& label, const Value& x, int64_t axis, int64_t begin, int64_t end,
                          int64_t step) {
  return graph_.node(
      "Slice", label,
      {x, graph_.integers({begin}), graph_.integers({end}), graph_.integers({axis}), graph_.integers({step})},
      x.type);
}

Value LayerBuilder::concat(const std::string& label, const std::vector<Value>& parts, int64_t axis) {
  return parts.size() == 1 ? parts.front()
                           : graph_.node("Concat", label, parts, parts.front().type, {{"axis", axis}});
}

std::vector<Value> LayerBuilder::split(const std::vector<std::string>& labels, const Value& x, int64_t axis,
                                       const std::vector<int64_t>& sizes) {
  return graph_.outputs("Split", labels, {x, graph_.integers(sizes)}, x.type, {{"axis", axis}});
}

Value LayerBuilder::reduce(const std::string& op, const std::string& label, const Value& x, int64_t axis,
                           bool keep) {
  return graph_.node(op, label, {x}, x.type,
                     {{"axes", std::vector<int64_t>{axis}}, {"keepdims", int64_t{keep}}});
}

Value LayerBuilder::linear(const Value& x, const std::string& prefix) {
  if (model_.parameter(prefix + ".weight").scalar_type() == at::kChar) return int8_linear(x, prefix);
  const std::string label = last_part(prefix);
  const bool bias = has(prefix + ".bias");
  const Value weight = compute_tensor(prefix + ".weight", take(prefix + ".weight").t());
  const Value product =
      graph_.node("MatMul", bias ? label + "/product" : label, {to_compute(x), weight}, compute_);
  return bias ? binary("Add", label, product, compute_tensor(prefix + ".bias", take(prefix + ".bias")))
              : product;
}

Value LayerBuilder::layer_norm(const Value& x, const std::string& prefix) {
  std::vector<Value> inputs = {to_float(x), stored(prefix + ".weight")};
  if (has(prefix + ".bias")) inputs.push_back(stored(prefix + ".bias"));
  return graph_.node("LayerNormalization", last_part(prefix), inputs, Type::kFloat,
                     {{"axis", int64_t{-1}}, {"epsilon", spec().norm_eps}});
}

Value LayerBuilder::plain_norm(const std::string& label, const Value& x, int64_t width) {
  const Value ones = graph_.shared_tensor("ones:" + std::to_string(width), at::ones({width}), Type::kFloat);
  return graph_.node("LayerNormalization", label, {x, ones}, Type::kFloat,
                     {{"axis", int64_t{-1}}, {"epsilon", spec().norm_eps}});
}

// The five nodes that readers recognise as GELU; opset 20's Gelu would require newer readers.
Value LayerBuilder::gelu(const Value& x) {
  const Graph::Scope scope(graph_, "act");
  const Value erf =
      unary("Erf", "erf", binary("Div", "over_root2", x, graph_.scalar(std::sqrt(2.0), x.type)));
  return scaled("half", binary("Mul", "times", x, shifted("plus1", erf, 1.0)), 0.5);
}

Value LayerBuilder::activation(const Value& x) {
  switch (spec().activation) {
    case Activation::kGelu:
      return gelu(x);
    case Activation::kGeluTanh: {
      const Graph::Scope scope(graph_, "act");
      const Value cube = binary("Mul", "cube", binary("Mul", "square", x, x), x);
      const Value inner =
          scaled("root", binary("Add", "sum", x, scaled("small", cube, 0.044715)), std::sqrt(2 / M_PI));
      return scaled("half", binary("Mul", "times", x, shifted("plus1", unary("Tanh", "tanh", inner), 1.0)),
                    0.5);
    }
    case Activation::kQuickGelu: {
      const Graph::Scope scope(graph_, "act");
      return binary("Mul", "times", x, unary("Sigmoid", "sigmoid", scaled("scaled", x, 1.702)));
    }
    case Activation::kRelu:
      return unary("Relu", "act", x);
    case Activation::kSilu:
      break;
  }
  const Graph::Scope scope(graph_, "act");
  return binary("Mul", "times", x, unary("Sigmoid", "sigmoid", x));
}

Value LayerBuilder::convolution(const Value& planes, const std::string& prefix, const Convolution& options) {
  const at::Tensor& kernel = take(prefix + ".weight");
  std::vector<Value> inputs = {to_compute(planes), compute_tensor(prefix + ".weight", kernel)};
  if (has(prefix + ".bias")) inputs.push_back(compute_tensor(prefix + ".bias", take(prefix + ".bias")));
  return graph_.node("Conv", last_part(prefix), inputs, compute_,
                     {{"kernel_shape", std::vector<int64_t>{kernel.size(2), kernel.size(3)}},
                      {"strides", std::vector<int64_t>(2, options.stride)},
                      {"pads", std::vector<int64_t>(4, options.padding)},
                      {"group", options.groups}});
}

Value LayerBuilder::to_planes(const Value& x, Grid grid, int64_t channels) {
  return reshape("planes", transpose("channels_first", x, {0, 2, 1}), {0, channels, grid.height, grid.width});
}

Value LayerBuilder::from_planes(const Value& planes, Grid grid, int64_t channels) {
  return transpose("tokens", reshape("flat", planes, {0, channels, grid.size()}), {0, 2, 1});
}

}  // namespace vitrim::exporter
