#include <algorithm>

#include "report/sections.h"

namespace vitrim::report {
namespace {

constexpr size_t kShown = 12;  // sets in a chart; the table has all

nlohmann::json set_rows(const std::vector<SetResult>& sets, const std::vector<int>& chosen) {
  nlohmann::json rows = nlohmann::json::array();
  for (size_t i = 0; i < std::min(sets.size(), kShown); ++i) {
    const SetResult& set = sets[i];
    rows.push_back({{"layers", set.layers},
                    {"label", layer_names(set.layers)},
                    {"score", number(set.score.value)},
                    {"se", number(set.score.standard_error)},
                    {"te", number(set.te.value)},
                    {"kl", number(set.kl)},
                    {"feature", number(set.feature_error)},
                    {"share", number(set.chosen_fraction)},
                    {"chosen", set.layers == chosen}});
  }
  return rows;
}

std::string set_table(const std::string& caption, const std::string& score,
                      const std::vector<SetResult>& sets, const std::vector<int>& chosen) {
  Table table(caption, {num("Rank"), "Removed layers", num(score), num("TE, nats"), num("KL, nats"),
                        num("Feature error"), num("Chosen on resamples")});
  for (size_t i = 0; i < sets.size(); ++i) {
    const SetResult& set = sets[i];
    table.row({num(std::to_string(i + 1)), layer_names(set.layers), num(with_error(set.score)),
               num(with_error(set.te)), num(significant(set.kl)), num(significant(set.feature_error)),
               num(percent(set.chosen_fraction, 0))},
              set.layers == chosen);
  }
  return table.html();
}

}  // namespace

void sets_section(Page& page, const Inputs& inputs) {
  bool any = false;
  for (const auto& item : inputs.scores)
    any |= !item.value.sets.empty() || !item.value.other_criterion.empty();
  if (!any) return;
  page.section("sets", "The chosen set and its runners-up", "Sets");
  for (const auto& item : inputs.scores) {
    const LayerScores& scores = item.value;
    if (scores.sets.empty() && scores.other_criterion.empty()) continue;
    page.subheading(item.label);
    const size_t layers = std::max(scores.attention_entropy.size(), scores.te_drop.size());
    const std::string name = criterion_name(scores.criterion), other = other_criterion_name(scores);
    const auto data = [&](const std::vector<SetResult>& sets, const std::string& score) {
      return nlohmann::json{{"rows", set_rows(sets, scores.chosen)}, {"layers", layers}, {"score", score}};
    };
    if (!scores.sets.empty()) {
      std::string effort;
      if (scores.block_evaluations > 0 && scores.brute_force_block_evaluations > scores.block_evaluations) {
        effort = " The search took " + compact(static_cast<double>(scores.block_evaluations)) +
                 " block evaluations; evaluating one set at a time would take " +
                 compact(static_cast<double>(scores.brute_force_block_evaluations)) + ".";
      }
      page.figure({"sets", "Best sets by " + name,
                   "The sets of layers whose joint removal scored best, best first, with 95 % intervals over "
                   "resampled images; filled squares "
                   "are the layers in the set. The bars show how often each set would be chosen on other "
                   "images of the same kind; if no set stands out, several are equally good." +
                       effort,
                   data(scores.sets, name),
                   set_table("Sets ranked by " + name, "Score", scores.sets, scores.chosen)});
    }
    if (!scores.other_criterion.empty()) {
      page.figure({"sets", "Best sets by the other criterion: " + other,
                   "The same view under the criterion that was not used to choose. Layers in both lists do "
                   "not depend on the criterion; where the lists differ, only the accuracy after removal "
                   "decides between them.",
                   data(scores.other_criterion, other),
                   set_table("Sets ranked by " + other, "Score", scores.other_criterion, scores.chosen)});
    }
  }
}

}  // namespace vitrim::report
