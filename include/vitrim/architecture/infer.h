#pragma once
// The architecture of a checkpoint, read off the names and shapes of its tensors.

#include <optional>
#include <string>
#include <vector>

#include "vitrim/architecture/tensor_info.h"
#include "vitrim/core/model_spec.h"

namespace vitrim::architecture {

/// What a checkpoint does not say by itself.
struct LoadHints {
  std::vector<int64_t>
      num_heads;  ///< one for all stages or one a stage; none: metadata, else what the published models have
  std::optional<int64_t> image_size;   ///< run at another size: position embeddings are resized
  std::optional<int64_t> num_classes;  ///< what the classifier must have; refused where the file's differs
  std::string weights;  ///< which of several sets of weights in one file; empty: what its writer evaluates
  std::optional<double> stream_gain;  ///< of all blocks without attention: 1, or 2 as NOSE's authors have it
  std::optional<Activation> activation;
  std::optional<double> norm_eps;
  std::optional<Pooling> pooling;
};

/// "gelu", "gelu_tanh", ...: what parse_activation takes; it throws std::invalid_argument.
std::vector<std::string> activation_names();
Activation parse_activation(const std::string& name);

/// The architecture that these tensors are of: vitrim's own metadata, else read off names (timm's) and
/// shapes. Throws FormatError where it is no known family or num_heads can't be told.
ModelSpec infer_spec(const TensorTable& tensors, const LoadHints& hints = {});

/// The spec at another image size: preprocessing takes the same share of the image. std::invalid_argument
/// where the size is out of range.
void resize(ModelSpec& spec, int64_t image_size);
/// What follows from the image size beside the maps: Swin's shifts, the stripes of CSwin's softmax stages
/// where they were a 32nd of the side `before`.
void follow_image_size(ModelSpec& spec, int64_t before);

}  // namespace vitrim::architecture
