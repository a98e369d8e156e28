// Figures by depth: entropy, transfer entropy and distortion, interactions.
#include <algorithm>
#include <cmath>

#include "report/sections.h"

namespace vitrim::report {
namespace {

std::vector<bool> marks(const LayerScores& scores) {
  size_t layers = std::max(scores.attention_entropy.size(), scores.mlp_entropy.size());
  for (const auto& [layer, te] : scores.te_drop)
    layers = std::max<size_t>(layers, static_cast<size_t>(layer) + 1);
  std::vector<bool> marked(layers);
  for (int layer : scores.chosen) {
    if (layer >= 0 && static_cast<size_t>(layer) < layers) marked[static_cast<size_t>(layer)] = true;
  }
  return marked;
}

void add_branch(nlohmann::json& rows, const std::string& branch, const std::vector<Estimate>& values) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i].value)) continue;
    rows.push_back({{"block", i},
                    {"branch", branch},
                    {"value", values[i].value},
                    {"se", number(values[i].standard_error)}});
  }
}

void add_other(nlohmann::json& rows, const std::string& branch, const LayerScores& scores,
               const std::string& key) {
  const auto found = scores.other_estimator.find(key);
  if (found == scores.other_estimator.end()) return;
  for (size_t i = 0; i < found->second.size(); ++i) {
    if (std::isfinite(found->second[i]))
      rows.push_back({{"block", i}, {"branch", branch}, {"value", found->second[i]}});
  }
}

std::string other_text(const LayerScores& scores, const std::string& key, size_t layer) {
  const auto found = scores.other_estimator.find(key);
  return found == scores.other_estimator.end() || layer >= found->second.size()
             ? "\u2013"
             : significant(found->second[layer]);
}

template <typename T>
const T* at(const std::map<int, T>& map, size_t layer) {
  const auto found = map.find(static_cast<int>(layer));
  return found == map.end() ? nullptr : &found->second;
}

std::string estimate_text(const Estimate* estimate) { return estimate ? with_error(*estimate) : "\u2013"; }
std::string number_text(const double* value) { return value ? significant(*value) : "\u2013"; }

nlohmann::json estimates(const std::map<int, Estimate>& map) {
  nlohmann::json rows = nlohmann::json::array();
  for (const auto& [layer, estimate] : map) {
    rows.push_back(
        {{"block", layer}, {"value", number(estimate.value)}, {"se", number(estimate.standard_error)}});
  }
  return rows;
}

nlohmann::json numbers(const std::map<int, double>& map) {
  nlohmann::json rows = nlohmann::json::array();
  for (const auto& [layer, value] : map) rows.push_back({{"block", layer}, {"value", number(value)}});
  return rows;
}

}  // namespace

void entropy_section(Page& page, const Inputs& inputs) {
  bool any = false;
  for (const auto& item : inputs.scores)
    any |= !item.value.attention_entropy.empty() || !item.value.mlp_entropy.empty();
  if (!any) return;
  page.section("entropy", "Entropy by depth", "Entropy");
  for (const auto& item : inputs.scores) {
    const LayerScores& scores = item.value;
    if (scores.attention_entropy.empty() && scores.mlp_entropy.empty()) continue;
    page.subheading(item.label);
    nlohmann::json rows = nlohmann::json::array(), other = nlohmann::json::array();
    add_branch(rows, "attention", scores.attention_entropy);
    add_branch(rows, "MLP", scores.mlp_entropy);
    add_other(other, "attention", scores, "attention");
    add_other(other, "MLP", scores, "mlp");
    const bool second = !other.empty();
    const std::string second_name = scores.estimator == "diagonal" ? "full"
                                    : scores.estimator == "full"   ? "diagonal"
                                                                   : "other";
    std::vector<Cell> header{num("Block"), num("Attention, nats"), num("MLP, nats")};
    if (second) header.insert(header.end(), {num("Attention, " + second_name), num("MLP, " + second_name)});
    Table table("Entropy of each layer's output, with its standard error", header);
    const std::vector<bool> marked = marks(scores);
    for (size_t i = 0; i < marked.size(); ++i) {
      std::vector<Cell> cells{
          num(std::to_string(i)),
          num(estimate_text(i < scores.attention_entropy.size() ? &scores.attention_entropy[i] : nullptr)),
          num(estimate_text(i < scores.mlp_entropy.size() ? &scores.mlp_entropy[i] : nullptr))};
      if (second)
        cells.insert(cells.end(),
                     {num(other_text(scores, "attention", i)), num(other_text(scores, "mlp", i))});
      table.row(cells, marked[i]);
    }
    std::string caption =
        "How much the output of every attention layer and every MLP varies from image to image and patch to "
        "patch, in nats (up to a "
        "constant); bars are 95 % intervals over resampled images. Attention layers with low entropy add "
        "little that the MLP after them could not add";
    caption += scores.chosen.empty() ? "" : "; shaded columns are the layers that were chosen";
    caption += second ? "; thin dashed lines are a second estimate of the same quantity, which " +
                            std::string(second_name == "full" ? "includes" : "ignores") +
                            " correlations between channels."
                      : ".";
    page.figure({"entropy",
                 "Entropy of each layer's output",
                 caption,
                 {{"rows", rows},
                  {"other", other},
                  {"estimator", scores.estimator},
                  {"otherName", second_name},
                  {"chosen", scores.chosen},
                  {"layers", marked.size()}},
                 table.html()});
  }
}

