// Infers the architecture of a checkpoint: from vitrim's own metadata, else by the first family that
// recognises its names.

#include <array>
#include <cmath>
#include <cstdio>
#include <sstream>
#include <stdexcept>

#include "architecture/infer.h"
#include "architecture/names.h"
#include "vitrim/architecture/hints.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"
#include "vitrim/core/suggest.h"

namespace vitrim::architecture {

std::string metadata_value(const TensorTable& state, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    const auto found = state.metadata.find(key);
    if (found != state.metadata.end()) return found->second;
  }
  return {};
}

std::optional<double> as_number(const std::string& text) {
  if (text.empty()) return std::nullopt;
  try {
    size_t used = 0;
    const double value = std::stod(text, &used);
    if (used == text.size()) return value;
  } catch (const std::exception&) {
  }
  return std::nullopt;
}

std::optional<int64_t> metadata_count(const TensorTable& state, std::initializer_list<const char*> keys) {
  const std::string text = metadata_value(state, keys);
  const auto number = as_number(text);
  if (!number) return std::nullopt;
  constexpr double kLargest = 1 << 20;
  if (!(*number >= 1 && *number <= kLargest) || *number != std::floor(*number))
    refuse(state, std::string("metadata ") + *keys.begin(),
           text + " is not a whole number from 1 to 1048576");
  return static_cast<int64_t>(*number);
}

double infer_norm_eps(const TensorTable& state, const Evidence& evidence, double usual, bool guess) {
  if (evidence.hints.norm_eps) return *evidence.hints.norm_eps;
  if (const std::string text = metadata_value(state, {"norm_eps"}); !text.empty()) {
    const auto stated = as_number(text);
    if (!stated || !(*stated > 0 && *stated <= 1))
      refuse(state, "metadata norm_eps", text + " is not a number above 0 and at most 1; pass --norm-eps");
    return *stated;
  }
  if (evidence.usual) usual = evidence.usual->norm_eps;
  if (!evidence.architecture.empty()) return usual;  // the value of the architecture that is named
  char text[32];
  std::snprintf(text, sizeof text, "%g", usual);
  evidence.assume({"norm_eps", text, evidence.usual ? evidence.usual->why : "as of most models of this kind",
                   "--norm-eps", guess});
  return usual;
}

namespace {

// "0.5" or "0.485,0.456,0.406", with or without brackets.
std::optional<std::array<double, 3>> as_triple(std::string text) {
  for (char& c : text) {
    if (c == ',' || c == '[' || c == ']' || c == '(' || c == ')') c = ' ';
  }
  std::istringstream in(text);
  std::vector<double> values;
  for (double v; in >> v;) values.push_back(v);
  if (!in.eof()) return std::nullopt;
  if (values.size() == 1) return std::array<double, 3>{values[0], values[0], values[0]};
  if (values.size() == 3) return std::array<double, 3>{values[0], values[1], values[2]};
  return std::nullopt;
}

}  // namespace

// mean and std from metadata; the rest as in timm's ViTs: crop of the model's size from a resize to 10/9 of
// it, bicubic.
std::optional<PreprocessSpec> infer_preprocess(const TensorTable& state, const Evidence& evidence,
                                               int64_t image_size) {
  const auto mean = as_triple(metadata_value(state, {"mean"}));
  const auto std = as_triple(metadata_value(state, {"std"}));
  if (!mean || !std) return std::nullopt;
  PreprocessSpec p;
  p.mean = *mean;
  p.std = *std;
  p.crop = image_size;
  if (metadata_value(state, {"resize"}) == "none") return p;
  p.resize = metadata_count(state, {"resize"});
  if (!p.resize) {
    p.resize = image_size * 10 / 9;
    evidence.assume({"preprocess.resize", std::to_string(*p.resize),
                     "the crop is nine tenths of the short side, as of most ViTs", "--resize", true});
  }
  const std::string filter = metadata_value(state, {"interpolation"});
  if (filter == "bilinear") p.interpolation = Interpolation::kBilinear;
  if (filter.empty())
    evidence.assume({"preprocess.interpolation", "bicubic", "as of most ViTs", "--interpolation",
                     *p.resize != image_size});
  return p;
}

[[noreturn]] void refuse(const TensorTable& state, const std::string& where, const std::string& what) {
  throw FormatError(state.path.empty() ? "the weights" : state.path, where, what);
}

