#include <algorithm>
#include <cmath>
#include <map>

#include "report/sections.h"

namespace vitrim::report {

namespace {

std::string layer_kind(const QuantizedLayer& layer) { return layer.name.substr(layer.name.rfind('.') + 1); }

// Blocks end with fc2.
std::vector<int> blocks_of(const std::vector<QuantizedLayer>& layers) {
  std::vector<int> out;
  int block = 0;
  for (const QuantizedLayer& layer : layers) {
    out.push_back(block);
    if (layer_kind(layer) == "fc2") ++block;
  }
  return out;
}

std::string summary(const QuantizationFigures& figures) {
  const auto int8 = std::count_if(figures.layers.begin(), figures.layers.end(),
                                  [](const QuantizedLayer& layer) { return layer.int8; });
  const bool int4 = std::any_of(figures.layers.begin(), figures.layers.end(),
                                [](const QuantizedLayer& layer) { return layer.weight_bits == 4; });
  std::string text = std::to_string(int8) + " of " + std::to_string(figures.layers.size()) +
                     " linear layers are int8" + (int4 ? ", with weights of 4 bits" : "") + "; " +
                     fixed(static_cast<double>(figures.bytes_before) * 1e-6, 1) +
                     " MB of parameters became " + fixed(static_cast<double>(figures.bytes_after) * 1e-6, 1) +
                     " MB.";
  if (figures.held_out_images == 0) return text;
  text += " On " + std::to_string(figures.held_out_images) +
          " calibration images kept out of the fit the mean KL to the float model is " +
          significant(figures.kl) + " nats and " + percent(figures.agreement) +
          " of the predictions are the same; without calibration they would be " +
          significant(figures.plain_kl) + " nats and " + percent(figures.plain_agreement) + ".";
  if (figures.budget_kl) text += " The budget was " + significant(*figures.budget_kl) + " nats.";
  return text;
}

}  // namespace

void quantization_section(Page& page, const Inputs& inputs) {
  bool any = false;
  for (const auto& item : inputs.compresses) any |= item.value.quantization.has_value();
  if (!any) return;
  page.section("quantization", "Layers in int8", "int8");
  for (const auto& item : inputs.compresses) {
    if (!item.value.quantization) continue;
    const QuantizationFigures& figures = *item.value.quantization;
    page.subheading(item.label);
    page.paragraph(summary(figures));
    const std::vector<int> blocks = blocks_of(figures.layers);
    const bool measured = std::any_of(figures.layers.begin(), figures.layers.end(),
                                      [](const QuantizedLayer& layer) { return layer.kl.has_value(); });
    Table table("Linear layers: precision and what int8 costs",
                {"Layer", "Precision", num("KL alone, nats"), num("Weight error"), num("Exponent"),
                 "Refitted", num("kB")});
    nlohmann::json rows = nlohmann::json::array();
    for (size_t i = 0; i < figures.layers.size(); ++i) {
      const QuantizedLayer& layer = figures.layers[i];
      table.row({layer.name,
                 !layer.int8              ? "float"
                 : layer.weight_bits == 4 ? "int8, weights of 4 bits"
                                          : "int8",
                 num(layer.kl ? significant(*layer.kl) : "\u2013"),
                 num(layer.int8 ? percent(layer.weight_error, 2) : "\u2013"), num(significant(layer.alpha)),
                 layer.refitted ? "yes" : "no", num(fixed(static_cast<double>(layer.bytes) * 1e-3, 0))},
                !layer.int8);
      rows.push_back({{"block", blocks[i]},
                      {"layer", layer_kind(layer)},
                      {"name", layer.name},
                      {"int8", layer.int8},
                      {"cost", number(layer.kl   ? *layer.kl
                                      : measured ? std::nan("")
                                                 : layer.weight_error)},
                      {"alpha", layer.alpha},
                      {"refitted", layer.refitted},
                      {"bytes", layer.bytes}});
    }
    page.figure({"quantization",
                 "Precision and cost, layer by layer",
                 std::string(measured ? "Colour: the KL to the float model on held-out images with only this "
                                        "layer in int8, without refitting."
                                      : "Colour: the relative error of the int8 weights; the layers' KL is "
                                        "measured with --calib.") +
                     " Outlined layers stay float.",
                 {{"rows", rows}, {"measured", measured}},
                 table.html()});
  }
}

}  // namespace vitrim::report
