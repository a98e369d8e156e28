#include "architecture/model_config.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "architecture/published_vits.h"
#include "core/json.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"
#include "vitrim/core/normalization.h"

namespace vitrim::architecture {

namespace {

namespace fs = std::filesystem;
using json::Json;
using json::Place;

// Each of these files has a few kilobytes; with a thousand classes, some hundred.
constexpr uintmax_t kLargest = uintmax_t{16} << 20;

std::optional<Json> read_json(const std::string& path) {
  std::error_code failed;
  if (!fs::is_regular_file(path, failed)) return std::nullopt;
  if (fs::file_size(path, failed) > kLargest || failed) return std::nullopt;
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in)
    throw Error(path +
                ": can't be read; make it readable, or move it away if it does not belong to the checkpoint");
  Json document = json::parse(text.str(), path);
  if (!document.is_object()) return std::nullopt;
  return document;
}

// Members of one object, any of which may be missing or null.
class Members {
 public:
  Members(const Json& object, Place place) : object_(object), place_(std::move(place)) {}

  const Json* find(const std::string& key) const {
    const auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }
  Place place(const std::string& key) const { return place_.at(key); }

  template <typename T>
  std::optional<T> get(const std::string& key) const {
    const Json* const value = find(key);
    if (!value) return std::nullopt;
    T out{};
    read(*value, place(key), out);
    return out;
  }
  std::optional<int64_t> positive(const std::string& key) const {
    const auto value = get<int64_t>(key);
    if (value && (*value < 1 || *value > (int64_t{1} << 20)))
      place(key).fail("expected a number from 1 to 1048576");
    return value;
  }
  // The side of a square, in any of the forms that square() reads.
  std::optional<int64_t> side(const std::string& key) const;
  // One number, or one per stage.
  std::vector<int64_t> numbers(const std::string& key) const {
    const Json* const value = find(key);
    if (!value) return {};
    if (!value->is_array()) return {*positive(key)};
    std::vector<int64_t> out;
    read(*value, place(key), out);
    return out;
  }
  std::string text(const std::string& key) const { return get<std::string>(key).value_or(""); }
  bool flag(const std::string& key, bool usual) const { return get<bool>(key).value_or(usual); }

