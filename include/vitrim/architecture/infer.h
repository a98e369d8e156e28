#pragma once
// Infers the architecture of a checkpoint from the names and shapes of its tensors.

#include <optional>
#include <string>
#include <vector>

#include "vitrim/architecture/tensor_info.h"
#include "vitrim/core/model_spec.h"

namespace vitrim::architecture {

/// Properties that the user states because the checkpoint does not.
struct LoadHints {
  std::vector<int64_t> num_heads;  ///< one number for all stages, or one per stage; empty: from the metadata,
                                   ///< else from the published models
  std::optional<int64_t>
      image_size;  ///< run the model at this size in pixels; position embeddings are resized
  std::optional<int64_t> num_classes;  ///< number of classes that the classifier must have; a file with
                                       ///< another number is refused
  std::string weights;  ///< which of several sets of weights in one file to read; empty: the one that the
                        ///< file's writer evaluates
  std::optional<double> stream_gain;  ///< factor on the stream of all blocks without attention: 1, or 2 as in
                                      ///< the code of NOSE's authors
  std::optional<Activation> activation;
  std::optional<double> norm_eps;
  std::optional<Pooling> pooling;
  std::vector<std::string> stated;  ///< options (Assumption::flag) that override the checkpoint after the
                                    ///< load; the warning about guessed values leaves these out
  bool warn_of_guesses = true;      ///< false: no such warning, because the caller shows what is assumed
};

/// The names that parse_activation() accepts: "gelu", "gelu_tanh", ... It throws std::invalid_argument on any
/// other.
std::vector<std::string> activation_names();
Activation parse_activation(const std::string& name);

/// The architecture of these tensors: from vitrim's own metadata, else inferred from names (timm's) and
/// shapes. Throws FormatError if the family is unknown or num_heads can't be determined.
ModelSpec infer_spec(const TensorTable& tensors, const LoadHints& hints = {});

/// Changes the spec to another image size in pixels; preprocessing keeps the same share of the image. Throws
/// std::invalid_argument if the size is out of range.
void resize(ModelSpec& spec, int64_t image_size);
/// Updates the fields, other than the maps, that depend on the image size: Swin's shifts, and the stripes of
/// CSwin's softmax stages if they were 1/32 of the previous side `before`.
void follow_image_size(ModelSpec& spec, int64_t before);

}  // namespace vitrim::architecture
