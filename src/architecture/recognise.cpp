#include "vitrim/architecture/recognise.h"

#include <cstdio>
#include <filesystem>

#include "architecture/infer.h"
#include "architecture/model_config.h"
#include "architecture/names.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"

namespace vitrim::architecture {

namespace {

namespace fs = std::filesystem;

std::string file_name(const std::string& path) { return fs::path(path).filename().string(); }

std::string number(double value, int digits = 6) {
  char text[40];
  std::snprintf(text, sizeof text, "%.*g", digits, value);
  return text;
}

// What --flags leave open and the files beside the checkpoint say.
LoadHints completed(LoadHints hints, const ModelConfig& companion, const Translated& translated) {
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

void set_norm_eps(const ModelConfig& companion, Translated& translated) {
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

[[noreturn]] void disagree(const ModelConfig& companion, const std::string& key, int64_t said,
                           int64_t found) {
  throw FormatError(companion.config, key,
                    "says " + std::to_string(said) + ", but the tensors beside it say " +
                        std::to_string(found) +
                        "; it is the config.json of another model: put each into a folder of its own");
}

void check(const ModelSpec& spec, const ModelConfig& companion) {
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

void complete(ModelSpec& spec, const ModelConfig& companion, const Translated& translated) {
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
void resize_plainly(const ModelSpec& spec, TensorTable& state) {
  const TensorInfo table = need(state, "pos_embed", 3);
  const int64_t patches = table.size(1) - 1, side = side_of(patches);
  const Grid grid = spec.stage_grid(0);
  if (patches == grid.size() || side == 0) return;
  const TensorInfo map = resized(sliced(table, 1, 1, table.size(1)), {side, side}, grid, /*antialias=*/false);
  state.set("pos_embed", joined({sliced(table, 1, 0, 1), map}, 1));
}

std::vector<std::string> told(const ModelConfig& companion, const Translated& translated,
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

}  // namespace

Recognised recognise(const TensorTable& file, const LoadHints& hints) {
  Recognised out;
  if (file.metadata.contains(kSpecMetadataKey)) {
    out.spec = infer_spec(file, hints);
    out.tensors = file;
    out.said = {"architecture and preprocessing: the checkpoint's own metadata"};
    return out;
  }
  const ModelConfig companion = read_model_config(file.path);
  Translated translated = translate(file, companion);
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
  out.names = translated.names;
  out.foreign = translated.foreign;
  out.tensors = std::move(translated.state);
  return out;
}

}  // namespace vitrim::architecture
