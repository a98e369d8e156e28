// The model card: YAML for the hub, then the information that a user needs before using the model.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <sstream>

#include "core/counted.h"
#include "vitrim/core/atomic_file.h"
#include "vitrim/core/layer_list.h"
#include "vitrim/core/macs_target.h"
#include "vitrim/hub/hub.h"

namespace vitrim::hub {

namespace {

namespace fs = std::filesystem;

std::string formatted(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string percent(double share) { return formatted("%.1f %%", 100 * share); }
std::string points(double share) { return formatted("%+.1f", 100 * share); }

// Whether the text is a hub's id and not a path.
bool is_hub_id(const std::string& name) {
  std::error_code failed;
  const size_t slash = name.find('/');
  return slash != std::string::npos && slash > 0 && name.find('/', slash + 1) == std::string::npos &&
         name.front() != '.' && name.front() != '~' && !name.ends_with(".safetensors") &&
         !name.ends_with(".pth") && !fs::exists(name, failed);
}

std::string front(const std::string& base, Task task, int64_t classes, const std::string& license) {
  std::string out = "---\nlibrary_name: vitrim\npipeline_tag: ";
  out += task == Task::kSegmentation ? "image-segmentation"
         : classes > 0               ? "image-classification"
                                     : "image-feature-extraction";
  out += "\ntags:\n- vitrim\n- vision-transformer\n- model-compression\n";
  if (is_hub_id(base)) out += "base_model: " + base + "\n";
  out += "license: " + (license.empty() ? "# fill in: the license of the original model decides" : license);
  return out + "\n---\n\n";
}

std::string accuracy(const EvalResult& result) {
  const auto [low, high] = result.headline_ci95();
  return percent(result.headline()) + " (" + formatted("%.1f", 100 * low) + " to " +
         formatted("%.1f", 100 * high) + ")";
}

std::string row(const std::string& name, int64_t params, int64_t macs,
                const std::optional<EvalResult>& result) {
  return "| " + name + " | " + formatted("%.3f M", static_cast<double>(params) / 1e6) + " | " + giga(macs) +
         (result ? " | " + accuracy(*result) : "") + " |\n";
}

std::string difference(const EvalResult& result, const PairedResult& paired) {
  std::string out = "Both models were evaluated on the same images (" + result.data +
                    "): paired difference " + points(paired.difference) + " points (95 % interval " +
                    points(paired.ci95.first) + " to " + points(paired.ci95.second);
  if (!std::isnan(paired.mcnemar_p)) out += formatted(", McNemar p = %.2g", paired.mcnemar_p);
  return out + ").\n\n";
}

std::string table(const std::string& base, int64_t base_params, int64_t base_macs,
                  const std::optional<EvalResult>& before, int64_t params, int64_t macs,
                  const std::optional<EvalResult>& after) {
  const EvalResult* const shown = after ? &*after : nullptr;
  std::string out = "| model | parameters | multiply-adds |";
  if (shown) out += " " + std::string(shown->headline_name()) + " (95 % interval) |";
  out += std::string("\n|---|---|---|") + (shown ? "---|" : "") + "\n";
  out += row("base model: `" + base + "`", base_params, base_macs, before);
  return out + row("this model", params, macs, after) + "\n";
}

// A code fence that the text can't close.
std::string fenced(const std::string& language, const std::string& text) {
  std::string fence = "```";
  while (text.find(fence) != std::string::npos) fence += '`';
  return fence + language + "\n" + text + "\n" + fence + "\n\n";
}

std::string use(const std::string& name, const ModelSpec& spec) {
  std::string out = "## Use\n\n";
  out += fenced("python", "import vitrim\n\nmodel = vitrim.load(\"" + name +
                              "\")  # a torch.nn.Module; from a hub: vitrim.from_pretrained(\"owner/name\")");
  out += spec.preprocess
             ? "`transformers.AutoImageProcessor.from_pretrained` reads `preprocessor_config.json`. "
             : "The base model does not state how its images are normalised, so there is no "
               "`preprocessor_config.json`. ";
  out += "The command line takes the folder as well: `vitrim eval " + name + " --data labelled_images/`.\n\n";
  if (spec.segmentation) return out;
  out += "To serve it without PyTorch, use the package `vitrim-runtime`, which needs NumPy only:\n\n";
  const std::string result = spec.num_classes > 0 ? "logits" : "features";
  const std::string engine = "engine = Engine(\"" + name + "\")\n";
  if (!spec.preprocess)
    return out + fenced("python", "from vitrim_runtime import Engine\n\n" + engine + result +
                                      " = engine.run(images)  # float32 [n, channels, height, width], "
                                      "normalised as in training");
  return out +
         fenced("python",
                "import numpy\nfrom PIL import Image  # Pillow, or any library that reads images\n"
                "from vitrim_runtime import Engine\n\n" +
                    engine +
                    "images = [numpy.asarray(Image.open(\"photo.jpg\").convert(\"RGB\"))]  # of any sizes\n" +
                    result + " = engine.run(engine.preprocess(images))" +
                    (spec.num_classes > 0 ? "\nprint(logits.argmax(1))  # indices of classes" : ""));
}

// All commands since the original model: those in the config.json of its base, then this one.
// `images` names those of the manifest's fingerprint.
std::string made(const std::string& base, const Manifest& manifest, const std::string& images) {
  std::string commands;
  for (const std::string& command : earlier_commands(base)) commands += command + "\n";
  return "## How it was made\n\n" + fenced("sh", commands + manifest.command) + "vitrim " + manifest.version +
         (manifest.git_commit.empty() ? "" : " (" + manifest.git_commit + ")") + ", seed " +
         std::to_string(manifest.seed) +
         (manifest.data_fingerprint.empty() ? "" : ", " + images + ": " + manifest.data_fingerprint) + ".\n";
}

// "12 ", the number of images on which held_out_agreement was measured; empty if the result does not state
// it.
std::string held_out_images(const CompressResult& r) {
  const int64_t images = r.features       ? r.features->images
                         : r.quantization ? r.quantization->held_out_images
                                          : 0;
  return images > 0 ? std::to_string(images) + " " : "";
}

std::string removal(const std::vector<int>& layers, const std::string& reason) {
  return std::string("the attention of ") + (layers.size() == 1 ? "layer " : "layers ") +
         format_layer_list(layers) + " was removed (" + format_choice(reason) + ")";
}

std::string what_was_done(const CompressResult& result) {
  if (result.removed.empty()) return result.reason;
  return removal(result.removed, result.reason);
}

// The value of the license field in the existing card; empty if it is not filled in.
std::string stated_license(const std::string& path) {
  std::error_code failed;
  if (!fs::is_regular_file(path, failed)) return "";
  std::istringstream text(read_text_file(path));
  std::string line;
  if (!std::getline(text, line) || line != "---") return "";
  while (std::getline(text, line) && line != "---") {
    if (!line.starts_with("license:")) continue;
    const size_t begin = line.find_first_not_of(" \t", 8);
    return begin == std::string::npos || line[begin] == '#' ? "" : line.substr(begin);
  }
  return "";
}

std::string name_of(const std::string& output) { return fs::path(stem_of(output)).filename().string(); }

template <typename Card>
void describe_folder(const std::string& output, const ModelSpec& spec, const Origin& origin,
                     const Manifest& manifest, const Card& card_with) {
  if (!is_folder(output)) return;
  const fs::path folder = output;
  write_text_file((folder / "config.json").string(), config_json(spec, origin, manifest));
  if (spec.preprocess)
    write_text_file((folder / "preprocessor_config.json").string(), preprocessor_json(*spec.preprocess));
  const std::string readme = (folder / "README.md").string();
  write_text_file(readme, card_with(stated_license(readme)));
}

}  // namespace

std::string card(const std::string& name, const CompressResult& r, const std::string& license) {
  std::string out = front(r.model, r.compressed_spec.task(), r.compressed_spec.num_classes, license);
  out += "# " + name + "\n\n";
  out += "Made from `" + r.model + "` with vitrim: " + what_was_done(r) + ".\n\n";
  out += table(r.model, r.dense_params, r.dense_macs, r.dense, r.compressed_params, r.compressed_macs,
               r.compressed);
  if (r.compressed && r.paired) out += difference(*r.compressed, *r.paired);
  if (r.held_out_agreement > 0)
    out +=
        "On " + held_out_images(r) +
        "calibration images that were kept out of the fit, it predicts the same class as the base model on " +
        percent(r.held_out_agreement) + " (mean KL divergence " + formatted("%.3g", r.held_out_kl) +
        " nats).\n\n";
  if (r.quantization)
    out += "Parameters take " +
           formatted("%.1f MB", static_cast<double>(r.quantization->bytes_after) * 1e-6) + " instead of " +
           formatted("%.1f MB", static_cast<double>(r.quantization->bytes_before) * 1e-6) +
           " in float32.\n\n";
  if (r.speed)
    out += "On the machine that made it (" + r.manifest.cpu + ", " + counted(r.speed->threads, "thread") +
           ", batch " + std::to_string(r.speed->batch) + ", " + r.speed->engine + ") it ran " +
           formatted("%.2f", r.speed->speedup) + " times as fast (10th to 90th percentile " +
           formatted("%.2f", r.speed->speedup_p10) + " to " + formatted("%.2f", r.speed->speedup_p90) +
           ").\n\n";
  return out + use(name, r.compressed_spec) + made(r.model, r.manifest, "calibration images");
}

std::string card(const std::string& name, const TrainResult& r, const ModelSpec& spec,
                 const std::string& license) {
  std::string out = front(r.init, spec.task(), spec.num_classes, license);
  out += "# " + name + "\n\nMade from `" + r.init + "` with `vitrim " + r.task + "`, " +
         std::to_string(r.epochs.size()) + (r.epochs.size() == 1 ? " epoch" : " epochs");
  if (!r.removed.empty()) out += "; " + removal(r.removed, r.reason);
  out += ".\n\n";
  if (r.evaluation && r.dense) {
    out += table(r.init, r.dense->params, r.dense->macs, r.dense, r.evaluation->params, r.evaluation->macs,
                 r.evaluation);
  } else if (r.evaluation) {
    out += std::string(r.evaluation->headline_name()) + " " + accuracy(*r.evaluation) +
           " (95 % interval) on " + std::to_string(r.evaluation->images) + " images (" + r.evaluation->data +
           ").\n\n";
  }
  if (r.evaluation && r.paired) out += difference(*r.evaluation, *r.paired);
  return out + use(name, spec) + made(r.init, r.manifest, "training images");
}

void describe(const CompressResult& r, const std::string& quantization_config) {
  const bool changes_attention =
      !r.removed.empty() || !r.compressed_spec.layers_made_static(r.dense_spec).empty();
  const std::string task = r.quantization                                ? "quantize"
                           : r.compressed_spec.merges_more(r.dense_spec) ? "merge"
                           : changes_attention                           ? "compress"
                                                                         : "prune";
  describe_folder(r.output, r.compressed_spec, {task, r.model, quantization_config}, r.manifest,
                  [&](const std::string& license) { return card(name_of(r.output), r, license); });
}

void describe(const TrainResult& r, const ModelSpec& spec) {
  describe_folder(r.output, spec, {r.task, r.init, {}}, r.manifest,
                  [&](const std::string& license) { return card(name_of(r.output), r, spec, license); });
}

}  // namespace vitrim::hub