void transfer_section(Page& page, const Inputs& inputs) {
  bool any = false;
  for (const auto& item : inputs.scores)
    any |= !item.value.te_drop.empty() || !item.value.te_identity.empty();
  if (!any) return;
  page.section("transfer", "Transfer entropy by layer", "Transfer entropy");
  for (const auto& item : inputs.scores) {
    const LayerScores& scores = item.value;
    if (scores.te_drop.empty() && scores.te_identity.empty()) continue;
    page.subheading(item.label);
    Table table("What masking one attention layer does to the output",
                {num("Block"), num("TE drop, nats"), num("TE identity, nats"), num("KL, nats"),
                 num("Feature error"), num("After absorption")});
    const std::vector<bool> marked = marks(scores);
    for (size_t i = 0; i < marked.size(); ++i) {
      table.row(
          {num(std::to_string(i)), num(estimate_text(at(scores.te_drop, i))),
           num(estimate_text(at(scores.te_identity, i))), num(number_text(at(scores.kl_drop, i))),
           num(number_text(at(scores.feature_error_drop, i))), num(estimate_text(at(scores.absorbed, i)))},
          marked[i]);
    }
    page.figure({"transfer",
                 "What the output loses when one attention layer is masked",
                 "Transfer entropy is the change in the entropy of the model's output when one attention "
                 "layer is masked, either skipped "
                 "(drop) or replaced by its own input (identity); bars are 95 % intervals. Because two "
                 "shifts may cancel in that one figure, "
                 "the output's distortion is shown too: the divergence of the predictions (KL) and the "
                 "relative error of the final "
                 "features" +
                     std::string(scores.absorbed.empty()
                                     ? ""
                                     : ", and what remains of it after the MLPs have absorbed the layer") +
                     ".",
                 {{"drop", estimates(scores.te_drop)},
                  {"identity", estimates(scores.te_identity)},
                  {"kl", numbers(scores.kl_drop)},
                  {"feature", numbers(scores.feature_error_drop)},
                  {"absorbed", estimates(scores.absorbed)},
                  {"chosen", scores.chosen},
                  {"layers", marked.size()}},
                 table.html()});
  }
}

void interaction_section(Page& page, const Inputs& inputs) {
  bool any = false;
  for (const auto& item : inputs.scores) any |= !item.value.interaction.empty();
  if (!any) return;
  page.section("interaction", "Interaction of layers", "Interaction");
  for (const auto& item : inputs.scores) {
    const LayerScores& scores = item.value;
    if (scores.interaction.empty()) continue;
    page.subheading(item.label);
    std::vector<Cell> header{num("Block")};
    for (size_t j = 0; j < scores.interaction.size(); ++j) header.push_back(num(std::to_string(j)));
    Table table("Interaction of pairs of attention layers, nats", header);
    nlohmann::json rows = nlohmann::json::array();
    for (size_t i = 0; i < scores.interaction.size(); ++i) {
      std::vector<Cell> cells{num(std::to_string(i))};
      for (size_t j = 0; j < scores.interaction[i].size(); ++j) {
        const double value = scores.interaction[i][j];
        cells.push_back(num(i == j ? "" : fixed(value, 2)));
        if (i != j && std::isfinite(value)) rows.push_back({{"i", i}, {"j", j}, {"value", value}});
      }
      table.row(cells);
    }
    page.figure({"interaction",
                 "Which layers depend on each other",
                 "For every pair of attention layers, the change in output entropy when both are masked "
                 "minus the sum of the changes when each is masked alone, in nats. Cells near zero are pairs "
                 "that act independently; strong colours are pairs whose joint effect cannot be predicted "
                 "from single layers, so sets must be measured as sets.",
                 {{"rows", rows}, {"layers", scores.interaction.size()}, {"chosen", scores.chosen}},
                 table.html()});
  }
}

}  // namespace vitrim::report
