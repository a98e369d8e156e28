// Several compressions side by side: a table, and accuracy against multiply-adds by what was done.

#include <algorithm>

#include "report/sections.h"

namespace vitrim::report {
namespace {

// The compressed model and its evaluation images: models with the same name and images are drawn as one.
std::string base_of(const CompressResult& result) {
  return result.model + ", " + std::to_string(result.dense_params) + ", " +
         std::to_string(result.dense_macs) + ", " + result.dense->data;
}

// The methods that a compression used, as text for the figure.
std::string method_of(const CompressResult& result) {
  std::string text;
  const auto add = [&](bool done, const char* what) {
    if (done) text += (text.empty() ? "" : ", ") + std::string(what);
  };
  add(!result.removed.empty(), "attention removed");
  add(!result.compressed_spec.layers_made_static(result.dense_spec).empty(), "attention made static");
  add(pruned_blocks(result) > 0, "channels pruned");
  add(result.compressed_spec.merges_more(result.dense_spec), "tokens merged");
  add(result.quantization.has_value(), "int8");
  return text.empty() ? "masked or refitted only" : text;
}

// Accuracy against multiply-adds; empty if fewer than two of the results were evaluated.
void front_figure(Page& page, const Inputs& inputs) {
  nlohmann::json rows = nlohmann::json::array();
  Table table("Accuracy and multiply-adds of each compression",
              {"Model", "Method", num("MACs"), num("Of dense"), num("Accuracy"), num("95 % interval")});
  const auto add = [&](const CompressResult& result, const std::string& name, const std::string& method,
                       int64_t macs, const EvalResult& eval) {
    rows.push_back({{"name", name},
                    {"series", base_of(result) + ", " + method + ", " +
                                   result.reason.substr(0, result.reason.find(','))},
                    {"method", method},
                    {"macs", macs},
                    {"value", eval.headline()},
                    {"low", eval.headline_ci95().first},
                    {"high", eval.headline_ci95().second}});
    table.row({name, method, num(compact(static_cast<double>(macs))),
               num(percent(static_cast<double>(macs) / static_cast<double>(result.dense_macs))),
               num(percent(eval.headline())), num(interval(eval.headline_ci95(), false))});
  };
  std::vector<std::string> dense_seen;
  for (const auto& item : inputs.compresses) {
    const CompressResult& result = item.value;
    if (!result.dense || !result.compressed) continue;
    if (std::find(dense_seen.begin(), dense_seen.end(), base_of(result)) == dense_seen.end()) {
      dense_seen.push_back(base_of(result));
      add(result, dense_seen.size() == 1 ? "dense" : result.model, "dense", result.dense_macs, *result.dense);
    }
    add(result, item.label, method_of(result), result.compressed_macs, *result.compressed);
  }
  if (rows.size() < 2 + dense_seen.size()) return;
  page.figure({"front",
               "Accuracy against multiply-adds",
               "Each dot is a model, and its bar is the 95 % interval of its accuracy; a line connects the "
               "results of one criterion on one model, from the most to the fewest multiply-adds. Closer to "
               "the top left is better.",
               {{"rows", rows}},
               table.html()});
}

}  // namespace

void comparison_section(Page& page, const Inputs& inputs) {
  if (inputs.compresses.size() < 2) return;
  page.section("comparison", "The compressions side by side", "Comparison");
  for (const auto& item : inputs.compresses) {
    const std::string about = about_apma(item.value.reason);
    if (about.empty()) continue;
    page.paragraph(about);
    break;
  }
  const auto& first = inputs.compresses.front().value.compressed;
  const std::string metric = first && first->segmentation ? "mIoU" : "top-1";
  Table table("Key figures of each compression",
              {"Compression", "Removed layers", "Chosen by", num("Parameters"), num("MACs"),
               num("Change in MACs"), num(metric), num("Change in " + metric), num("95 % interval"),
               num("McNemar"), num("Held-out KL"), num("Same prediction"), num("Time")});
  for (const auto& item : inputs.compresses) {
    const CompressResult& result = item.value;
    const bool held_out = result.held_out_kl != 0 || result.held_out_agreement != 0;
    table.row(
        {item.label, layer_names(result.removed), result.reason,
         num(compact(static_cast<double>(result.compressed_params))),
         num(compact(static_cast<double>(result.compressed_macs))),
         num(change(static_cast<double>(result.dense_macs), static_cast<double>(result.compressed_macs))),
         num(result.compressed ? percent(result.compressed->headline()) : "\u2013"),
         num(result.paired ? signed_fixed(100 * result.paired->difference, 1) : "\u2013"),
         num(result.paired ? interval(result.paired->ci95) : "\u2013"),
         num(result.paired ? p_value(result.paired->mcnemar_p) : "\u2013"),
         num(held_out ? significant(result.held_out_kl) : "\u2013"),
         num(held_out ? percent(result.held_out_agreement) : "\u2013"),
         num(duration(total_seconds(result)))});
  }
  page.raw(table.html());
  front_figure(page, inputs);
}

}  // namespace vitrim::report
