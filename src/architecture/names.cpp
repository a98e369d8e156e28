#include "architecture/names.h"

#include <algorithm>
#include <map>

#include "architecture/infer.h"

namespace vitrim::architecture {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The texts that # and * match in `name`; false if it does not match.
bool capture(std::string_view pattern, std::string_view name, std::vector<std::string_view>& captured) {
  captured.clear();
  size_t at = 0;
  for (const char c : pattern) {
    if (c == '*') {
      captured.push_back(name.substr(at));
      return true;
    }
    if (c == '#') {
      const size_t begin = at;
      while (at < name.size() && is_digit(name[at])) ++at;
      if (at == begin) return false;
      captured.push_back(name.substr(begin, at - begin));
    } else if (at < name.size() && name[at] == c) {
      ++at;
    } else {
      return false;
    }
  }
  return at == name.size();
}

std::string filled(std::string_view pattern, const std::vector<std::string_view>& captured) {
  std::string out;
  size_t next = 0;
  for (const char c : pattern) {
    if (c != '#' && c != '*') {
      out += c;
    } else if (next < captured.size()) {
      out += captured[next++];
    }
  }
  return out;
}

// The parts of one tensor, in order.
struct Parts {
  std::vector<std::optional<TensorInfo>> tensors;
  std::vector<std::string> names;
};

TensorInfo whole_tensor(const TensorTable& state, const std::string& name, const Parts& parts) {
  std::string found;
  for (size_t i = 0; i < parts.tensors.size(); ++i) {
    if (parts.tensors[i]) found = parts.names[i];
  }
  std::vector<TensorInfo> inputs;
  for (const std::optional<TensorInfo>& part : parts.tensors) {
    if (!part) refuse(state, found, "occurs without the other parts of " + name + "; the file is incomplete");
    const TensorInfo& first = *parts.tensors.front();
    const bool fits = part->dim() == first.dim() && part->dim() >= 1 &&
                      std::equal(part->shape.begin() + 1, part->shape.end(), first.shape.begin() + 1);
    if (!fits || part->dtype != first.dtype) {
      refuse(state, found, "has another shape or dtype than the other parts of " + name);
    }
    inputs.push_back(*part);
  }
  return joined(std::move(inputs));
}

}  // namespace

bool matches(std::string_view pattern, std::string_view name) {
  std::vector<std::string_view> captured;
  return capture(pattern, name, captured);
}

bool has_any(const TensorTable& state, std::string_view pattern) {
  return std::any_of(state.entries().begin(), state.entries().end(),
                     [&](const auto& entry) { return matches(pattern, entry.first); });
}

TensorTable rename(const TensorTable& state, std::span<const NameRule> rules,
                   std::vector<std::string>& dropped) {
  TensorTable out;
  out.path = state.path;
  out.metadata = state.metadata;
  std::map<std::string, Parts> parts;
  auto add = [&](const std::string& name, const TensorInfo& tensor, const std::string& was) {
    if (out.contains(name))
      refuse(state, was, "is " + name + " under another name, and the file contains that name too");
    out.add(name, tensor);
  };
  std::vector<std::string_view> captured;
  for (const auto& [name, tensor] : state.entries()) {
    const std::string& was = name;
    const auto rule = std::find_if(rules.begin(), rules.end(),
                                   [&](const NameRule& one) { return capture(one.from, was, captured); });
    if (rule == rules.end()) {
      add(name, tensor, name);
    } else if (rule->to.empty()) {
      dropped.push_back(name);
    } else if (rule->parts == 1) {
      add(filled(rule->to, captured), tensor, name);
    } else {
      Parts& whole = parts[filled(rule->to, captured)];
      whole.tensors.resize(static_cast<size_t>(rule->parts));
      whole.names.resize(static_cast<size_t>(rule->parts));
      whole.tensors[static_cast<size_t>(rule->part)] = tensor;
      whole.names[static_cast<size_t>(rule->part)] = name;
    }
  }
  for (const auto& [name, whole] : parts) add(name, whole_tensor(state, name, whole), name);
  return out;
}

void refuse_foreign(const TensorTable& state, std::span<const Foreign> table) {
  for (const Foreign& one : table) {
    for (const auto& [name, tensor] : state.entries()) {
      if (matches(one.name, name)) refuse(state, name, "this model " + std::string(one.what));
    }
  }
}

void fold_class_position(TensorTable& state) {
  const TensorInfo positions = need(state, "pos_embed", 3), token = need(state, "cls_token", 3);
  if (positions.size(1) < 2 || token.shape != std::vector<int64_t>{1, 1, positions.size(2)})
    refuse(state, "pos_embed", "its width is not the class token's");
  state.set("cls_token", sum(token, sliced(positions, 1, 0, 1)));
  state.set("pos_embed", sliced(positions, 1, 1, positions.size(1)));
}

Translated translate(const TensorTable& state, const ModelConfig& config) {
  Translated out;
  if (translate_transformers(state, out)) return out;
  translate_timm(state, config, out);
  return out;
}

std::span<const std::string_view> patch_embeddings() {
  static constexpr std::string_view kStems[] = {
      "patch_embed.proj",                        // timm's ViT and Swin
      "embeddings.patch_embeddings.projection",  // transformers' ViT, DeiT, DINOv2, Swin
      "embeddings.patch_embedding",              // transformers' CLIP and SigLIP
      "embeddings.patch_embeddings",             // transformers' DINOv3, which is refused by name
      "patch_embed1.proj",                       // PVT
      "stage1_conv_embed.0",                     // CSwin
  };
  return kStems;
}

std::string families_tried() {
  return "ViT, DeiT and their like with timm's names (patch_embed.proj.weight, blocks.0.mlp.fc1.weight) or "
         "with transformers' "
         "(embeddings.patch_embeddings.projection.weight, encoder.layer.0.layernorm_before.weight; of CLIP "
         "vision_model.embeddings.patch_embedding.weight), "
         "Swin with timm's (layers.0.blocks.0.mlp.fc1.weight) or with transformers' "
         "(encoder.layers.0.blocks.0.layernorm_before.weight), and with "
         "FLatten-Transformer's names PVT and PVTv2 (patch_embed1.proj.weight) and CSwin "
         "(stage1_conv_embed.0.weight)";
}

}  // namespace vitrim::architecture
