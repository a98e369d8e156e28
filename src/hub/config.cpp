#include <filesystem>

#include "core/json.h"
#include "vitrim/core/atomic_file.h"
#include "vitrim/hub/hub.h"

namespace vitrim::hub {

using json::Json;

std::vector<std::string> earlier_commands(const std::string& base) {
  std::error_code failed;
  const std::filesystem::path file = std::filesystem::path(base) / "config.json";
  if (!std::filesystem::is_regular_file(file, failed)) return {};
  const Json config = json::parse(read_text_file(file.string()), file.string());
  if (!config.is_object() || config.value("model_type", Json()) != "vitrim" || !config.contains("vitrim"))
    return {};
  const Json& own = config["vitrim"];
  std::vector<std::string> out;
  if (!own.is_object()) return out;
  for (const Json& command : own.value("earlier_commands", Json::array())) {
    if (command.is_string()) out.push_back(command.get<std::string>());
  }
  if (own.contains("command") && own["command"].is_string()) out.push_back(own["command"].get<std::string>());
  return out;
}

std::string config_json(const ModelSpec& spec, const Origin& origin, const Manifest& manifest) {
  Json out;
  out["model_type"] = "vitrim";
  out["architecture"] = spec.name.empty() ? spec.family : spec.name;
  out["image_size"] = {spec.image_size[0], spec.image_size[1]};
  out["num_classes"] = spec.num_classes;
  out["num_features"] = spec.feature_dim();
  if (!spec.class_names.empty()) {
    Json names = Json::object(), numbers = Json::object();
    for (size_t i = 0; i < spec.class_names.size(); ++i) {
      names[std::to_string(i)] = spec.class_names[i];
      numbers[spec.class_names[i]] = i;
    }
    out["id2label"] = names;
    out["label2id"] = numbers;
  }
  if (!origin.quantization_config.empty())
    out["quantization_config"] = json::parse(origin.quantization_config, "the quantization");
  Json& own = out["vitrim"];
  own["version"] = manifest.version;
  own["task"] = origin.task;
  own["base_model"] = origin.base;
  own["command"] = manifest.command;
  if (const auto earlier = earlier_commands(origin.base); !earlier.empty()) own["earlier_commands"] = earlier;
  if (!manifest.settings.empty()) own["settings"] = manifest.settings;
  own["seed"] = manifest.seed;
  own["data"] = manifest.data_fingerprint;
  own["spec"] = json::parse(to_json(spec), "the model spec");
  return json::dump(out, 2) + "\n";
}

std::string preprocessor_json(const PreprocessSpec& p) {
  Json out;
  // Among transformers' processors, the one for ViTs resizes both sides to the given size, and CLIP's resizes
  // the short side and crops.
  const bool plain = p.squash && p.resize && *p.resize == p.crop;
  out["image_processor_type"] = plain ? "ViTImageProcessor" : "CLIPImageProcessor";
  out["do_convert_rgb"] = true;
  out["do_resize"] = p.resize.has_value();
  if (p.resize && p.squash) out["size"] = {{"height", *p.resize}, {"width", *p.resize}};
  if (p.resize && !p.squash) out["size"] = {{"shortest_edge", *p.resize}};
  out["resample"] = p.interpolation == Interpolation::kBilinear ? 2 : 3;  // Pillow's numbers
  if (!plain) {
    out["do_center_crop"] = true;
    out["crop_size"] = {{"height", p.crop}, {"width", p.crop}};
  }
  out["do_rescale"] = true;
  out["rescale_factor"] = 1.0 / 255;
  out["do_normalize"] = true;
  out["image_mean"] = p.mean;
  out["image_std"] = p.std;
  return json::dump(out, 2) + "\n";
}

}  // namespace vitrim::hub
