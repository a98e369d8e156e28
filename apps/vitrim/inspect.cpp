// vitrim inspect: shows parameters and MACs, block by block, and what a removal would leave.

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "command.h"
#include "core/json.h"
#include "vitrim/architecture/known.h"
#include "vitrim/architecture/parameters.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/core/artifact_json.h"
#include "vitrim/core/atomic_file.h"
#include "vitrim/core/layer_list.h"
#include "vitrim/eval/cost.h"
#include "vitrim/surgery/remove_attention.h"

namespace vitrim::app {

namespace {

using nlohmann::ordered_json;

struct InspectFlags {
  CommonFlags common;
  ModelFlags model;
  std::string remove, write_spec;
  bool list = false;
};

// The linear layers of a model with int8 layers, from its file: what `vitrim quantize` measured, or only
// their precision if the file does not have that.
std::vector<QuantizedLayer> layers_of(const ModelSpec& spec, const std::string& source) {
  if (!spec.quantized()) return {};
  const checkpoint::Checkpoint file = checkpoint::load(source);
  if (const auto found = file.metadata.find(kQuantizationMetadataKey); found != file.metadata.end())
    return quantization_figures_from_json(found->second, file.path).layers;
  std::vector<QuantizedLayer> out;
  for (size_t i = 0; i < spec.blocks.size(); ++i) {
    for (const architecture::QuantizableLayer& layer :
         architecture::quantizable_layers(spec, static_cast<int>(i))) {
      QuantizedLayer entry;
      entry.name = layer.name;
      entry.int8 = spec.blocks[i].int8.*layer.member;
      if (spec.blocks[i].int4.*layer.member) entry.weight_bits = 4;
      out.push_back(entry);
    }
  }
  return out;
}

// The layers of one block.
std::vector<QuantizedLayer> of_block(const ModelSpec& spec, int block,
                                     const std::vector<QuantizedLayer>& layers) {
  std::vector<QuantizedLayer> out;
  for (const architecture::QuantizableLayer& named : architecture::quantizable_layers(spec, block)) {
    for (const QuantizedLayer& layer : layers) {
      if (layer.name == named.name) out.push_back(layer);
    }
  }
  return out;
}

ordered_json describe_layers(const std::vector<QuantizedLayer>& layers) {
  ordered_json out = ordered_json::array();
  for (const QuantizedLayer& layer : layers) {
    out.push_back({{"name", layer.name},
                   {"int8", layer.int8},
                   {"alpha", layer.alpha},
                   {"refitted", layer.refitted},
                   {"bytes", layer.bytes}});
    if (layer.kl) out.back()["kl"] = *layer.kl;
    if (layer.int8) out.back()["weight_bits"] = layer.weight_bits;
  }
  return out;
}

// "  qkv 1.2e-05  fc1 4-bit  fc2 float": each name is followed by the KL divergence that int8 adds, if
// measured.
std::string layers_text(const std::vector<QuantizedLayer>& layers) {
  std::string out;
  for (const QuantizedLayer& layer : layers) {
    char kl[32] = "";
    if (layer.kl) std::snprintf(kl, sizeof kl, " %.1e", *layer.kl);
    out += "  " + layer.name.substr(layer.name.rfind('.') + 1) + kl +
           (!layer.int8              ? " float"
            : layer.weight_bits == 4 ? " 4-bit"
                                     : "");
  }
  return out;
}

ordered_json describe(const ModelSpec& spec, const std::vector<QuantizedLayer>& layers = {}) {
  const eval::ModelCost cost = eval::count_cost(spec);
  ordered_json out;
  out["params"] = cost.params;
  out["macs"] = cost.macs;
  out["blocks"] = ordered_json::array();
  for (size_t i = 0; i < spec.blocks.size(); ++i) {
    const BlockSpec& block = spec.blocks[i];
    out["blocks"].push_back({{"attention", attention_name(block.attention)},
                             {"params", cost.blocks[i].params},
                             {"macs", cost.blocks[i].macs},
                             {"attention_params", cost.blocks[i].attention_params},
                             {"attention_macs", cost.blocks[i].attention_macs},
                             {"embed_dim", block.embed_dim},
                             {"num_heads", block.num_heads},
                             {"qk_dim", block.qk_dim},
                             {"v_dim", block.v_dim},
                             {"mlp_dim", block.mlp_dim},
                             {"stream_gain", block.stream_gain},
                             {"merge", block.merge}});
    const std::vector<QuantizedLayer> own = of_block(spec, static_cast<int>(i), layers);
    if (own.empty()) continue;
    out["blocks"].back()["layers"] = describe_layers(own);
    ordered_json int8 = ordered_json::array();
    for (const QuantizedLayer& layer : own) {
      if (layer.int8) int8.push_back(layer.name.substr(layer.name.rfind('.') + 1));
    }
    out["blocks"].back()["int8"] = int8;
  }
  return out;
}

// Properties that the table of blocks does not show.
ordered_json describe_whole(const ModelSpec& spec, const std::vector<std::string>& said) {
  ordered_json out = json::parse(to_json(spec), "the ModelSpec");
  out.erase("version");
  out.erase("blocks");
  out["from"] = said;
  return out;
}

// Prints numbers as numbers and text as text.
ordered_json describe_assumed(const std::vector<Assumption>& assumed) {
  ordered_json out = ordered_json::array();
  for (const Assumption& one : assumed) {
    char* end = nullptr;
    const double number = std::strtod(one.value.c_str(), &end);
    ordered_json value = one.value;
    if (*end == '\0') value = number;
    if (*end == '\0' && number == std::floor(number)) value = static_cast<int64_t>(number);
    out.push_back({{"field", one.field}, {"value", value}, {"why", one.why}, {"guess", one.guess}});
    if (!one.flag.empty()) out.back()["flag"] = one.flag;
  }
  return out;
}

void print_whole(const ModelSpec& spec, const model::SpecSources& sources) {
  for (const std::string& line : sources.said) tell("  %s\n", line.c_str());
  for (const Assumption& one : sources.assumed)
    tell("  assumed: %s %s (%s)%s\n", one.field.c_str(), one.value.c_str(), one.why.c_str(),
         one.guess ? ", a guess" : "");
  const char* pooled = spec.distillation_token             ? "class and the distillation token"
                       : spec.pooling == Pooling::kToken   ? "class token"
                       : spec.pooling == Pooling::kAverage ? "average of patch tokens"
                                                           : "class token and average of patch tokens";
  tell("  family %s, %s%s, norm epsilon %g, output from the %s\n", spec.family.c_str(),
       activation_name(spec.activation).c_str(), spec.gated_mlp ? " with a gate" : "", spec.norm_eps, pooled);
  if (spec.preprocess) {
    const PreprocessSpec& p = *spec.preprocess;
    const std::string resized =
        !p.resize ? "not resized"
                  : std::string(p.squash ? "squashed to " : "short side to ") + std::to_string(*p.resize);
    tell("  images: %s (%s), cropped to %lld, mean %g %g %g, std %g %g %g\n", resized.c_str(),
         p.interpolation == Interpolation::kBilinear ? "bilinear" : "bicubic", static_cast<long long>(p.crop),
         p.mean[0], p.mean[1], p.mean[2], p.std[0], p.std[1], p.std[2]);
  }
  if (!spec.class_names.empty()) {
    std::string names;
    for (size_t i = 0; i < std::min<size_t>(spec.class_names.size(), 4); ++i)
      names += (i ? "; " : "") + spec.class_names[i];
    tell("  classes: %s%s\n", names.c_str(), spec.class_names.size() > 4 ? "; ..." : "");
  }
}

void print(const ModelSpec& spec, const std::string& title, const std::vector<QuantizedLayer>& layers = {}) {
  const eval::ModelCost cost = eval::count_cost(spec);
  tell("%s: %s parameters, %s MACs, image %lld x %lld, patch %lld, %lld tokens, %lld classes\n",
       title.c_str(), millions(cost.params).c_str(), billions(cost.macs).c_str(),
       static_cast<long long>(spec.image_size[0]), static_cast<long long>(spec.image_size[1]),
       static_cast<long long>(spec.patch_size), static_cast<long long>(spec.num_tokens()),
       static_cast<long long>(spec.num_classes));
  if (spec.merges())
    tell("  tokens are merged: %lld are left after the last block\n",
         static_cast<long long>(spec.mlp_tokens(static_cast<int>(spec.blocks.size()) - 1)));
  tell("  block  attention             heads  q/k   v    mlp     params         MACs%s\n",
       layers.empty() ? "" : "  int8 (KL that each costs alone, nats)");
  for (size_t i = 0; i < spec.blocks.size(); ++i) {
    const BlockSpec& b = spec.blocks[i];
    const std::string int8 = layers_text(of_block(spec, static_cast<int>(i), layers));
    char gain[32] = "";
    if (b.stream_gain != 1) std::snprintf(gain, sizeof gain, ", stream x %g", b.stream_gain);
    tell("  %5zu  %-20s  %5lld  %3lld  %3lld  %5lld  %9s  %11s%s\n", i,
         (attention_name(b.attention) + gain).c_str(), static_cast<long long>(b.num_heads),
         static_cast<long long>(b.qk_dim), static_cast<long long>(b.v_dim), static_cast<long long>(b.mlp_dim),
         millions(cost.blocks[i].params).c_str(), billions(cost.blocks[i].macs).c_str(), int8.c_str());
  }
}

void list_known(const CommonFlags& common) {
  ordered_json list = ordered_json::array();
  for (const std::string& name : architecture::known_names()) {
    const eval::ModelCost cost = eval::count_cost(model::load_spec(name, {}));
    list.push_back({{"name", name}, {"params", cost.params}, {"macs", cost.macs}});
    if (common.speaks())
      tell("%-36s %12s parameters %12s MACs\n", name.c_str(), millions(cost.params).c_str(),
           billions(cost.macs).c_str());
  }
  common.write_json(json::dump(ordered_json{{"architectures", list}}, 2));
}

void run(const InspectFlags& flags) {
  flags.common.apply();
  if (flags.list) return list_known(flags.common);
  if (!flags.write_spec.empty()) check_writable(flags.write_spec);
  model::SpecSources sources;
  architecture::LoadHints hints = flags.model.hints();
  hints.warn_of_guesses = !flags.common.speaks();  // print_whole() lists them
  const ModelSpec spec = model::load_spec(flags.model.model, hints, &sources);
  flags.model.check_task(spec);
  std::vector<int> layers;
  ModelSpec left;
  if (!flags.remove.empty()) {
    layers = parse_layer_list(flags.remove, static_cast<int>(spec.blocks.size()));
    left = surgery::remove_attention(spec, layers);
  }
  const std::vector<QuantizedLayer> int8 = layers_of(spec, flags.model.model);
  ordered_json out = describe(spec, int8);
  out["model"] = describe_whole(spec, sources.said);
  out["assumed"] = describe_assumed(sources.assumed);
  if (flags.common.speaks()) {
    print(spec, flags.model.model, int8);
    print_whole(spec, sources);
  }
  if (!flags.remove.empty()) {
    const eval::ModelCost before = eval::count_cost(spec), after = eval::count_cost(left);
    auto change = [](int64_t b, int64_t a) { return static_cast<double>(a - b) / static_cast<double>(b); };
    out["removed"] = layers;
    out["left"] = describe(left);
    out["params_change"] = change(before.params, after.params);
    out["macs_change"] = change(before.macs, after.macs);
    if (flags.common.speaks()) {
      print(left, "less the attention of " + format_layer_list(layers));
      tell("parameters %+.1f %%, MACs %+.1f %%\n", 100 * change(before.params, after.params),
           100 * change(before.macs, after.macs));
    }
  }
  OutputSet files;
  if (!flags.write_spec.empty())
    write_text_file(flags.write_spec, to_json(layers.empty() ? spec : left) + "\n");
  flags.common.write_json(json::dump(out, 2));
  files.commit();
}

}  // namespace

void add_inspect(CLI::App& app, Context& context) {
  auto flags = std::make_shared<InspectFlags>();
  CLI::App* command = app.add_subcommand("inspect", "show parameters and MACs of a model, block by block");
  flags->model.add_to(*command);
  CLI::Option* model = command->get_option("MODEL")->required(false);
  command->add_flag("--list", flags->list, "list the known architectures")->excludes(model);
  command->add_option("--remove-attention", flags->remove,
                      "also show the model without the attention of these layers, such as 0,1,3");
  command
      ->add_option("--write-spec", flags->write_spec,
                   "write the architecture (without the attention of --remove-attention) as a ModelSpec for "
                   "train --spec")
      ->type_name("FILE");
  flags->common.add_to(*command, /*computes=*/false);
  command->callback([flags, model, &context] {
    if (model->count() == 0 && !flags->list)
      throw CLI::RequiredError("MODEL, or --list for the names of known architectures,");
    context.run = [flags] { run(*flags); };
  });
}

}  // namespace vitrim::app
