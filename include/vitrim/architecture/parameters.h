#pragma once
// All parameters of an architecture by name and shape, and the comparison of a checkpoint's tensors with
// them.

#include <cstdint>
#include <string>
#include <vector>

#include "vitrim/architecture/stages.h"
#include "vitrim/architecture/tensor_info.h"
#include "vitrim/core/model_spec.h"

namespace vitrim::architecture {

/// The part of the model that a parameter belongs to.
enum class Part {
  kEmbedding,  ///< patch embedding, tokens, position embedding, and the steps that lead from stage to stage
  kAttention,  ///< norm1, attention and its layer scale
  kMlp,        ///< norm2, MLP and its layer scale
  kNorm,       ///< norms after the blocks
  kClassifier,
};

/// Name and shape of one parameter, under the reference implementation's name.
struct ParameterInfo {
  std::string name;
  std::vector<int64_t> shape;
  Part part = Part::kEmbedding;
  int block = -1;  ///< the block, for kAttention and kMlp
  bool used =
      true;  ///< false: the reference's checkpoints contain it, but no computation reads it (PVT's last norm)
  bool int8 = false;   ///< stored as 8-bit integers, with its scales in another parameter
  bool scale = false;  ///< scales of an int8 weight, [rows, 1]; not a parameter of the architecture
  /// The number of parameters of the architecture: its elements, 0 for scales.
  int64_t count() const;
};

/// Number of inputs that share a scale in weights of 4 bits; the last group of a row may be shorter.
inline constexpr int64_t kInt4Group = 32;

/// A linear layer of a block that can be int8.
struct QuantizableLayer {
  std::string name;  ///< prefix of its parameters: `name`.weight, `name`.bias
  bool QuantizedLayers::* member;
};
/// The quantizable layers of block `block`, in the order in which they are computed.
std::vector<QuantizableLayer> quantizable_layers(const ModelSpec& spec, int block);

/// All parameters of an architecture.
std::vector<ParameterInfo> parameter_layout(const ModelSpec& spec);
/// The number of elements of all parameters, without the scales of int8 weights.
int64_t count_parameters(const ModelSpec& spec);

/// A position table resized to `info`'s shape if only the size of the map differs (bicubic, antialiased, as
/// in timm); otherwise `tensor` unchanged.
TensorInfo at_map_size(const ModelSpec& spec, const ParameterInfo& info, const TensorInfo& tensor);

/// The difference between expected and found tensors, for a complete error message.
struct Mismatch {
  std::vector<std::string> missing, surplus, misshaped;  ///< misshaped: "name: expected [a, b], found [c]"
  bool empty() const { return missing.empty() && surplus.empty() && misshaped.empty(); }
  /// The whole difference in one sentence.
  std::string text() const;
};

/// The tensors of parameter_layout() in its order, derived from `tensors`. Throws FormatError that lists
/// every missing, surplus and misshaped tensor. Buffers that reference implementations register do not count
/// as surplus.
TensorTable matched(const ModelSpec& spec, const TensorTable& tensors);

}  // namespace vitrim::architecture