namespace {

// Whether `name` equals `other` with additional words between its own, as wrapping modules insert them.
bool is_widened(std::string_view name, std::string_view other) {
  if (other.size() <= name.size()) return false;
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return other.ends_with("." + std::string(name));
  if (!other.ends_with(name.substr(dot))) return false;
  size_t at = 0;  // position in `name`
  for (size_t begin = 0; begin <= other.size();) {
    const size_t end = std::min(other.find('.', begin), other.size());
    const std::string_view word = other.substr(begin, end - begin),
                           left = name.substr(std::min(at, name.size()));
    if (left.substr(0, left.find('.')) == word) at += word.size() + 1;
    begin = end + 1;
  }
  return at > name.size();
}

[[noreturn]] void refuse_missing(const TensorTable& state, const std::string& name) {
  const std::string layer = name.substr(0, name.rfind('.') + 1);
  for (const auto& [other, tensor] : state.entries()) {
    if (is_widened(name, other)) {
      refuse(state, name,
             "this tensor is missing under that name, but the file holds " + other +
                 ": another module wraps the layer; save the plain model's state_dict()");
    }
    if (name.ends_with(".weight") && other.starts_with(layer) && other != layer + "bias") {
      refuse(
          state, name,
          "this tensor is missing, but the file holds " + other +
              " in its place: the layer was changed after it was built; save the plain model's state_dict()");
    }
  }
  const size_t attention = name.find(".attn.qkv.");
  for (const auto& [other, tensor] : state.entries()) {
    if (attention != std::string::npos && other.starts_with(name.substr(0, attention + 6)))
      refuse(state, name,
             "this tensor is missing, but the file holds " + other +
                 ": queries, keys and values are read from attn.qkv, or from attn.q_proj, attn.k_proj and "
                 "attn.v_proj; rename the tensors in Python and save them again");
  }
  refuse(state, name,
         "this tensor is missing: the file is incomplete, or its architecture is not the one that its other "
         "tensors indicate");
}

}  // namespace

const TensorInfo& need(const TensorTable& state, const std::string& name, int64_t dims) {
  if (!state.contains(name)) refuse_missing(state, name);
  const TensorInfo& tensor = state.at(name);
  if (tensor.dim() != dims)
    refuse(state, name,
           "expected " + std::to_string(dims) + " dimensions, found " + std::to_string(tensor.dim()));
  for (int64_t size : tensor.sizes()) {
    if (size <= 0) refuse(state, name, "a dimension is empty");
  }
  return tensor;
}

int64_t side_of(int64_t tokens) {
  if (tokens <= 0) return 0;
  const auto side = static_cast<int64_t>(std::llround(std::sqrt(static_cast<double>(tokens))));
  return side * side == tokens ? side : 0;
}

int64_t count_numbered(const TensorTable& state, const std::string& prefix, const std::string& suffix,
                       int64_t first) {
  int64_t count = 0;
  for (bool found = true; found && count < 1000; count += found) {
    const std::string begin = prefix + std::to_string(first + count) + suffix;
    found = false;
    for (const auto& [name, tensor] : state.entries()) found = found || name.starts_with(begin);
  }
  return count;
}

void resize(ModelSpec& spec, int64_t image_size) {
  if (image_size < 1 || image_size > (int64_t{1} << 20))
    throw std::invalid_argument("[architecture::resize] image size " + std::to_string(image_size) +
                                " is out of range");
  const std::array<int64_t, 2> before = spec.image_size;
  if (before[0] == image_size && before[1] == image_size &&
      (!spec.preprocess || spec.preprocess->crop == image_size))
    return;
  spec.image_size = {image_size, image_size};
  if (spec.preprocess) {
    if (spec.preprocess->resize)
      *spec.preprocess->resize = *spec.preprocess->resize * image_size / spec.preprocess->crop;
    spec.preprocess->crop = image_size;
  }
  follow_image_size(spec, before[0]);
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i) {
    int64_t& merge = spec.blocks[static_cast<size_t>(i)].merge;
    if (merge == 0 || merge <= spec.most_merged(i)) continue;
    log_warning("block " + std::to_string(i) + " merges " + std::to_string(spec.most_merged(i)) +
                " pairs of tokens instead of " + std::to_string(merge) +
                ": at this image size there are no more");
    merge = spec.most_merged(i);
  }
}

namespace {

// Sets whether a block without attention passes the stream on unchanged or doubled; the tensors do not
// determine it.
void set_stream_gain(const TensorTable& state, const Evidence& evidence, ModelSpec& spec) {
  std::optional<double> gain = evidence.hints.stream_gain;
  if (gain && *gain != 1 && *gain != 2)
    throw std::invalid_argument("[architecture::infer_spec] a stream gain is 1 or 2");
  if (const std::string text = metadata_value(state, {"stream_gain"}); !gain && !text.empty()) {
    gain = as_number(text);
    if (gain != 1.0 && gain != 2.0)
      refuse(state, "metadata stream_gain", text + " is neither 1 nor 2; pass --stream-gain");
  }
  if (!gain) gain = evidence.stream_gain;
  std::string without;
  for (size_t i = 0; i < spec.blocks.size(); ++i) {
    if (spec.blocks[i].attention != AttentionKind::kNone) continue;
    without += (without.empty() ? "" : ", ") + std::to_string(i);
    if (gain) spec.blocks[i].stream_gain = *gain;
  }
  if (!without.empty() && !gain) {
    refuse(state, "",
           "its blocks without attention (" + without +
               ") pass the stream on either unchanged or doubled (y = 2 x, as in the models of NOSE's "
               "authors), and the file does not state which; pass --stream-gain 1 or --stream-gain 2");
  }
  if (without.empty() && evidence.hints.stream_gain)
    log_warning(state.path + ": every block has attention; --stream-gain is not needed and not used");
}

std::optional<ModelSpec> infer_foreign(const TensorTable& state, const Evidence& evidence) {
  std::optional<ModelSpec> spec = infer_vit(state, evidence);
  for (const bool variant : {false, true}) {
    if (!spec) spec = infer_swin(state, evidence, variant);
  }
  for (const bool variant : {false, true}) {
    if (!spec) spec = infer_pvt(state, evidence, variant);
  }
  return spec ? spec : infer_cswin(state, evidence);
}

}  // namespace

