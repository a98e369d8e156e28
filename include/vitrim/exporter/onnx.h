#pragma once
// A model as an ONNX file, for ONNX Runtime, OpenVINO, TensorRT and what else reads it.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "vitrim/exporter/input_ranges.h"
#include "vitrim/model/model.h"

namespace vitrim::exporter {

/// The operator set that files ask for: the first with LayerNormalization.
inline constexpr int64_t kOpset = 17;
/// A protobuf message, and so a file without external data, is shorter than this.
inline constexpr int64_t kLongestMessage = (int64_t{1} << 31) - 1;

struct OnnxOptions {
  /// Images that the graph takes at once; nothing: any number (the symbolic dimension "batch").
  std::optional<int64_t> batch = 1;
  /// Weights and matrix products in float16. The stream between blocks, norms, softmax and focused linear
  /// attention stay float32, as do input and output.
  bool half = false;
  /// Files longer than this keep their weights in a second file beside them (`PATH.data`).
  int64_t longest_file = kLongestMessage;
  /// Of a model with int8 layers: the range of each one's input, for a fixed scale a tensor. Empty: a scale a
  /// token, found as it comes. The model is not calibrated here; input_ranges() does that.
  InputRanges input_ranges;
  /// Names of the classes for the file's metadata; none, or one a class.
  std::vector<std::string> class_names;
};

/// A tensor that a graph takes or gives.
struct OnnxTensor {
  std::string name;
  std::vector<int64_t> shape;  ///< -1: the symbolic dimension "batch"
};

/// What was written.
struct OnnxSummary {
  struct File {
    std::string path;
    int64_t bytes = 0;
  };
  std::vector<File> files;  ///< the model, then its external data where there is any
  int64_t nodes = 0;
  OnnxTensor input, output;
};

/// Writes `model` as an ONNX graph of standard operators. The input `pixel_values` is float32 [batch,
/// channels, height, width], normalised; the output is `logits` float32 [batch, classes], or `features`
/// [batch, width] of a model without a classifier. Nodes and tensors are called after the model's parts
/// (`/blocks.0/attn/qkv`), weights after its parameters; those of linear layers lie transposed. The metadata
/// holds the spec, the preprocessing and the classes. Merged tokens are gathered and summed by a one-hot
/// product. Weights are converted and written one at a time.
///
/// Int8 layers keep their s8 weights (`NAME.weight`, transposed) with a scale per output channel. Without
/// input_ranges the graph computes what docs/quantization.md says, token by token: QuantizeLinear to uint8
/// (x_q
/// + 128), MatMulInteger, factors, bias. With them QuantizeLinear and DequantizeLinear with constant scales
/// stand around MatMul, which runtimes fuse into integer products.
///
/// Either all files are written or none is. Throws std::invalid_argument on bad options (ranges of other
/// layers than the int8 ones among them) and on models that the graph can't express (gated channels, parts
/// that this writer does not know), vitrim::Error where the file can't be written or a weight does not fit
/// float16.
OnnxSummary write_onnx(const model::Model& model, const std::string& path, const OnnxOptions& options = {});

}  // namespace vitrim::exporter
