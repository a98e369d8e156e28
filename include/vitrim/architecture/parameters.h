#pragma once
// All parameters of an architecture, by name and shape, and how a checkpoint's tensors are held against them.

#include <cstdint>
#include <string>
#include <vector>

#include "vitrim/architecture/stages.h"
#include "vitrim/architecture/tensor_info.h"
#include "vitrim/core/model_spec.h"

namespace vitrim::architecture {

/// What a parameter belongs to.
enum class Part {
  kEmbedding,  ///< patch embedding, tokens, position embedding, and what leads from stage to stage
  kAttention,  ///< norm1, attention and its layer scale
  kMlp,        ///< norm2, MLP and its layer scale
  kNorm,       ///< norms after the blocks
  kClassifier,
};

/// One parameter's name and shape, under the reference's own name.
struct ParameterInfo {
  std::string name;
  std::vector<int64_t> shape;
  Part part = Part::kEmbedding;
  int block = -1;      ///< of kAttention and kMlp
  bool used = true;    ///< false: the reference's checkpoints hold it, but nothing reads it (PVT's last norm)
  bool int8 = false;   ///< 8-bit integers; the scales stand beside it
  bool scale = false;  ///< scales of an int8 weight, [rows, 1]: no parameter of the architecture
};

/// Inputs that share a scale where weights have 4 bits; the last group of a row may be shorter.
inline constexpr int64_t kInt4Group = 32;

/// A linear layer of a block that can be int8.
struct QuantizableLayer {
  std::string name;  ///< of its parameters: `name`.weight, `name`.bias
  bool QuantizedLayers::* member;
};
/// Those of block `block`, in the order in which they are computed.
std::vector<QuantizableLayer> quantizable_layers(const ModelSpec& spec, int block);

/// All parameters of an architecture.
std::vector<ParameterInfo> parameter_layout(const ModelSpec& spec);
/// Their elements, scales of int8 weights left out.
int64_t count_parameters(const ModelSpec& spec);

/// A position table made to fit `info`'s shape where only the size of the map differs (bicubic, antialiased,
/// as timm does); else the tensor as it is.
TensorInfo at_map_size(const ModelSpec& spec, const ParameterInfo& info, const TensorInfo& tensor);

/// The difference between expected and found tensors, for a complete error message.
struct Mismatch {
  std::vector<std::string> missing, surplus, misshaped;  ///< misshaped: "name: expected [a, b], found [c]"
  bool empty() const { return missing.empty() && surplus.empty() && misshaped.empty(); }
  /// All of it in one sentence.
  std::string text() const;
};

/// The tensors of parameter_layout(), in its order, made of `tensors`. Throws FormatError that lists every
/// missing, surplus and misshaped tensor; buffers that reference implementations register are no surplus.
TensorTable matched(const ModelSpec& spec, const TensorTable& tensors);

}  // namespace vitrim::architecture