 private:
  const Json& object_;
  Place place_;
};

Activation activation_of(const std::string& name, const Place& place) {
  if (name == "gelu") return Activation::kGelu;
  if (name == "gelu_tanh" || name == "gelu_new" || name == "gelu_pytorch_tanh" || name == "gelu_fast")
    return Activation::kGeluTanh;
  if (name == "quick_gelu" || name == "quickgelu") return Activation::kQuickGelu;
  if (name == "relu") return Activation::kRelu;
  if (name == "silu" || name == "swish") return Activation::kSilu;
  place.fail("the activation '" + name +
             "' is not one that vitrim supports (gelu, gelu_tanh, quick_gelu, relu, silu)");
}

std::array<double, 3> triple(const Json& value, const Place& place) {
  const Json& one = value.is_array() && value.size() == 1 ? value[0] : value;
  std::array<double, 3> out{};
  if (one.is_array()) {
    read(one, place, out);
  } else {
    double number = 0;
    read(one, place, number);
    out.fill(number);
  }
  for (const double number : out) {
    if (!std::isfinite(number)) place.fail("expected one number or three");
  }
  return out;
}

void check_units(const PreprocessSpec& preprocess, const Place& place) {
  for (const double s : preprocess.std) {
    if (!(s > 0)) place.fail("a standard deviation is not positive");
  }
  if (const std::string problem = wrong_units(preprocess); !problem.empty()) place.fail(problem);
}

// The side of a square, written as a number, as [height, width] or as {"height": ..., "width": ...}.
int64_t square(const Json& value, const Place& place) {
  std::array<int64_t, 2> sides{};
  if (value.is_object()) {
    const Members both(value, place);
    sides = {both.positive("height").value_or(0), both.positive("width").value_or(0)};
  } else if (value.is_array()) {
    read(value, place, sides);
  } else {
    read(value, place, sides[0]);
    sides[1] = sides[0];
  }
  if (sides[0] != sides[1]) place.fail("vitrim takes square images and patches only");
  if (sides[0] < 1 || sides[0] > (int64_t{1} << 20)) place.fail("expected a number from 1 to 1048576");
  return sides[0];
}

std::optional<int64_t> Members::side(const std::string& key) const {
  const Json* const value = find(key);
  if (!value) return std::nullopt;
  return square(*value, place(key));
}

// A field that is only informative, or that a flag can replace: a wrong value does not prevent loading the
// model.
void warn_unused(const Place& place, const std::string& what) {
  log_warning(*place.source + ": " + place.keys + ": " + what);
}

// {"0": "tench", "1": ...}, or a list of names; empty if they are transformers' placeholders, or not the
// classes 0, 1, ...
std::vector<std::string> labels(const Json& map, const Place& place) {
  std::vector<std::string> names(map.size());
  std::vector<bool> seen(map.size(), false);
  bool placeholders = true;
  for (const auto& item : map.items()) {  // the keys of a list are its positions
    const std::string& key = item.key();
    const bool number =
        !key.empty() && key.size() < 8 && key.find_first_not_of("0123456789") == std::string::npos;
    const size_t index = number ? std::stoul(key) : names.size();
    const Json& name = item.value();
    if (index >= names.size() || seen[index] || !(name.is_string() || name.is_number())) {
      warn_unused(place, "expected names for the classes 0 to " + std::to_string(names.size() - 1) +
                             "; the model is read without class names");
      return {};
    }
    seen[index] = true;
    names[index] = name.is_string() ? name.get<std::string>() : name.dump();
    placeholders = placeholders && names[index] == "LABEL_" + key;
  }
  if (placeholders) names.clear();
  return names;
}

constexpr std::array<std::string_view, 10> kTransformers = {"vit",
                                                            "deit",
                                                            "swin",
                                                            "dinov2",
                                                            "dinov2_with_registers",
                                                            "clip",
                                                            "clip_vision_model",
                                                            "siglip",
                                                            "siglip_vision_model",
                                                            "vit_mae"};

// The keys under which models that contain an image model store its configuration: CLIP, encoder-decoders,
// detectors, ...
constexpr std::array kInnerConfigs = {"vision_config", "encoder", "backbone_config", "image_encoder_config"};

bool is_read(const std::string& model_type) {
  return std::find(kTransformers.begin(), kTransformers.end(), model_type) != kTransformers.end();
}

void read_transformers(const Members& top, ModelConfig& out) {
  out.model_type = top.text("model_type");
  const Json* inner = nullptr;
  std::string where;
  for (const char* const key : kInnerConfigs) {
    const Json* const config = top.find(key);
    if (!config || inner || !config->is_object()) continue;
    inner = config;
    where = key;
  }
  if (inner && !is_read(out.model_type))
    out.model_type = Members(*inner, top.place(where)).text("model_type");
  if (!is_read(out.model_type)) {
    std::string known;
    for (const std::string_view one : kTransformers) known += (known.empty() ? "" : ", ") + std::string(one);
    top.place("model_type")
        .fail("'" + out.model_type + "' is not a model that vitrim reads (" + known +
              "); if this file does not belong to the checkpoint, move one of them to another folder");
  }
  const Members model = inner ? Members(*inner, top.place(where)) : top;
  out.num_heads = model.numbers(model.find("num_heads") ? "num_heads" : "num_attention_heads");
  // transformers omits from the config of a tower the defaults of its class; all of these have 12 heads.
  if (out.num_heads.empty() && out.model_type != "swin") out.num_heads = {12};
  out.norm_eps = model.get<double>("layer_norm_eps");
  if (const std::string name = model.text("hidden_act"); !name.empty())
    out.activation = activation_of(name, model.place("hidden_act"));
  out.patch_size = model.side("patch_size");
  out.image_size = model.side("image_size");
  if (out.model_type == "swin") {
    out.embed_dim = model.positive("embed_dim");
  } else {
    out.embed_dim = model.positive("hidden_size");
    out.depth = model.positive("num_hidden_layers");
  }
  if (const Json* const names = top.find("id2label")) out.class_names = labels(*names, top.place("id2label"));
}

// Pillow's number of a filter, or its name in lower case: "BICUBIC", "PIL.Image.Resampling.BICUBIC".
std::string filter_name(const Json& filter) {
  if (!filter.is_string()) return filter.dump();
  std::string name = filter.get<std::string>();
  name = name.substr(name.rfind('.') + 1);
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  return name;
}

// The preprocessing of transformers' image processors.
PreprocessSpec read_processor(const Members& top) {
  PreprocessSpec out;
  out.crop = 0;
  const bool normalises = top.flag("do_normalize", true);
  if (normalises && top.find("image_mean"))
    out.mean = triple(*top.find("image_mean"), top.place("image_mean"));
  if (normalises && top.find("image_std")) out.std = triple(*top.find("image_std"), top.place("image_std"));
  if (!normalises) {
    out.mean = {0, 0, 0};
    out.std = {1, 1, 1};
  }
  // (f x - mean) / std with a factor f other than 1/255 equals (x / 255 - mean / (255 f)) / (std / (255 f)).
  double factor = top.get<double>("rescale_factor").value_or(1.0 / 255);
  if (!top.flag("do_rescale", true)) factor = 1;
  const double scale = 255 * factor;
  if (!std::isfinite(scale) || scale <= 0) top.place("rescale_factor").fail("expected a positive number");
  if (std::abs(scale - 1) > 1e-9) {
    for (double* values : {out.mean.data(), out.std.data()}) {
      for (int c = 0; c < 3; ++c) values[c] /= scale;
    }
  }
  check_units(out, top.place("image_mean"));
  const std::string kind = top.text("image_processor_type") + top.text("feature_extractor_type");
  if (const Json* const size = top.flag("do_resize", true) ? top.find("size") : nullptr) {
    const Place place = top.place("size");
    if (size->is_object()) out.resize = Members(*size, place).positive("shortest_edge");
    if (!out.resize) {
      out.resize = square(*size, place);
      // In files of older processors, a plain number is the short side for CLIP and both sides for others.
      out.squash = !size->is_number() || kind.find("CLIP") == std::string::npos;
    }
  }
  const Json* const crop = top.flag("do_center_crop", false) ? top.find("crop_size") : nullptr;
  out.crop = crop ? square(*crop, top.place("crop_size")) : out.resize.value_or(0);
  if (const Json* const filter = top.find("resample")) {
    const std::string name = filter_name(*filter);
    if (name == "2" || name == "bilinear") {
      out.interpolation = Interpolation::kBilinear;
    } else if (name != "3" && name != "bicubic") {
      log_warning(*top.place("").source +
                  " requires an interpolation other than bilinear and bicubic, which vitrim does not "
                  "support: images are resized bicubic");
    }
  }
  return out;
}

Pooling pooling_of(const std::string& name, const Place& place) {
  if (name == "token") return Pooling::kToken;
  if (name == "avg") return Pooling::kAverage;
  if (name == "map")
    place.fail(
        "this model pools its tokens by attention ('map'), which vitrim does not support; use timm's 'gap' "
        "variant of it");
  place.fail("the pooling '" + name + "' is not supported (token, avg); use a model with one of these");
}

// If preprocessing can't be understood, the model is loaded without it; --mean and --std are requested where
// they are needed.
template <typename Read>
std::optional<PreprocessSpec> usable(const Read& read) {
  try {
    return read();
  } catch (const FormatError& error) {
    log_warning(std::string(error.what()) + "; preprocessing is not taken from this file");
    return std::nullopt;
  }
}

std::optional<PreprocessSpec> read_timm_preprocessing(const Members& data, int64_t crop) {
  const Json *const mean = data.find("mean"), *const std = data.find("std");
  if (!mean || !std) return std::nullopt;
  PreprocessSpec p;
  p.mean = triple(*mean, data.place("mean"));
  p.std = triple(*std, data.place("std"));
  check_units(p, data.place("mean"));
  p.crop = crop;
  const double share = data.get<double>("crop_pct").value_or(0.875);
  if (!(share > 0 && share <= 1)) data.place("crop_pct").fail("expected a number above 0, at most 1");
  const double side = std::floor(static_cast<double>(p.crop) / share);
  if (side > (1 << 20)) data.place("crop_pct").fail("makes images of more than 1048576 pixels a side");
  if (p.crop > 0) p.resize = static_cast<int64_t>(side);
  p.squash = data.text("crop_mode") == "squash";
  const std::string filter = data.text("interpolation");
  if (filter == "bilinear") p.interpolation = Interpolation::kBilinear;
  if (!filter.empty() && filter != "bilinear" && filter != "bicubic") {
    log_warning(*data.place("").source + " requires interpolation '" + filter +
                "', which vitrim does not support: images are resized bicubic");
  }
  return p;
}

void read_timm(const Members& top, ModelConfig& out) {
  take_timm_name(top.text("architecture"), out);
  const Json* const inner = top.find("pretrained_cfg");
  if (inner && !inner->is_object()) top.place("pretrained_cfg").fail("expected an object");
  const Members data = inner ? Members(*inner, top.place("pretrained_cfg")) : top;
  if (const Json* const args = top.find("model_args"); args && args->is_object()) {
    const Members given(*args, top.place("model_args"));
    out.num_heads = given.numbers("num_heads");
    const auto named = published_vit(out.architecture, 0);
    if (out.num_heads.empty() && named && given.find("embed_dim")) out.num_heads = {named->num_heads};
    out.image_size = given.side("img_size");
    if (const Json* const act = given.find("act_layer"); act && act->is_string())
      out.activation = activation_of(*given.get<std::string>("act_layer"), given.place("act_layer"));
  }
  const bool swin = out.architecture.starts_with("swin");
  if (const std::string pool = top.text("global_pool"); !pool.empty() && !swin)
    out.pooling = pooling_of(pool, top.place("global_pool"));
  out.num_classes = top.get<int64_t>("num_classes");
  std::array<int64_t, 3> input{};
  if (const Json* const size = data.find("input_size")) {
    read(*size, data.place("input_size"), input);
    if (input[1] < 1 || input[1] != input[2] || input[1] > (int64_t{1} << 20))
      data.place("input_size").fail("vitrim takes square images only, from 1 to 1048576 pixels a side");
    if (!out.image_size) out.image_size = input[1];
  }
  if (const Json* const names = top.find("label_names"); names && names->is_array())
    out.class_names = labels(*names, top.place("label_names"));
  out.preprocess = usable([&] { return read_timm_preprocessing(data, input[1]); });
}

}  // namespace

