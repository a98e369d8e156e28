#include "weights/weight_sets.h"

#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "architecture/names.h"
#include "checkpoint/training_state.h"
#include "vitrim/core/error.h"

namespace vitrim::weights {

namespace {

using Words = std::vector<std::string_view>;  // the components of a dotted name

/// Words anywhere in a name that come from wrappers for parallel, compiled or checkpointed training.
constexpr std::array<std::string_view, 5> kWrapperWords = {
    "module", "_orig_mod", "_checkpoint_wrapped_module", "_fsdp_wrapped_module", "_fpw_module"};

/// Names that transformers' classes with a head have in addition to the contained model; a norm there belongs
/// to the model or is refused.
constexpr std::array<std::string_view, 11> kBesideInner = {
    "classifier", "cls_classifier", "distillation_classifier", "decoder",     "visual_projection",
    "layernorm",  "text_model",     "text_projection",         "logit_scale", "logit_bias",
    "pooler"};

Words split(std::string_view name) {
  Words words;
  for (size_t begin = 0; begin <= name.size();) {
    const size_t dot = std::min(name.find('.', begin), name.size());
    words.push_back(name.substr(begin, dot - begin));
    begin = dot + 1;
  }
  return words;
}

std::string join(const Words& words, size_t begin = 0, size_t end = std::string::npos) {
  std::string name;
  for (size_t i = begin; i < std::min(end, words.size()); ++i)
    name += (i > begin ? "." : "") + std::string(words[i]);
  return name;
}

Words without_wrappers(std::string_view name) {
  Words words = split(name);
  std::erase_if(words, [](std::string_view word) {
    return std::find(kWrapperWords.begin(), kWrapperWords.end(), word) != kWrapperWords.end();
  });
  return words;
}

bool begins_with(const Words& words, const Words& prefix) {
  return words.size() > prefix.size() && std::equal(prefix.begin(), prefix.end(), words.begin());
}

/// Whether the words from `at` on are a weight: the plain one, or one from pruning, parametrisations and
/// adapters (which is refused later, by name).
bool is_weight(const Words& words, size_t at) {
  const std::string rest = join(words, at);
  return rest == "weight" || rest == "weight_orig" || rest == "base_layer.weight" || rest == "weight_g" ||
         rest == "parametrizations.weight.original" || rest == "parametrizations.weight.original0";
}

/// The place of a model: everything under `prefix`; or, if there is an `inner` model, only that and the names
/// that belong to it.
struct Root {
  Words prefix;
  std::string_view inner;
};

/// The root of the model to which this patch-embedding tensor belongs.
std::optional<Root> root_of(const Words& words) {
  for (const std::string_view stem : architecture::patch_embeddings()) {
    const Words sign = split(stem);
    for (size_t at = 0; at + sign.size() < words.size(); ++at) {
      if (!std::equal(sign.begin(), sign.end(), words.begin() + static_cast<std::ptrdiff_t>(at)) ||
          !is_weight(words, at + sign.size()))
        continue;
      Root root{{words.begin(), words.begin() + static_cast<std::ptrdiff_t>(at)}, {}};
      const auto inner = architecture::inner_models();
      if (sign.front() == "embeddings" && !root.prefix.empty() &&
          std::find(inner.begin(), inner.end(), root.prefix.back()) != inner.end()) {
        root.inner = root.prefix.back();
        root.prefix.pop_back();
      }
      return root;
    }
  }
  return std::nullopt;
}

/// Counters of profilers and averages, losses, metrics and optimisers, which no model computes with.
bool is_bookkeeping(const Words& words) {
  constexpr std::array<std::string_view, 4> kCounters = {"total_ops", "total_params", "n_averaged",
                                                         "num_updates"};
  constexpr std::array<std::string_view, 10> kMetrics = {
      "tp", "fp", "tn", "fn", "confmat", "total", "correct", "mean_value", "sum_value", "preds"};
  constexpr std::array<std::string_view, 6> kScripts = {"optim",    "sched",  "criterion",
                                                        "callback", "scaler", "loss"};
  const auto is = [](const auto& list, std::string_view word) {
    return std::find(list.begin(), list.end(), word) != list.end();
  };
  if (is(kCounters, words.back())) return true;
  if (words.size() == 1) return checkpoint::is_training_state(words.front()) && words.front() != "loss";
  if (words.size() <= 3 && is(kMetrics, words.back()) && words.front() != "blocks") return true;
  return std::any_of(kScripts.begin(), kScripts.end(), [&](std::string_view part) {
    return words.front().find(part) != std::string_view::npos;
  });
}

/// Heads that training without labels adds to a model and that are not used in evaluation: MSN, SwAV, DINO,
/// iBOT, BYOL.
bool is_training_head(const Words& words) {
  constexpr std::array<std::string_view, 6> kHeads = {"prototypes", "projection_head", "projector",
                                                      "predictor",  "dino_head",       "ibot_head"};
  return std::find(kHeads.begin(), kHeads.end(), words.front()) != kHeads.end();
}

/// Whether this name contains the state of an optimiser or callback: averages that a script does not load for
/// inference.
bool is_of_optimiser(std::string_view word) {
  return word == "opt" || word.find("optim") != std::string_view::npos ||
         word.find("callback") != std::string_view::npos;
}

bool is_number(std::string_view word) {
  return !word.empty() && word.size() < 6 && word.find_first_not_of("0123456789") == std::string_view::npos;
}

/// blocks.CHUNK.BLOCK.*, as DINOv2's training code stores blocks, becomes blocks.BLOCK.*; if blocks are
/// counted from 0 again in every chunk, they are renumbered.
void join_chunks(std::vector<WeightSet::Member>& members) {
  std::map<int, std::set<int>> chunks;
  for (const auto& member : members) {
    const Words words = split(member.name);
    if (words.size() < 2 || words[0] != "blocks") continue;
    if (words.size() < 4 || !is_number(words[1]) || !is_number(words[2])) return;
    chunks[std::stoi(std::string(words[1]))].insert(std::stoi(std::string(words[2])));
  }
  std::set<int> all;
  size_t count = 0;
  for (const auto& [chunk, blocks] : chunks) {
    all.insert(blocks.begin(), blocks.end());
    count += blocks.size();
  }
  const bool counted_on = all.size() == count;
  std::map<int, int> first;
  int next = 0;
  for (const auto& [chunk, blocks] : chunks) {
    if (!counted_on && *blocks.rbegin() + 1 != static_cast<int>(blocks.size())) return;
    first[chunk] = counted_on ? 0 : next;
    next += static_cast<int>(blocks.size());
  }
  for (auto& member : members) {
    const Words words = split(member.name);
    if (words[0] != "blocks") continue;
    const int block = first.at(std::stoi(std::string(words[1]))) + std::stoi(std::string(words[2]));
    member.name = "blocks." + std::to_string(block) + "." + join(words, 3);
  }
}

/// Rules for which of two sets inference uses, by the first words in which their prefixes differ.
struct Preference {
  const char *taken, *other;  ///< shell patterns
  const char* needs;          ///< a pattern that some tensor must match
  bool top;                   ///< only for top-level entries of the file, not for parts of a module
  /// Only if both sets have the same architecture: a larger teacher teaches a student, which is then the
  /// model.
  bool alike;
  bool projector;   ///< trained without labels: a head of several layers is a projector, not a classifier
  const char* why;  ///< follows "it is "
};

constexpr const char* kTimm = "the averaged set, which timm uses for inference";
constexpr const char* kTeacher = "the teacher, which self-supervised training evaluates";
constexpr const char* kTarget = "the target encoder, which I-JEPA and MSN evaluate";
constexpr const char* kOnline = "the online network, which BYOL evaluates";
constexpr const char* kQuery = "the trained encoder, which MoCo evaluates, and not its moving average";
constexpr const char* kAverage =
    "the averaged set, which the programs that write such files use for inference";
constexpr Preference kPreferences[] = {
    {"state_dict_ema", "*", "", true, false, false, kTimm},
    {"model_ema", "model", "model_ema.n_averaged", true, false, false,
     "the averaged set, which torchvision's reference scripts evaluate"},
    {"model", "model_ema", "", true, false, false, "the trained set, which DeiT and its like evaluate"},
    {"state_dict", "ema_state_dict", "", true, false, false,
     "the averaged set, which OpenMMLab's training stores under this name"},
    {"state_dict", "current_model_state", "", true, false, false,
     "the averaged set, which Lightning stores under this name"},
    {"ema_model", "online_model", "", false, false, false, kAverage},
    {"ema", "model", "", true, false, false, kAverage},
    {"ema", "state_dict", "", true, false, false, kAverage},
    {"ema", "net", "", true, false, false, kAverage},
    {"teacher*", "student*", "", false, true, true, kTeacher},
    {"*teacher", "*student", "", false, true, true, kTeacher},
    {"target_encoder", "encoder", "", false, false, true, kTarget},
    {"target_encoder", "context_encoder", "", false, false, true, kTarget},
    {"online_*", "target_*", "", false, false, true, kOnline},
    {"base_encoder", "momentum_encoder", "", false, false, true, kQuery},
    {"encoder_q", "encoder_k", "", false, false, true, kQuery},
    {"query_encoder", "key_encoder", "", false, false, true, kQuery},
    {"encoder", "momentum_encoder", "", false, false, true, kQuery},
    {"encoder", "encoder_momentum", "", false, false, true, kQuery},
    {"backbone", "momentum_backbone", "", false, false, true, kQuery},
    {"backbone", "backbone_momentum", "", false, false, true, kQuery},
};

/// Whether a tensor of a model that was trained without labels belongs to its projector: "head.0.weight",
/// "fc.fc1.bias", but not "head.weight" or Swin's "head.fc.weight".
bool is_projector(const std::string& name) {
  const Words words = split(name);
  return words.size() > 2 && (words[0] == "head" || words[0] == "fc") &&
         !(words[0] == "head" && words[1] == "fc");
}

bool fits(const char* pattern, const std::string& word) { return fnmatch(pattern, word.c_str(), 0) == 0; }

/// The first words in which the names of two sets differ (empty if one name ends there), and whether they are
/// the first words of the names.
struct Difference {
  std::string first, second;
  bool top;
};
Difference difference(const std::string& first, const std::string& second) {
  const Words a = first == "." ? Words{} : split(first), b = second == "." ? Words{} : split(second);
  size_t at = 0;
  while (at < a.size() && at < b.size() && a[at] == b[at]) ++at;
  return {at < a.size() ? std::string(a[at]) : "", at < b.size() ? std::string(b[at]) : "", at == 0};
}

/// Whether two sets have the same architecture, ignoring heads.
bool are_alike(const WeightSet& a, const WeightSet& b, const std::vector<FileTensor>& tensors) {
  std::map<std::string_view, const std::vector<int64_t>*> shapes;
  for (const auto& member : a.tensors) shapes[member.name] = &tensors[member.index].shape;
  size_t shared = 0;
  for (const auto& member : b.tensors) {
    const auto found = shapes.find(member.name);
    if (found == shapes.end()) continue;
    if (*found->second != tensors[member.index].shape && !member.name.starts_with("head")) return false;
    ++shared;
  }
  return 10 * shared >= 8 * std::max(a.tensors.size(), b.tensors.size());
}

const Preference* preference(const WeightSet& a, const WeightSet& b, const std::vector<FileTensor>& tensors) {
  const auto [taken, other, top] = difference(a.name, b.name);
  for (const Preference& one : kPreferences) {
    if (!fits(one.taken, taken) || !fits(one.other, other) || (one.top && !top)) continue;
    const bool has_sign =
        *one.needs == '\0' || std::any_of(tensors.begin(), tensors.end(),
                                          [&](const FileTensor& t) { return fits(one.needs, t.name); });
    if (has_sign && (!one.alike || are_alike(a, b, tensors))) return &one;
  }
  return nullptr;
}

bool are_equal(const WeightSet& a, const WeightSet& b, const std::function<bool(size_t, size_t)>& same) {
  if (a.tensors.size() != b.tensors.size()) return false;
  std::map<std::string_view, size_t> indices;
  for (const auto& member : a.tensors) indices[member.name] = member.index;
  return std::all_of(b.tensors.begin(), b.tensors.end(), [&](const WeightSet::Member& member) {
    const auto found = indices.find(member.name);
    return found != indices.end() && same(found->second, member.index);
  });
}

std::string quoted(const std::vector<std::string>& names, const std::string& last) {
  std::string text;
  for (size_t i = 0; i < names.size(); ++i)
    text += (i == 0 ? "" : i + 1 == names.size() ? " " + last + " " : ", ") + ("'" + names[i] + "'");
  return text;
}

std::vector<std::string> names_of(const WeightSets& found) {
  std::vector<std::string> names;
  for (const WeightSet& set : found.sets) names.push_back(set.name);
  return names;
}

/// Whether `part` occurs in `name` between dots.
bool has_part(const std::string& name, const std::string& part) {
  return ("." + name + ".").find("." + part + ".") != std::string::npos;
}

size_t named(const WeightSets& found, const std::string& wanted, const std::string& path) {
  std::string part = join(without_wrappers(
      wanted.ends_with('.') && wanted != "." ? wanted.substr(0, wanted.size() - 1) : wanted));
  if (part.empty()) part = ".";
  std::vector<size_t> fitting;
  for (size_t i = 0; i < found.sets.size(); ++i) {
    if (found.sets[i].name == part) return i;
    if (has_part(found.sets[i].name, part)) fitting.push_back(i);
  }
  if (fitting.size() == 1) return fitting.front();
  throw Error(path + ": '" + wanted + "' matches " + (fitting.empty() ? "none" : "more than one") +
              " of the sets of weights in this file; they are " + quoted(names_of(found), "and"));
}

}  // namespace

WeightSets find_weight_sets(const std::vector<FileTensor>& tensors) {
  std::vector<Words> words;
  std::map<Words, std::string_view> roots;  // prefix to inner model
  std::vector<Words> order;
  for (const FileTensor& tensor : tensors) {
    words.push_back(without_wrappers(tensor.name));
    if (words.back().empty()) words.back() = split(tensor.name);
    const auto root = tensor.shape.size() >= 3 ? root_of(words.back()) : std::nullopt;
    if (root && roots.emplace(root->prefix, root->inner).second) order.push_back(root->prefix);
  }
  WeightSets found;
  for (const Words& prefix : order) found.sets.push_back({prefix.empty() ? "." : join(prefix), {}, {}});
  std::vector<std::set<std::string>> taken(order.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    // The longest prefix wins, because a set may be inside another one.
    size_t best = order.size();
    for (size_t s = 0; s < order.size(); ++s) {
      if (begins_with(words[i], order[s]) && (best == order.size() || order[s].size() > order[best].size()))
        best = s;
    }
    if (best < order.size()) {
      const Words rest(words[i].begin() + static_cast<std::ptrdiff_t>(order[best].size()), words[i].end());
      const std::string_view inner = roots.at(order[best]);
      const bool belongs =
          inner.empty() || rest.front() == inner ||
          std::find(kBesideInner.begin(), kBesideInner.end(), rest.front()) != kBesideInner.end();
      if (belongs && (is_bookkeeping(rest) || is_training_head(rest))) {
        found.sets[best].left_out.push_back(i);
        continue;
      }
      if (belongs) {
        // Two tensors that differ only in wrapper words keep their names, and are refused as surplus.
        std::string name = join(rest);
        if (!taken[best].insert(name).second) name = tensors[i].name;
        found.sets[best].tensors.push_back({i, name});
        continue;
      }
    }
    if (!checkpoint::is_training_state(split(tensors[i].name).front())) found.outside.push_back(i);
  }
  for (WeightSet& set : found.sets) join_chunks(set.tensors);
  return found;
}

WeightChoice choose_weights(WeightSets& found, const std::vector<FileTensor>& tensors,
                            const std::string& wanted, const std::string& path,
                            const std::function<bool(size_t, size_t)>& same) {
  WeightChoice choice;
  std::vector<WeightSet>& sets = found.sets;
  if (!wanted.empty()) choice.taken = named(found, wanted, path);
  // The sets to choose among, without those of optimisers and those that equal an earlier one.
  std::vector<size_t> candidates;
  for (size_t i = 0; i < sets.size(); ++i) {
    const bool spare = sets.size() > 1 && is_of_optimiser(split(sets[i].name).front());
    const bool repeated = std::any_of(candidates.begin(), candidates.end(),
                                      [&](size_t other) { return are_equal(sets[other], sets[i], same); });
    if (!spare && !repeated) candidates.push_back(i);
  }
  if (candidates.empty()) candidates.push_back(0);
  if (wanted.empty()) {
    std::optional<size_t> best;
    for (const size_t i : candidates) {
      const bool wins = std::all_of(candidates.begin(), candidates.end(), [&](size_t other) {
        return other == i || preference(sets[i], sets[other], tensors) != nullptr;
      });
      if (wins) best = i;
    }
    if (!best) {
      std::vector<std::string> names;
      for (const size_t i : candidates) names.push_back(sets[i].name);
      throw Error(
          path +
          ": it contains several sets of weights and does not state which one to use; pass --weights with " +
          quoted(names, "or"));
    }
    choice.taken = *best;
  }
  for (size_t i = 0; i < sets.size(); ++i) {  // sets that no script loads for inference are listed too
    if (i != choice.taken && sets.size() > 1 && is_of_optimiser(split(sets[i].name).front()) &&
        std::find(candidates.begin(), candidates.end(), i) == candidates.end() &&
        !are_equal(sets[choice.taken], sets[i], same))
      choice.others.push_back(sets[i].name);
  }
  bool projector = false;
  for (const size_t i : candidates) {
    if (i == choice.taken) continue;
    const Preference* const wins = preference(sets[choice.taken], sets[i], tensors);
    const Preference* const loses = preference(sets[i], sets[choice.taken], tensors);
    if (wins && choice.why.empty() && wanted.empty()) choice.why = wins->why;
    projector = projector || (wins && wins->projector) || (loses && loses->projector);
    choice.others.push_back(sets[i].name);
  }
  if (projector) {
    WeightSet& set = sets[choice.taken];
    for (const auto& member : set.tensors) {
      if (is_projector(member.name)) set.left_out.push_back(member.index);
    }
    std::erase_if(set.tensors, [](const auto& member) { return is_projector(member.name); });
  }
  return choice;
}

std::string some_of(const std::vector<std::string>& names) {
  constexpr size_t kShown = 3;
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kShown); ++i) text += (i ? ", " : "") + names[i];
  if (names.size() > kShown) text += " and " + std::to_string(names.size() - kShown) + " more";
  return text;
}

}  // namespace vitrim::weights
