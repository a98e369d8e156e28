#pragma once
// From what a person names (a file, a known architecture) to a ModelSpec and weights.

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

/// The architecture that a state dict holds: vitrim's own metadata, else read off names (timm's) and shapes.
/// Throws FormatError where it is no known family or num_heads can't be told.
ModelSpec infer_spec(const StateDict& state, const architecture::LoadHints& hints = {});

/// MODEL as the command line takes it: a checkpoint (a file, an index of several, or a folder that holds
/// either; timm's, transformers' and others' names, with what config.json and preprocessor_config.json beside
/// it say: docs/checkpoints.md), or the name of a known architecture (random weights from seed 0, said in a
/// warning). `hints` go before what files say.
std::unique_ptr<Model> load_model(const std::string& source, const architecture::LoadHints& hints = {});
/// The same with a classifier of its own for `classes` classes, its weights random: to fine-tune on other
/// data.
std::unique_ptr<Model> load_model_with_new_head(const std::string& source, int64_t classes, uint64_t seed,
                                                const architecture::LoadHints& hints = {});
/// The same as load_model with such a head, its weights (and those of norms that the backbone lacks) random.
std::unique_ptr<Model> load_model_for_segmentation(const std::string& source, SegmentationHeadKind kind,
                                                   int64_t channels, int64_t classes, uint64_t seed,
                                                   const architecture::LoadHints& hints = {});
/// Where a spec came from.
struct SpecSources {
  std::vector<std::string> said;    ///< what was taken from where, for people
  std::vector<Assumption> assumed;  ///< what nothing said
};
/// The spec alone, without reading weights into a model. `sources` may be null.
ModelSpec load_spec(const std::string& source, const architecture::LoadHints& hints = {},
                    SpecSources* sources = nullptr);

/// The dtype that all floating-point tensors of MODEL have as it is stored; float32 where they differ, and
/// for known architectures.
at::ScalarType stored_dtype(const std::string& source, const architecture::LoadHints& hints = {});

/// What save_model() writes under architecture::kQuantizationConfigKey. Empty where no layer is int8, and
/// where the convention has no word for one: a gain on its input, weights of 4 bits whose last group is
/// shorter.
std::string quantization_config(const Model& model);
/// Writes weights (in `dtype`) and spec as safetensors, atomically; `notes` join the file's metadata.
/// std::invalid_argument where channels are gated: gates are not saved.
void save_model(const Model& model, const std::string& path, at::ScalarType dtype = at::kFloat,
                const std::map<std::string, std::string>& notes = {});

}  // namespace vitrim::model