// Differences between timm's architectures that their tensors do not show (timm 1.0).
void take_timm_name(const std::string& name, ModelConfig& out) {
  out.architecture = name;
  const auto has = [&](std::string_view part) { return name.find(part) != std::string::npos; };
  if (has("quickgelu")) out.activation = Activation::kQuickGelu;
  if (has("siglip") && (has("patch32_siglip") || has("giantopt_") || has("so400m_patch16_siglip") ||
                        (has("vit_large") && has("_512")))) {
    out.activation = Activation::kGeluTanh;
  }
  if (has("_clip_") || has("beit3_") || has("swin")) out.norm_eps = 1e-5;
}

ModelConfig read_model_config(const std::string& checkpoint) {
  ModelConfig out;
  if (checkpoint.empty()) return out;
  const fs::path folder = fs::path(checkpoint).parent_path();
  const std::string config = (folder / "config.json").string(),
                    processor = (folder / "preprocessor_config.json").string();
  if (const auto document = read_json(config)) {
    const Members top(*document, Place{&config, ""});
    // transformers' wrapper of timm's models keeps timm's names, and its config states what timm's
    // config.json does.
    const bool timm = top.find("architecture") != nullptr,
               transformers =
                   top.find("model_type") != nullptr && !(timm && top.text("model_type") == "timm_wrapper");
    if (transformers) read_transformers(top, out);
    if (timm && !transformers) read_timm(top, out);
    if (transformers || timm) {
      out.config = config;
    } else {
      log_warning(config +
                  " contains neither a model_type (transformers) nor an architecture (timm) and is not used");
    }
  }
  const auto own = usable([&]() -> std::optional<PreprocessSpec> {
    const auto document = read_json(processor);
    if (!document) return std::nullopt;
    return read_processor(Members(*document, Place{&processor, ""}));
  });
  if (own) {
    out.preprocess = own;
    out.processor = processor;
  }
  return out;
}

PreprocessSpec fitted(PreprocessSpec preprocess, int64_t image_size) {
  if (preprocess.resize && preprocess.crop > 0)
    preprocess.resize = std::max<int64_t>(1, *preprocess.resize * image_size / preprocess.crop);
  preprocess.crop = image_size;
  return preprocess;
}

}  // namespace vitrim::architecture
