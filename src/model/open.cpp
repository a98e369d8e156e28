#include "model/open.h"

#include <ATen/ATen.h>

#include <cstdio>
#include <cstring>
#include <filesystem>

#include "model/companion.h"
#include "model/family.h"
#include "model/infer.h"
#include "model/names.h"
#include "model/weight_sets.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/checkpoint/locate.h"
#include "vitrim/checkpoint/mistakes.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"

namespace vitrim::model {

namespace {

namespace fs = std::filesystem;

std::string file_name(const std::string& path) { return fs::path(path).filename().string(); }

std::string number(double value, int digits = 6) {
  char text[40];
  std::snprintf(text, sizeof text, "%.*g", digits, value);
  return text;
}

// What --flags leave open and the files beside the checkpoint say.
LoadHints completed(LoadHints hints, const Companion& companion, const Translated& translated) {
  if (hints.num_heads.empty()) hints.num_heads = companion.num_heads;
  if (hints.image_size) return hints;
  if (!translated.state.contains("pos_embed")) {
    hints.image_size = companion.image_size;
  } else if (companion.model_type.starts_with("dinov2") && companion.preprocess &&
             companion.preprocess->crop > 0) {
    // Pretrained on larger images than its processor makes; transformers resizes the positions as it runs.
    const int64_t crop = companion.preprocess->crop, patch = companion.patch_size.value_or(1);
    if (crop % patch == 0) hints.image_size = crop;
  }
  return hints;
}

void set_norm_eps(const Companion& companion, Translated& translated) {
  std::optional<double> eps = companion.norm_eps;
  if (!eps && translated.foreign) eps = translated.norm_eps;
  const bool clip =
      !translated.foreign && companion.config.empty() && translated.state.contains("norm_pre.weight");
  if (!eps && clip) eps = 1e-5;
  if (eps && metadata_value(translated.state, {"norm_eps", "eps"}).empty())
    translated.state.metadata["norm_eps"] = number(*eps, 17);
  if (clip) {
    log_warning(translated.state.path +
                ": a norm before the first block says CLIP, so norms take epsilon 1e-5, and MLPs GELU; where "
                "they should take QuickGELU (OpenAI's "
                "weights), put timm's config.json beside the file");
  }
}

[[noreturn]] void disagree(const Companion& companion, const std::string& key, int64_t said, int64_t found) {
  throw FormatError(companion.config, key,
                    "says " + std::to_string(said) + ", but the tensors beside it say " +
                        std::to_string(found) +
                        "; it is the config.json of another model: put each into a folder of its own");
}

void check(const ModelSpec& spec, const Companion& companion) {
  if (companion.embed_dim && *companion.embed_dim != spec.embed_dim)
    disagree(companion, "the width", *companion.embed_dim, spec.embed_dim);
  const auto depth = static_cast<int64_t>(spec.blocks.size());
  if (companion.depth && *companion.depth != depth)
    disagree(companion, "num_hidden_layers", *companion.depth, depth);
  if (companion.patch_size && *companion.patch_size != spec.patch_size)
    disagree(companion, "patch_size", *companion.patch_size, spec.patch_size);
  if (companion.num_classes && spec.num_classes > 0 && *companion.num_classes != spec.num_classes) {
    disagree(companion, "num_classes", *companion.num_classes, spec.num_classes);
  }
}

void complete(ModelSpec& spec, const Companion& companion, const Translated& translated) {
  if (!spec.gated_mlp)
    spec.activation =
        companion.activation.value_or(translated.foreign ? translated.activation : spec.activation);
  const std::optional<Pooling> pooling = companion.pooling ? companion.pooling : translated.pooling;
  if (pooling && spec.pooling != Pooling::kTokenAndAverage &&
      (*pooling == Pooling::kAverage || spec.class_token))
    spec.pooling = *pooling;
  if (companion.preprocess) spec.preprocess = fitted(*companion.preprocess, spec.image_size[0]);
  const auto labels = static_cast<int64_t>(companion.class_names.size());
  if (labels == spec.num_classes) {
    spec.class_names = companion.class_names;
  } else if (labels > 0 && spec.num_classes > 0) {
    log_warning(companion.config + ": it names " + std::to_string(labels) +
                " classes and the classifier has " + std::to_string(spec.num_classes) +
                "; the model is read without class names");
  }
  if (spec.name.empty()) spec.name = companion.architecture;
}

// As transformers' DINOv2 does it: bicubic, not antialiased.
void resize_plainly(const ModelSpec& spec, checkpoint::StateDict& state) {
  const at::Tensor& table = need(state, "pos_embed", 3);
  const int64_t patches = table.size(1) - 1, side = side_of(patches);
  const Grid grid = spec.stage_grid(0);
  if (patches == grid.size() || side == 0) return;
  const at::Tensor map = table.slice(1, 1).to(at::kFloat).reshape({1, side, side, -1}).permute({0, 3, 1, 2});
  const at::Tensor resized = at::upsample_bicubic2d(map, {grid.height, grid.width}, /*align_corners=*/false);
  state.set("pos_embed", at::cat({table.slice(1, 0, 1).to(at::kFloat),
                                  resized.permute({0, 2, 3, 1}).reshape({1, grid.size(), -1})},
                                 1));
}

std::vector<std::string> told(const Companion& companion, const Translated& translated,
                              const ModelSpec& spec) {
  std::vector<std::string> out{"names of tensors: " + translated.names};
  if (!companion.config.empty()) {
    std::string what;
    auto add = [&](bool said, const char* name) {
      if (said) what += (what.empty() ? "" : ", ") + std::string(name);
    };
    add(!companion.architecture.empty(), "architecture");
    add(!companion.num_heads.empty(), "heads");
    add(companion.norm_eps.has_value(), "norm epsilon");
    add(companion.activation.has_value() && !spec.gated_mlp, "activation");
    add(companion.pooling.has_value(), "pooling");
    add(!spec.class_names.empty(), "class names");
    add(companion.preprocess && companion.processor.empty(), "preprocessing");
    out.push_back(file_name(companion.config) + ": " +
                  (what.empty() ? "nothing that the tensors do not say" : what));
  }
  if (!companion.processor.empty()) out.push_back(file_name(companion.processor) + ": preprocessing");
  if (!translated.dropped.empty()) {
    std::string names;
    const size_t shown = std::min<size_t>(translated.dropped.size(), 3);
    for (size_t i = 0; i < shown; ++i) names += (i ? ", " : "") + translated.dropped[i];
    const size_t more = translated.dropped.size() - shown;
    out.push_back("left out: " + names + (more > 0 ? " and " + std::to_string(more) + " more tensors" : "") +
                  ", which the image model does not read");
  }
  return out;
}

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
    if (!new_head || !mistake->head) refuse(state, mistake->name, "this tensor " + mistake->what);
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
  std::vector<std::string> said;
  out.weights = read_weights(source, hints, &said);
  if (out.weights.metadata.contains(kSpecMetadataKey)) {
    out.spec = infer_spec(out.weights, hints);
    out.said = {"architecture and preprocessing: the checkpoint's own metadata"};
    return out;
  }
  refuse_mistakes(out.weights, new_head);
  for (const std::string& line : said) {
    if (!line.starts_with("weights") || line.find("--weights") != std::string::npos)
      log_warning(out.weights.path + ": " + line);
  }
  const Companion companion = read_companion(out.weights.path);
  Translated translated = translate(out.weights, companion);
  set_norm_eps(companion, translated);
  out.spec = infer_spec(translated.state, completed(hints, companion, translated));
  check(out.spec, companion);
  complete(out.spec, companion, translated);
  if (translated.foreign && companion.config.empty()) {
    log_warning(
        translated.state.path +
        ": no config.json lies beside it, so what its tensors do not tell is taken as usual: norm epsilon " +
        number(out.spec.norm_eps) + ", " + activation_name(out.spec.activation) +
        (hints.num_heads.empty() ? ", heads of 64 channels" : ""));
  }
  if (translated.plain_positions) resize_plainly(out.spec, translated.state);
  validate(out.spec);
  out.said = told(companion, translated, out.spec);
  out.said.insert(out.said.begin(), said.begin(), said.end());
  out.names = translated.names;
  out.foreign = translated.foreign;
  out.weights = std::move(translated.state);
  return out;
}

}  // namespace vitrim::model
