#include <ATen/ATen.h>

#include <cstring>
#include <filesystem>

#include "model/derive.h"
#include "model/open.h"
#include "model/weight_sets.h"
#include "vitrim/architecture/recognise.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/checkpoint/locate.h"
#include "vitrim/checkpoint/mistakes.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"

namespace vitrim::model {

namespace {

namespace fs = std::filesystem;

// Whether two tensors hold the same bytes, without reading them where they share a storage.
bool are_same(const at::Tensor& a, const at::Tensor& b) {
  if (a.scalar_type() != b.scalar_type() || a.sizes() != b.sizes() || a.strides() != b.strides())
    return false;
  if (a.const_data_ptr() == b.const_data_ptr()) return true;
  return a.is_contiguous() && std::memcmp(a.const_data_ptr(), b.const_data_ptr(), a.nbytes()) == 0;
}

// The tensors at these places, under their names.
checkpoint::StateDict part(const checkpoint::StateDict& file, const std::vector<size_t>& indices) {
  checkpoint::StateDict out;
  out.path = file.path;
  out.metadata = file.metadata;
  for (const size_t index : indices) out.add(file.entries()[index].first, file.entries()[index].second);
  return out;
}

std::vector<std::string> names_at(const checkpoint::StateDict& file, const std::vector<size_t>& indices) {
  std::vector<std::string> names;
  for (const size_t index : indices) names.push_back(file.entries()[index].first);
  return names;
}

// Adapters, pruning masks, classifiers of several layers, ...; a new head takes the place of the last.
void refuse_mistakes(checkpoint::StateDict& state, bool new_head) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : state.entries()) names.push_back(name);
  while (const auto mistake = checkpoint::mistaken_tensor(names)) {
    if (!new_head || !mistake->head)
      throw FormatError(state.path, mistake->name, "this tensor " + mistake->what);
    state.erase(mistake->name);
    std::erase(names, mistake->name);
  }
}

// timm's ARCHITECTURE.TAG says which weights are meant, not where they are.
void refuse_tag(const std::string& source) {
  const std::string architecture = source.substr(0, source.find('.'));
  if (architecture == source || !is_known_name(architecture) || fs::exists(checkpoint::locate(source)))
    return;
  throw Error("there is no file '" + source + "': this is timm's name of trained weights of " + architecture +
              ", and the local Hugging Face cache (" + checkpoint::hub_cache() +
              ") does not hold them; download them with `hf download timm/" + source + "`, or name " +
              architecture + " for random weights");
}

}  // namespace

checkpoint::StateDict read_weights(const std::string& source, const LoadHints& hints,
                                   std::vector<std::string>* said) {
  refuse_tag(source);
  const checkpoint::StateDict file = checkpoint::load(source);
  std::vector<FileTensor> tensors;
  const bool own = file.metadata.contains(kSpecMetadataKey);
  for (const auto& [name, tensor] : file.entries()) {
    if (!own) tensors.push_back({name, tensor.sizes().vec()});
  }
  WeightSets found = find_weight_sets(tensors);
  if (found.sets.empty()) {
    if (!hints.weights.empty())
      throw Error(file.path + ": '" + hints.weights +
                  "' names no set of weights in this file, which holds one only; load it without --weights");
    if (own || found.outside.empty()) return file;
    return part(file, found.outside);
  }
  const WeightChoice choice = choose_weights(
      found, tensors, hints.weights, file.path,
      [&](size_t a, size_t b) { return are_same(file.entries()[a].second, file.entries()[b].second); });
  const WeightSet& set = found.sets[choice.taken];
  checkpoint::StateDict taken;
  taken.path = file.path;
  taken.metadata = file.metadata;
  taken.metadata.emplace(architecture::kPrefixKey, set.name);
  for (const auto& member : set.tensors) taken.add(member.name, file.entries()[member.index].second);
  if (!said) return taken;
  const std::string where = set.name == "." ? "without a prefix" : "under '" + set.name + "'";
  if (!choice.others.empty()) {
    said->push_back("weights: those " + where + (choice.why.empty() ? "" : ", " + choice.why) +
                    "; the file also holds " + some_of(choice.others) + " (--weights)");
  } else if (set.name != ".") {
    said->push_back("weights: those " + where);
  }
  std::vector<size_t> left = set.left_out;
  left.insert(left.end(), found.outside.begin(), found.outside.end());
  if (!left.empty()) {
    const bool one = left.size() == 1;
    said->push_back("left out: " + std::to_string(left.size()) + (one ? " tensor" : " tensors") +
                    " beside the model (" + some_of(names_at(file, left)) + ")");
  }
  return taken;
}

OpenedCheckpoint open_checkpoint(const std::string& source, const LoadHints& hints, bool new_head) {
  OpenedCheckpoint out;
  checkpoint::StateDict file = read_weights(source, hints, &out.sources.said);
  if (!file.metadata.contains(kSpecMetadataKey)) {
    refuse_mistakes(file, new_head);
    for (const std::string& line : out.sources.said) {
      if (!line.starts_with("weights") || line.find("--weights") != std::string::npos)
        log_warning(file.path + ": " + line);
    }
  }
  architecture::Recognised found = architecture::recognise(describe(file), hints);
  out.weights = derive(found.tensors, file);
  out.spec = std::move(found.spec);
  out.names = std::move(found.names);
  out.foreign = found.foreign;
  out.sources.assumed = std::move(found.assumed);
  out.sources.said.insert(out.sources.said.end(), found.said.begin(), found.said.end());
  return out;
}

ModelSpec infer_spec(const checkpoint::StateDict& state, const LoadHints& hints) {
  return architecture::infer_spec(describe(state), hints);
}

}  // namespace vitrim::model
