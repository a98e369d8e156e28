#include "vitrim/weights/open.h"

#include <cstring>
#include <filesystem>

#include "vitrim/architecture/infer.h"
#include "vitrim/architecture/known.h"
#include "vitrim/architecture/parameters.h"
#include "vitrim/architecture/recognise.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/checkpoint/locate.h"
#include "vitrim/checkpoint/mistakes.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"
#include "vitrim/weights/int4.h"
#include "weights/derive.h"
#include "weights/weight_sets.h"

namespace vitrim::weights {

namespace {

namespace fs = std::filesystem;
using checkpoint::Checkpoint;
using checkpoint::TensorView;

// Whether two tensors have the same bytes; they are not read if both share a storage.
bool are_same(const TensorView& a, const TensorView& b) {
  if (a.dtype != b.dtype || a.shape != b.shape || a.strides != b.strides) return false;
  if (a.data == b.data) return true;
  return a.is_contiguous() && std::memcmp(a.data, b.data, a.nbytes()) == 0;
}

// The tensors with these indices, under their names.
Checkpoint part(const Checkpoint& file, const std::vector<size_t>& indices) {
  Checkpoint out;
  out.path = file.path;
  out.metadata = file.metadata;
  for (const size_t index : indices) out.add(file.entries()[index].first, file.entries()[index].second);
  return out;
}

std::vector<std::string> names_at(const Checkpoint& file, const std::vector<size_t>& indices) {
  std::vector<std::string> names;
  for (const size_t index : indices) names.push_back(file.entries()[index].first);
  return names;
}

// Refuses adapters, pruning masks, classifiers of several layers, ...; a new head replaces the last of these.
void refuse_mistakes(Checkpoint& state, bool new_head) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : state.entries()) names.push_back(name);
  while (const auto mistake = checkpoint::mistaken_tensor(names)) {
    if (!new_head || !mistake->head)
      throw FormatError(state.path, mistake->name, "this tensor " + mistake->what);
    state.erase(mistake->name);
    std::erase(names, mistake->name);
  }
}

// timm's ARCHITECTURE.TAG determines the weights, but not where they are.
void refuse_tag(const std::string& source) {
  const std::string architecture = source.substr(0, source.find('.'));
  if (architecture == source || !architecture::is_known_name(architecture) ||
      fs::exists(checkpoint::locate(source)))
    return;
  throw Error("there is no file '" + source + "': this is timm's name of trained weights of " + architecture +
              ", and the local Hugging Face cache (" + checkpoint::hub_cache() +
              ") does not contain them; download them with `hf download timm/" + source + "`, or name " +
              architecture + " for random weights");
}

}  // namespace

Checkpoint read_weights(const std::string& source, const architecture::LoadHints& hints,
                        std::vector<std::string>* said) {
  refuse_tag(source);
  Checkpoint file = checkpoint::load(source);
  std::vector<FileTensor> tensors;
  const bool own = file.metadata.contains(kSpecMetadataKey);
  for (const auto& [name, tensor] : file.entries()) {
    if (!own) tensors.push_back({name, tensor.shape});
  }
  WeightSets found = find_weight_sets(tensors);
  if (found.sets.empty()) {
    if (!hints.weights.empty())
      throw Error(
          file.path + ": '" + hints.weights +
          "' is not a set of weights in this file, which contains only one; load it without --weights");
    if (own || found.outside.empty()) return file;
    return part(file, found.outside);
  }
  const WeightChoice choice = choose_weights(
      found, tensors, hints.weights, file.path,
      [&](size_t a, size_t b) { return are_same(file.entries()[a].second, file.entries()[b].second); });
  const WeightSet& set = found.sets[choice.taken];
  Checkpoint taken;
  taken.path = file.path;
  taken.metadata = file.metadata;
  taken.metadata.emplace(architecture::kPrefixKey, set.name);
  for (const auto& member : set.tensors) taken.add(member.name, file.entries()[member.index].second);
  if (!said) return taken;
  const std::string where = set.name == "." ? "without a prefix" : "under '" + set.name + "'";
  if (!choice.others.empty()) {
    said->push_back("weights: those " + where + (choice.why.empty() ? "" : ", " + choice.why) +
                    "; the file also contains " + some_of(choice.others) + " (--weights)");
  } else if (set.name != ".") {
    said->push_back("weights: those " + where);
  }
  std::vector<size_t> left = set.left_out;
  left.insert(left.end(), found.outside.begin(), found.outside.end());
  if (!left.empty()) {
    const bool one = left.size() == 1;
    said->push_back("left out: " + std::to_string(left.size()) +
                    (one ? " tensor that does" : " tensors that do") + " not belong to the model (" +
                    some_of(names_at(file, left)) + ")");
  }
  return taken;
}

Opened open(const std::string& source, const architecture::LoadHints& hints, bool new_head) {
  Opened out;
  Checkpoint file = read_weights(source, hints, &out.said);
  if (!file.metadata.contains(kSpecMetadataKey)) {
    refuse_mistakes(file, new_head);
    for (const std::string& line : out.said) {
      if (!line.starts_with("weights") || line.find("--weights") != std::string::npos)
        log_warning(file.path + ": " + line);
    }
  }
  architecture::Recognised found = architecture::recognise(describe(file), hints);
  if (file.metadata.contains(kSpecMetadataKey)) {
    unpack_int4(found.spec, file);
    found.tensors = describe(file);
  }
  out.weights = derive(found.tensors, file);
  out.spec = std::move(found.spec);
  out.names = std::move(found.names);
  out.foreign = found.foreign;
  out.assumed = std::move(found.assumed);
  out.said.insert(out.said.end(), found.said.begin(), found.said.end());
  return out;
}

Checkpoint parameters_of(const Opened& opened) {
  architecture::TensorTable matched;
  try {
    matched = architecture::matched(opened.spec, describe(opened.weights));
  } catch (const FormatError& error) {
    if (!opened.foreign) throw;
    throw Error(std::string(error.what()) + " (under vitrim's names; the file's are those of " +
                opened.names + ")");
  }
  Checkpoint out = derive(matched, opened.weights);
  checkpoint::check_finite(out);
  return out;
}

}  // namespace vitrim::weights
