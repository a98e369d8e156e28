#include "vitrim/model/loading.h"

#include <ATen/ATen.h>

#include <filesystem>
#include <functional>
#include <set>
#include <stdexcept>

#include "model/open.h"
#include "vitrim/architecture/hints.h"
#include "vitrim/architecture/infer.h"
#include "vitrim/architecture/input_gain.h"
#include "vitrim/architecture/known.h"
#include "vitrim/architecture/parameters.h"
#include "vitrim/architecture/quantization_config.h"
#include "vitrim/architecture/segmentation.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"
#include "vitrim/core/suggest.h"
#include "vitrim/weights/int4.h"
#include "vitrim/weights/open.h"

namespace vitrim::model {

namespace {

// A name without a folder or extension that is not a file was intended as an architecture.
bool means_architecture(const std::string& source) {
  return !std::filesystem::exists(source) && source.find('/') == std::string::npos &&
         source.find('.') == std::string::npos;
}

ModelSpec named_spec(const std::string& source, const architecture::LoadHints& hints) {
  if (!hints.weights.empty())
    throw Error("'" + source +
                "' is an architecture, not a file, so it has no sets of weights to choose from; load it "
                "without --weights");
  if (!architecture::is_known_name(source)) {
    const std::string meant = close_to(source, architecture::known_names());
    throw Error("there is no file '" + source + "' and no architecture of that name; " +
                (meant.empty() ? "name a checkpoint, or an architecture that `vitrim inspect --list` shows"
                               : "the nearest architecture is '" + meant + "'"));
  }
  architecture::warn_of_idle_hints(source, "the architecture's name determines", hints);
  ModelSpec spec = architecture::known_spec(source);
  if (hints.num_classes) spec.num_classes = *hints.num_classes;
  if (hints.image_size) architecture::resize(spec, *hints.image_size);
  validate(spec);
  return spec;
}

std::unique_ptr<Model> make_model(const OpenedCheckpoint& opened) {
  if (!opened.foreign) return model::make_model(opened.spec, opened.weights);
  try {
    return model::make_model(opened.spec, opened.weights);
  } catch (const FormatError& error) {
    throw Error(std::string(error.what()) + " (under vitrim's names; the file's are those of " +
                opened.names + ")");
  }
}

void warn_of_random_weights(const std::string& source) {
  log_warning("'" + source + "' is an architecture, not a file: its weights are random");
}

}  // namespace

std::unique_ptr<Model> load_model(const std::string& source, const architecture::LoadHints& hints) {
  if (means_architecture(source)) {
    const ModelSpec spec = named_spec(source, hints);
    warn_of_random_weights(source);
    return make_random_model(spec, 0);
  }
  return make_model(open_checkpoint(source, hints));
}

namespace {

// The backbone of a checkpoint in a model with another head; the head and norms that the backbone lacks have
// random weights.
std::unique_ptr<Model> load_under_head(const std::string& source, uint64_t seed,
                                       const architecture::LoadHints& hints,
                                       const std::function<ModelSpec(const ModelSpec&)>& change) {
  OpenedCheckpoint opened;
  if (means_architecture(source)) {
    opened.spec = named_spec(source, hints);
    warn_of_random_weights(source);
  } else {
    opened = open_checkpoint(source, hints, /*new_head=*/true);
  }
  const ModelSpec before = opened.spec;
  opened.spec = change(opened.spec);
  opened.spec.class_names.clear();
  auto random = make_random_model(opened.spec, seed);
  if (opened.weights.size() == 0) return random;
  const auto is_head = [](const architecture::ParameterInfo& info) {
    return info.part == architecture::Part::kClassifier || info.part == architecture::Part::kNorm;
  };
  std::set<std::string> gone;  // parameters of the old head that the new one does not have
  for (const architecture::ParameterInfo& info : architecture::parameter_layout(before)) {
    if (is_head(info)) gone.insert(info.name);
  }
  StateDict weights;
  for (const architecture::ParameterInfo& info : architecture::parameter_layout(opened.spec)) {
    gone.erase(info.name);
    if (info.part == architecture::Part::kClassifier ||
        (info.part == architecture::Part::kNorm && !opened.weights.contains(info.name)))
      weights.set(info.name, random->parameter(info.name));
  }
  for (const auto& [name, tensor] : opened.weights.entries()) {
    if (!gone.contains(name) && !weights.contains(name)) weights.add(name, tensor);
  }
  weights.path = opened.weights.path;
  opened.weights = std::move(weights);
  return make_model(opened);
}

}  // namespace

std::unique_ptr<Model> load_model_with_new_head(const std::string& source, int64_t classes, uint64_t seed,
                                                const architecture::LoadHints& hints) {
  return load_under_head(source, seed, hints, [&](ModelSpec spec) {
    spec.num_classes = classes;
    return spec;
  });
}

std::unique_ptr<Model> load_model_for_segmentation(const std::string& source, SegmentationHeadKind kind,
                                                   int64_t channels, int64_t classes, uint64_t seed,
                                                   const architecture::LoadHints& hints) {
  return load_under_head(source, seed, hints, [&](const ModelSpec& spec) {
    return architecture::with_segmentation_head(spec, kind, channels, classes);
  });
}

ModelSpec load_spec(const std::string& source, const architecture::LoadHints& hints, SpecSources* sources) {
  if (means_architecture(source)) return named_spec(source, hints);
  OpenedCheckpoint opened = open_checkpoint(source, hints);
  if (sources) *sources = std::move(opened.sources);
  return opened.spec;
}

at::ScalarType stored_dtype(const std::string& source, const architecture::LoadHints& hints) {
  if (means_architecture(source)) return at::kFloat;
  std::optional<at::ScalarType> found;
  const StateDict state = weights::read_weights(source, hints, nullptr);
  for (const auto& [name, tensor] : state.entries()) {
    if (!tensor.is_floating_point()) continue;
    if (found && *found != tensor.scalar_type()) return at::kFloat;
    found = tensor.scalar_type();
  }
  return found.value_or(at::kFloat);
}

std::string quantization_config(const Model& model) {
  if (!model.spec().quantized()) return {};
  for (const auto& [name, tensor] : model.parameters().entries()) {
    if (name.ends_with(architecture::kInputGain)) return {};
  }
  for (int i = 0; i < model.num_blocks(); ++i) {
    for (const architecture::QuantizableLayer& layer : architecture::quantizable_layers(model.spec(), i)) {
      if (model.spec().blocks[static_cast<size_t>(i)].int4.*layer.member &&
          model.parameter(layer.name + ".weight").size(1) % architecture::kInt4Group != 0)
        return {};
    }
  }
  return architecture::quantization_config(model.spec());
}

void save_model(const Model& model, const std::string& path, at::ScalarType dtype,
                const std::map<std::string, std::string>& notes) {
  for (int i = 0; i < model.num_blocks(); ++i) {
    const ChannelGates& gates = model.gates(i);
    if (gates.qk.defined() || gates.v.defined() || gates.mlp.defined()) {
      throw std::invalid_argument("[model::save_model] block " + std::to_string(i) +
                                  " is gated: gates are not saved; cut the channels first");
    }
  }
  StateDict state;
  for (const auto& [name, tensor] : model.parameters().entries()) {
    const bool as_it_is = tensor.scalar_type() == at::kChar || name.ends_with(".weight_scale") ||
                          name.ends_with(architecture::kInputGain);
    state.add(name, as_it_is ? tensor.detach() : tensor.detach().to(dtype));
  }
  state.metadata = notes;
  state.metadata[kSpecMetadataKey] = to_json(model.spec());
  state.metadata["format"] = "pt";
  if (const std::string config = quantization_config(model); !config.empty())
    state.metadata[architecture::kQuantizationConfigKey] = config;
  checkpoint::Checkpoint file = state;
  weights::pack_int4(model.spec(), file);
  checkpoint::save_safetensors(file, path);
}

}  // namespace vitrim::model
