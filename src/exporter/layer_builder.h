#pragma once
// The layers of vision transformers as ONNX nodes, with a model's names and in the requested precision.

#include <set>
#include <string>
#include <vector>

#include "exporter/graph.h"
#include "vitrim/model/model.h"

namespace vitrim::exporter {

class LayerBuilder {
 public:
  LayerBuilder(const model::Model& model, const OnnxOptions& options);

  const ModelSpec& spec() const { return model_.spec(); }
  Graph& graph() { return graph_; }
  /// Number of images at once; -1: any number.
  int64_t batch() const { return batch_; }
  /// The type of matrix products.
  Type compute_type() const { return compute_; }

  bool has(const std::string& parameter) const { return model_.has_parameter(parameter); }
  /// A parameter for computations in this writer, not in the graph.
  const at::Tensor& take(const std::string& parameter);
  /// A parameter as a float32 tensor of the file.
  Value stored(const std::string& parameter);
  /// Throws if any parameter of the model was not used, because the graph would then compute something else.
  void check_all_taken() const;

  Value to_float(const Value& x) { return cast(x, Type::kFloat); }
  Value to_compute(const Value& x) { return cast(x, compute_); }
  Value cast(const Value& x, Type type);

  Value binary(const std::string& op, const std::string& label, const Value& a, const Value& b) {
    return graph_.node(op, label, {a, b}, a.type);
  }
  Value unary(const std::string& op, const std::string& label, const Value& x) {
    return graph_.node(op, label, {x}, x.type);
  }
  /// x times a number, or plus a number.
  Value scaled(const std::string& label, const Value& x, double factor) {
    return binary("Mul", label, x, graph_.scalar(factor, x.type));
  }
  Value shifted(const std::string& label, const Value& x, double offset) {
    return binary("Add", label, x, graph_.scalar(offset, x.type));
  }

  /// In `shape`, 0 keeps a dimension and -1 is the remaining size.
  Value reshape(const std::string& label, const Value& x, const std::vector<int64_t>& shape);
  Value transpose(const std::string& label, const Value& x, const std::vector<int64_t>& order);
  Value slice(const std::string& label, const Value& x, int64_t axis, int64_t begin, int64_t end,
              int64_t step = 1);
  Value concat(const std::string& label, const std::vector<Value>& parts, int64_t axis);
  std::vector<Value> split(const std::vector<std::string>& labels, const Value& x, int64_t axis,
                           const std::vector<int64_t>& sizes);
  /// Mean, largest value or Euclidean norm, over one axis.
  Value reduce(const std::string& op, const std::string& label, const Value& x, int64_t axis, bool keep);

  /// x `prefix.weight`^T + `prefix.bias` in the compute type; for an int8 layer with the arithmetic of
  /// docs/quantization.md. The text after the prefix's last dot names the node.
  Value linear(const Value& x, const std::string& prefix);
  /// LayerNorm over the last axis, float32.
  Value layer_norm(const Value& x, const std::string& prefix);
  /// LayerNorm without gain and shift.
  Value plain_norm(const std::string& label, const Value& x, int64_t width);
  /// x / 2 (1 + erf(x / sqrt 2)).
  Value gelu(const Value& x);
  /// The activation function of the spec's MLPs.
  Value activation(const Value& x);
  /// 2-d convolution with `prefix.weight` and `prefix.bias` (if there is one), in the compute type.
  struct Convolution {
    int64_t stride = 1, padding = 0, groups = 1;
  };
  Value convolution(const Value& planes, const std::string& prefix, const Convolution& options);

  /// [B, N, C] <-> [B, C, H, W].
  Value to_planes(const Value& x, Grid grid, int64_t channels);
  Value from_planes(const Value& planes, Grid grid, int64_t channels);

 private:
  Value compute_tensor(const std::string& name, const at::Tensor& tensor);
  Value int8_linear(const Value& x, const std::string& prefix);
  /// W x in float32 for x [B, N, in]: inputs are quantised dynamically per token, or with one fixed range.
  Value dynamic_product(const Value& x, const std::string& prefix);
  Value static_product(const Value& x, const std::string& prefix, const InputRange& range);

  const model::Model& model_;
  Graph graph_;
  int64_t batch_;
  Type compute_;
  const InputRanges& input_ranges_;
  std::set<std::string> taken_;
};

}  // namespace vitrim::exporter