namespace {

constexpr std::array kActivations = {Activation::kGelu, Activation::kGeluTanh, Activation::kQuickGelu,
                                     Activation::kRelu, Activation::kSilu};

}  // namespace

std::vector<std::string> activation_names() {
  std::vector<std::string> names;
  for (const Activation one : kActivations) names.push_back(activation_name(one));
  return names;
}

Activation parse_activation(const std::string& name) {
  for (const Activation one : kActivations) {
    if (activation_name(one) == name) return one;
  }
  throw std::invalid_argument("[architecture::parse_activation] there is no activation '" + name +
                              "'; the nearest name is '" + nearest(name, activation_names()) + "'");
}

void warn_of_idle_hints(const std::string& source, const std::string& whom, const LoadHints& hints) {
  const auto warn = [&](bool given, const std::string& what, const std::string& flag) {
    if (given) log_warning(source + ": " + whom + " " + what + "; " + flag + " is not needed and not used");
  };
  warn(!hints.num_heads.empty(), "how many heads every block has", "--num-heads");
  warn(hints.stream_gain.has_value(), "what every block does to the stream", "--stream-gain");
  warn(hints.activation.has_value(), "which activation the MLPs have", "--activation");
  warn(hints.norm_eps.has_value(), "the epsilon of the norms", "--norm-eps");
  warn(hints.pooling.has_value(), "how tokens are pooled", "--pooling");
}

Pooling parse_pooling(const std::string& name) {
  if (name == "token") return Pooling::kToken;
  if (name == "average") return Pooling::kAverage;
  throw std::invalid_argument("[architecture::parse_pooling] pooling must be token or average, not '" + name +
                              "'");
}

ModelSpec infer_spec(const TensorTable& state, const LoadHints& hints) {
  Evidence evidence;
  evidence.hints = hints;
  return infer_spec(state, evidence);
}

ModelSpec infer_spec(const TensorTable& state, const Evidence& evidence) {
  const LoadHints& hints = evidence.hints;
  ModelSpec spec;
  const auto own = state.metadata.find(kSpecMetadataKey);
  if (own != state.metadata.end()) {
    spec = model_spec_from_json(own->second, state.path + ": metadata " + kSpecMetadataKey);
    if (hints.image_size) resize(spec, *hints.image_size);
    warn_of_idle_hints(state.path, "its own metadata states", hints);
  } else {
    std::optional<ModelSpec> inferred = infer_foreign(state, evidence);
    if (!inferred) {
      std::string first;
      for (size_t i = 0; i < std::min<size_t>(state.size(), 4); ++i)
        first += (i ? ", " : "") + state.entries()[i].first;
      refuse(state, "",
             "its tensors (" + (state.size() == 0 ? "none" : first + (state.size() > 4 ? ", ..." : "")) +
                 ") match no known architecture; tried: " + families_tried() + "; see docs/checkpoints.md");
    }
    spec = std::move(*inferred);
    if (hints.activation && !spec.gated_mlp) spec.activation = *hints.activation;
    if (hints.pooling && spec.pooling != Pooling::kTokenAndAverage &&
        (*hints.pooling == Pooling::kAverage || spec.class_token))
      spec.pooling = *hints.pooling;
    set_stream_gain(state, evidence, spec);
  }
  if (hints.num_classes && *hints.num_classes != spec.num_classes) {
    refuse(state, "head",
           "the classifier has " + std::to_string(spec.num_classes) + " classes, not " +
               std::to_string(*hints.num_classes) + "; pass --num-classes " +
               std::to_string(spec.num_classes) + " or a checkpoint trained on these classes");
  }
  try {
    validate(spec);
  } catch (const std::invalid_argument& error) {
    if (hints.image_size) throw;  // the requested size may be the cause
    std::string what = error.what();
    if (what.starts_with('[')) what.erase(0, what.find("] ") + 2);
    const bool of_size = what.find("image") != std::string::npos || what.find("window") != std::string::npos;
    refuse(state, "", what + (of_size ? "; pass --image-size if the model was trained at another size" : ""));
  }
  return spec;
}

}  // namespace vitrim::architecture
