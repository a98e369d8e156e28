#pragma once
// Loads a ModelSpec and weights from a user's name for a model (a file or a known architecture).

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vitrim/architecture/infer.h"
#include "vitrim/core/assumption.h"
#include "vitrim/core/model_spec.h"
#include "vitrim/model/model.h"

namespace vitrim::model {

/// The architecture of a state dict: from vitrim's own metadata, else inferred from names (timm's) and
/// shapes. Throws FormatError if the family is unknown or num_heads can't be determined.
ModelSpec infer_spec(const StateDict& state, const architecture::LoadHints& hints = {});

/// Loads MODEL as on the command line. It is a checkpoint (a file, an index of several files, or a folder
/// with either) under the names of timm, transformers and others, together with config.json and
/// preprocessor_config.json in its folder (docs/checkpoints.md). Or it is the name of a known architecture,
/// which gets random weights from seed 0, with a warning. `hints` take precedence over the files.
std::unique_ptr<Model> load_model(const std::string& source, const architecture::LoadHints& hints = {});
/// The same with a new classifier for `classes` classes and random weights, to fine-tune on other data.
std::unique_ptr<Model> load_model_with_new_head(const std::string& source, int64_t classes, uint64_t seed,
                                                const architecture::LoadHints& hints = {});
/// The same with a head for segmentation with random weights. Norms that the backbone lacks get random
/// weights too.
std::unique_ptr<Model> load_model_for_segmentation(const std::string& source, SegmentationHeadKind kind,
                                                   int64_t channels, int64_t classes, uint64_t seed,
                                                   const architecture::LoadHints& hints = {});
/// The sources of a spec's values.
struct SpecSources {
  std::vector<std::string> said;    ///< for the user: which value was taken from which file
  std::vector<Assumption> assumed;  ///< values that no file states
};
/// The spec only, without reading the weights. `sources` may be null.
ModelSpec load_spec(const std::string& source, const architecture::LoadHints& hints = {},
                    SpecSources* sources = nullptr);

/// The dtype of all floating-point tensors of MODEL as stored; float32 if they differ, and for known
/// architectures.
at::ScalarType stored_dtype(const std::string& source, const architecture::LoadHints& hints = {});

/// The text that save_model() writes under architecture::kQuantizationConfigKey. Empty if no layer is int8,
/// and if the convention can't describe one: a gain on its input, or weights of 4 bits whose last group is
/// shorter.
std::string quantization_config(const Model& model);
/// Writes weights (in `dtype`) and spec as a safetensors file, atomically; `notes` are added to the file's
/// metadata. Throws std::invalid_argument if channels are gated, because gates can't be saved.
void save_model(const Model& model, const std::string& path, at::ScalarType dtype = at::kFloat,
                const std::map<std::string, std::string>& notes = {});

}  // namespace vitrim::model
