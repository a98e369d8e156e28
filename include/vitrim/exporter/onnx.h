#pragma once
// Writes a model as an ONNX file, for ONNX Runtime, OpenVINO, TensorRT and other readers.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "vitrim/exporter/input_ranges.h"
#include "vitrim/model/model.h"

namespace vitrim::exporter {

/// The operator set of the files: the first one with LayerNormalization.
inline constexpr int64_t kOpset = 17;
/// The largest size in bytes of a protobuf message, and so of a file without external data.
inline constexpr int64_t kLongestMessage = (int64_t{1} << 31) - 1;

struct OnnxOptions {
  /// The number of images that the graph processes at once; empty: any number (the symbolic dimension
  /// "batch").
  std::optional<int64_t> batch = 1;
  /// Weights and matrix products in float16. The stream between blocks, norms, softmax and focused linear
  /// attention stay float32, as do input and output.
  bool half = false;
  /// Largest size in bytes of the file. A longer file keeps its weights in a second file in the same folder
  /// (`PATH.data`).
  int64_t longest_file = kLongestMessage;
  /// For a model with int8 layers: the input range of each int8 layer, which gives one fixed scale per tensor
  /// (static quantisation). Empty: one scale per token, computed at run time (dynamic quantisation).
  /// write_onnx() does not calibrate; input_ranges() does.
  InputRanges input_ranges;
  /// Class names for the file's metadata: none, or one per class.
  std::vector<std::string> class_names;
};

/// An input or output of a graph.
struct OnnxTensor {
  std::string name;
  std::vector<int64_t> shape;  ///< -1: the symbolic dimension "batch"
};

/// The result of write_onnx().
struct OnnxSummary {
  struct File {
    std::string path;
    int64_t bytes = 0;
  };
  std::vector<File> files;  ///< the model, then its external data, if any
  int64_t nodes = 0;
  OnnxTensor input, output;
};

/// Writes `model` as an ONNX graph of standard operators. The input `pixel_values` is float32 [batch,
/// channels, height, width], normalised; the output is `logits` float32 [batch, classes], or `features`
/// [batch, width] of a model without a classifier. Nodes and tensors are named after the model's parts
/// (`/blocks.0/attn/qkv`), weights after its parameters; weights of linear layers are stored transposed. The
/// metadata contains the spec, the preprocessing and the classes. Merged tokens are gathered and summed by a
/// one-hot product. Weights are converted and written one at a time.
///
/// Int8 layers keep their s8 weights (`NAME.weight`, transposed) with one scale per output channel. Without
/// input_ranges the graph computes what docs/quantization.md describes, token by token: QuantizeLinear to
/// uint8 (x_q + 128), MatMulInteger, factors, bias. With input_ranges, MatMul is surrounded by QuantizeLinear
/// and DequantizeLinear with constant scales, which runtimes fuse into integer products.
///
/// Either all files are written or none. Throws std::invalid_argument on bad options (also if the ranges are
/// not those of exactly the int8 layers) and on models that the graph can't express (gated channels, or parts
/// that this writer does not implement), vitrim::Error if the file can't be written or a weight does not fit
/// into float16.
OnnxSummary write_onnx(const model::Model& model, const std::string& path, const OnnxOptions& options = {});

}  // namespace vitrim::exporter
