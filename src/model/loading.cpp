#include "vitrim/model/loading.h"

#include <ATen/ATen.h>

#include <filesystem>
#include <stdexcept>

#include "model/infer.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"
#include "vitrim/core/suggest.h"

namespace vitrim::model {

namespace {

// A name without a folder or ending that is no file was meant as an architecture.
bool means_architecture(const std::string& source) {
  return !std::filesystem::exists(source) && source.find('/') == std::string::npos && source.find('.') == std::string::npos;
}

ModelSpec named_spec(const std::string& source, const LoadHints& hints) {
  if (!is_known_name(source)) {
    throw Error("there is no file '" + source + "' and no architecture of that name; the nearest architecture is '" +
                nearest(source, known_names()) + "'");
  }
  ModelSpec spec = known_spec(source);
  if (hints.num_classes) spec.num_classes = *hints.num_classes;
  if (hints.image_size) resize(spec, *hints.image_size);
  validate(spec);
  return spec;
}

void warn_of_random_weights(const std::string& source) { log_warning("'" + source + "' names an architecture, no file: its weights are random"); }

}  // namespace

std::unique_ptr<Model> load_model(const std::string& source, const LoadHints& hints) {
  if (means_architecture(source)) {
    const ModelSpec spec = named_spec(source, hints);
    warn_of_random_weights(source);
    return make_random_model(spec, 0);
  }
  const checkpoint::StateDict state = checkpoint::unwrap(checkpoint::load(source));
  return make_model(infer_spec(state, hints), state);
}

std::unique_ptr<Model> load_model_with_new_head(const std::string& source, int64_t classes, uint64_t seed, const LoadHints& hints) {
  ModelSpec spec;
  checkpoint::StateDict state;
  if (means_architecture(source)) {
    spec = named_spec(source, hints);
    warn_of_random_weights(source);
  } else {
    state = checkpoint::unwrap(checkpoint::load(source));
    spec = infer_spec(state, hints);
  }
  spec.num_classes = classes;
  auto random = make_random_model(spec, seed);
  if (state.size() == 0) return random;
  for (const ParameterInfo& info : parameter_layout(spec)) {
    if (info.part == Part::kClassifier) state.set(info.name, random->parameter(info.name));
  }
  return make_model(spec, state);
}

ModelSpec load_spec(const std::string& source, const LoadHints& hints) {
  if (means_architecture(source)) return named_spec(source, hints);
  return infer_spec(checkpoint::unwrap(checkpoint::load(source)), hints);
}

at::ScalarType stored_dtype(const std::string& source) {
  if (means_architecture(source)) return at::kFloat;
  std::optional<at::ScalarType> found;
  const checkpoint::StateDict state = checkpoint::unwrap(checkpoint::load(source));
  for (const auto& [name, tensor] : state.entries()) {
    if (!tensor.is_floating_point()) continue;
    if (found && *found != tensor.scalar_type()) return at::kFloat;
    found = tensor.scalar_type();
  }
  return found.value_or(at::kFloat);
}

void save_model(const Model& model, const std::string& path, at::ScalarType dtype) {
  for (int i = 0; i < model.num_blocks(); ++i) {
    const ChannelGates& gates = model.gates(i);
    if (gates.qk.defined() || gates.v.defined() || gates.mlp.defined()) {
      throw std::invalid_argument("[model::save_model] block " + std::to_string(i) + " is gated: gates are not saved; cut the channels first");
    }
  }
  checkpoint::StateDict state;
  for (const auto& [name, tensor] : model.parameters().entries()) state.add(name, tensor.detach().to(dtype));
  state.metadata[kSpecMetadataKey] = to_json(model.spec());
  state.metadata["format"] = "pt";
  checkpoint::save_safetensors(state, path);
}

}  // namespace vitrim::model
