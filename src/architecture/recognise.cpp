#include "vitrim/architecture/recognise.h"

#include <filesystem>
#include <stdexcept>

#include "architecture/infer.h"
#include "architecture/model_config.h"
#include "architecture/names.h"
#include "architecture/nose_authors.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"

namespace vitrim::architecture {

namespace {

namespace fs = std::filesystem;

std::string file_name(const std::string& path) { return fs::path(path).filename().string(); }

// Values that the flags do not set and that the files in the checkpoint's folder state.
LoadHints completed(LoadHints hints, const ModelConfig& model_config, const Translated& translated) {
  if (hints.num_heads.empty()) hints.num_heads = model_config.num_heads;
  if (!hints.norm_eps) hints.norm_eps = model_config.norm_eps;
  if (!hints.activation) hints.activation = model_config.activation;
  if (!hints.pooling) hints.pooling = model_config.pooling ? model_config.pooling : translated.pooling;
  if (translated.foreign && !model_config.model_type.empty()) {  // the defaults of the library's class
    hints.norm_eps = hints.norm_eps.value_or(translated.norm_eps);
    hints.activation = hints.activation.value_or(translated.activation);
  }
  if (hints.image_size) return hints;
  if (!translated.state.contains("pos_embed")) {
    hints.image_size = model_config.image_size;
  } else if (model_config.model_type.starts_with("dinov2") && model_config.preprocess &&
             model_config.preprocess->crop > 0) {
    // The model was pretrained on larger images than its processor makes; transformers resizes the positions
    // at run time.
    const int64_t crop = model_config.preprocess->crop, patch = model_config.patch_size.value_or(1);
    if (crop % patch == 0) hints.image_size = crop;
  }
  return hints;
}

// Values that most models under these names have, used if neither a config.json nor a name states them.
std::optional<UsualValues> usual_values(const ModelConfig& model_config, const Translated& translated) {
  if (!model_config.architecture.empty()) return std::nullopt;
  UsualValues usual;
  if (translated.foreign) {
    usual.norm_eps = translated.norm_eps;
    usual.activation = translated.activation;
    usual.why = "as most models under the names of " + translated.names;
    usual.guess = translated.names.find("CLIP") != std::string::npos;
    return usual;
  }
  if (!translated.state.contains("norm_pre.weight")) return std::nullopt;
  usual.norm_eps = 1e-5;
  usual.why = "a norm before the first block indicates CLIP; OpenAI's models have quick_gelu";
  usual.guess = true;
  return usual;
}

Evidence evidence_of(const LoadHints& hints, const ModelConfig& model_config, const Translated& translated) {
  Evidence evidence;
  evidence.hints = completed(hints, model_config, translated);
  if (!evidence.hints.activation) {  // the file's own metadata
    const std::string stated = metadata_value(translated.state, {"activation"});
    std::string known;
    for (const std::string& name : activation_names()) {
      if (name == stated) evidence.hints.activation = parse_activation(name);
      known += (known.empty() ? "" : ", ") + name;
    }
    if (!stated.empty() && !evidence.hints.activation)
      refuse(translated.state, "metadata activation",
             "'" + stated + "' is not one that vitrim supports (" + known + "); pass --activation");
  }
  evidence.architecture = model_config.architecture;
  for (const auto& size :
       {hints.image_size, model_config.image_size, metadata_count(translated.state, {"image_size"})}) {
    if (size) evidence.image_sizes.push_back(*size);
  }
  evidence.bare_positions = translated.bare_positions;
  evidence.usual = usual_values(model_config, translated);
  return evidence;
}

// Training scripts store the architecture in their files: timm's as `arch`, DeiT's and MAE's as `args.model`.
void read_noted_architecture(const TensorTable& state, const LoadHints& hints, ModelConfig& model_config) {
  if (!model_config.config.empty()) return;
  const std::string name = metadata_value(state, {"arch", "args.model", "args.arch"});
  const bool moco = metadata_value(state, {kPrefixKey}).find("base_encoder") != std::string::npos;
  // timm's names contain the patch size.
  if (moco) {
    take_timm_name("moco_v3", model_config);
  } else if (name.find("patch") != std::string::npos) {
    take_timm_name(name, model_config);
  } else if (metadata_value(state, {"arch"}) == "vit_small" && hints.num_heads.empty()) {
    refuse(state, "arch",
           "states vit_small, which usually has 6 heads, but 12 in the models of MoCo v3's authors; pass "
           "--num-heads 6 or "
           "--num-heads 12");
  }
}

[[noreturn]] void disagree(const ModelConfig& model_config, const std::string& key, int64_t said,
                           int64_t found) {
  throw FormatError(model_config.config, key,
                    "states " + std::to_string(said) + ", but the tensors beside it have " +
                        std::to_string(found) +
                        "; it is the config.json of another model: put each model into its own folder");
}

void check(const ModelSpec& spec, const ModelConfig& model_config) {
  if (model_config.embed_dim && *model_config.embed_dim != spec.embed_dim)
    disagree(model_config, "the width", *model_config.embed_dim, spec.embed_dim);
  const auto depth = static_cast<int64_t>(spec.blocks.size());
  if (model_config.depth && *model_config.depth != depth)
    disagree(model_config, "num_hidden_layers", *model_config.depth, depth);
  if (model_config.patch_size && *model_config.patch_size != spec.patch_size)
    disagree(model_config, "patch_size", *model_config.patch_size, spec.patch_size);
  if (model_config.num_classes && spec.num_classes > 0 && *model_config.num_classes != spec.num_classes) {
    disagree(model_config, "num_classes", *model_config.num_classes, spec.num_classes);
  }
}

void complete(ModelSpec& spec, const ModelConfig& model_config) {
  if (model_config.preprocess) spec.preprocess = fitted(*model_config.preprocess, spec.image_size[0]);
  const auto labels = static_cast<int64_t>(model_config.class_names.size());
  if (labels == spec.num_classes) {
    spec.class_names = model_config.class_names;
  } else if (labels > 0 && spec.num_classes > 0) {
    log_warning(model_config.config + ": it lists " + std::to_string(labels) +
                " classes, but the classifier has " + std::to_string(spec.num_classes) +
                "; the model is read without class names");
  }
  if (spec.name.empty()) spec.name = model_config.architecture;
}

// As in transformers' DINOv2: bicubic, not antialiased.
void resize_plainly(const ModelSpec& spec, TensorTable& state) {
  const TensorInfo table = need(state, "pos_embed", 3);
  const int64_t patches = table.size(1) - 1, side = side_of(patches);
  const Grid grid = spec.stage_grid(0);
  if (patches == grid.size() || side == 0) return;
  const TensorInfo map = resized(sliced(table, 1, 1, table.size(1)), {side, side}, grid, /*antialias=*/false);
  state.set("pos_embed", joined({sliced(table, 1, 0, 1), map}, 1));
}

std::vector<std::string> told(const ModelConfig& model_config, const Translated& translated,
                              const ModelSpec& spec) {
  std::vector<std::string> out{"names of tensors: " + translated.names};
  if (!model_config.config.empty()) {
    std::string what;
    auto add = [&](bool said, const char* name) {
      if (said) what += (what.empty() ? "" : ", ") + std::string(name);
    };
    add(!model_config.architecture.empty(), "architecture");
    add(!model_config.num_heads.empty(), "heads");
    add(model_config.norm_eps.has_value(), "norm epsilon");
    add(model_config.activation.has_value() && !spec.gated_mlp, "activation");
    add(model_config.pooling.has_value(), "pooling");
    add(!spec.class_names.empty(), "class names");
    add(model_config.preprocess && model_config.processor.empty(), "preprocessing");
    out.push_back(file_name(model_config.config) + ": " +
                  (what.empty() ? "nothing beyond what the tensors determine" : what));
  }
  if (model_config.config.empty() && !model_config.architecture.empty())
    out.push_back("the file's training arguments: architecture " + model_config.architecture);
  if (!model_config.processor.empty()) out.push_back(file_name(model_config.processor) + ": preprocessing");
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
  ModelConfig model_config = read_model_config(file.path);
  read_noted_architecture(file, hints, model_config);
  Translated translated = translate(file, model_config);
  Evidence evidence = evidence_of(hints, model_config, translated);
  evidence.assumed = &out.assumed;
  const bool nose = read_nose_authors(translated.state);
  if (nose) evidence.stream_gain = 2;
  out.spec = infer_spec(translated.state, evidence);
  if (hints.pooling == Pooling::kToken && !out.spec.class_token)
    throw std::invalid_argument(
        "[architecture::recognise] there is no class token to pool; pass --pooling average");
  check(out.spec, model_config);
  complete(out.spec, model_config);
  const std::string warning = guesses_text(translated.state.path, out.assumed, hints.stated);
  if (hints.warn_of_guesses && !warning.empty()) log_warning(warning);
  if (translated.plain_positions) resize_plainly(out.spec, translated.state);
  validate(out.spec);
  out.said = told(model_config, translated, out.spec);
  if (nose)
    out.said.push_back("the file's training arguments: blocks without attention double the stream (NOSE)");
  out.names = translated.names;
  out.foreign = translated.foreign;
  out.tensors = std::move(translated.state);
  return out;
}

}  // namespace vitrim::architecture
