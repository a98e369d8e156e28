#include "report/sections.h"

namespace vitrim::report {
namespace {

std::string moves(const PlanRow& row) {
  std::string text = row.removed.empty() ? "" : "without attention " + layer_names(row.removed);
  if (!row.fixed.empty())
    text += std::string(text.empty() ? "" : "; ") + "static attention " + layer_names(row.fixed);
  if (row.width > 0) text += std::string(text.empty() ? "" : "; ") + "heads of " + std::to_string(row.width);
  if (row.mlp > 0) text += std::string(text.empty() ? "" : "; ") + "MLPs of " + std::to_string(row.mlp);
  if (const auto& [start, pairs] = row.merging; pairs > 0)
    text += std::string(text.empty() ? "" : "; ") + std::to_string(pairs) + " pairs a block" +
            (start > 0 ? " from layer " + std::to_string(start) : "");
  if (row.int8) text += std::string(text.empty() ? "" : "; ") + "int8";
  return text;
}

std::string milliseconds(const std::optional<double>& seconds) {
  return seconds ? fixed(1e3 * *seconds, 2) : "\u2013";
}
nlohmann::json optional_number(const std::optional<double>& value, double scale = 1) {
  return value ? number(scale * *value) : nlohmann::json();
}

// The x-axis of the Pareto front: the first latency budget, else the first budget.
struct Axis {
  std::string quantity, unit;
  double scale = 1;
  const PlanLimit* limit = nullptr;
};

Axis axis_of(const PlanResult& plan) {
  for (const PlanLimit& limit : plan.limits) {
    if (limit.quantity == "latency")
      return {"latency at batch " + std::to_string(limit.batch), "ms", 1e3, &limit};
  }
  if (plan.limits.empty()) return {"multiply-adds", "G", 1e-9, nullptr};
  const PlanLimit& first = plan.limits.front();
  return first.quantity == "macs" ? Axis{"multiply-adds", "G", 1e-9, &first}
                                  : Axis{"parameters", "M", 1e-6, &first};
}

nlohmann::json cost_of(const PlanRow& row, const Axis& axis, bool measured) {
  if (axis.unit == "ms") return optional_number(measured ? row.measured_latency : row.latency, axis.scale);
  if (measured) return {};
  return number(axis.scale * static_cast<double>(axis.unit == "G" ? row.macs : row.params));
}

std::string quality(const std::string& what, const PredictionQuality& q) {
  if (q.count == 0) return "";
  return what + " of " + std::to_string(q.count) + " models: median error " + percent(q.median_error) +
         ", worst " + percent(q.worst_error) +
         (q.rank_agreement ? ", rank agreement (Kendall) " + fixed(*q.rank_agreement, 2) : "") + ". ";
}

void front_figure(Page& page, const PlanResult& plan) {
  const Axis axis = axis_of(plan);
  nlohmann::json rows = nlohmann::json::array();
  Table table("Candidates within the budget that no other candidate beats, and other measured candidates",
              {"Changes", num("Parameters"), num("MACs"), num("Latency, ms"), num("Measured"),
               num("Loss, nats"), num("Measured"), num("Top-1"), num("95 % interval")});
  for (const PlanRow& row : plan.rows) {
    const bool chosen = plan.chosen && same_moves(row, *plan.chosen);
    rows.push_back({{"name", moves(row)},
                    {"cost", cost_of(row, axis, false)},
                    {"measuredCost", cost_of(row, axis, true)},
                    {"kl", number(row.kl)},
                    {"measuredKl", optional_number(row.measured_kl)},
                    {"top1", row.eval ? number(row.eval->top1) : nlohmann::json()},
                    {"chosen", chosen}});
    table.row({moves(row) + (row.holds ? "" : " (over the budget as measured)"),
               num(compact(static_cast<double>(row.params))), num(compact(static_cast<double>(row.macs))),
               num(milliseconds(row.latency)), num(milliseconds(row.measured_latency)), num(fixed(row.kl, 4)),
               num(row.measured_kl ? fixed(*row.measured_kl, 4) : "\u2013"),
               num(row.eval ? percent(row.eval->top1) : "\u2013"),
               num(row.eval ? interval(row.eval->top1_ci95) : "\u2013")},
              chosen);
  }
  page.figure({"plan",
               "What the budget buys",
               "Each ring is the prediction for a candidate, and each dot is the same candidate built and "
               "measured on images that no fit used; loss is the mean KL to the dense output. " +
                   quality("Losses predicted from single moves", plan.kl_quality) +
                   std::to_string(plan.dominated.size()) +
                   " more candidates within the budget are beaten by these.",
               {{"rows", rows},
                {"quantity", axis.quantity},
                {"unit", axis.unit},
                {"limit", axis.limit ? number(axis.scale * axis.limit->limit) : nlohmann::json()}},
               table.html()});
}

void latency_figure(Page& page, const PlanResult& plan) {
  if (!plan.table || plan.table->batches.empty()) return;
  nlohmann::json rows = nlohmann::json::array();
  Table table("Whole models: timed, and predicted from pieces",
              {"Model", num("Batch"), num("Predicted, ms"), num("Measured, ms"), num("Error")});
  for (const LatencyPieces& pieces : plan.table->batches) {
    for (const LatencyCheck& check : pieces.checks) {
      rows.push_back({{"name", check.model + ", batch " + std::to_string(pieces.batch)},
                      {"predicted", number(1e3 * check.predicted)},
                      {"measured", number(1e3 * check.measured)}});
      table.row({check.model, num(std::to_string(pieces.batch)), num(fixed(1e3 * check.predicted, 2)),
                 num(fixed(1e3 * check.measured, 2)), num(signed_fixed(100 * check.error(), 1) + " %")});
    }
  }
  page.figure(
      {"plan-latency",
       "Latency predicted from pieces",
       "Latencies are predicted from timed pieces (attention by width and tokens, MLPs, matching, ends) of " +
           plan.table->cpu + ", " + plan.table->isa + ", " + std::to_string(plan.table->threads) +
           " threads. " + quality("Predictions against timings", plan.latency_quality),
       {{"rows", rows}},
       table.html()});
}

}  // namespace

void plan_section(Page& page, const Inputs& inputs) {
  if (inputs.plans.empty()) return;
  page.section("plan", "What a budget buys", "Plan");
  for (const auto& item : inputs.plans) {
    const PlanResult& plan = item.value;
    page.subheading(item.label);
    std::string text;
    for (const PlanLimit& limit : plan.limits) text += (text.empty() ? "Budget: " : "; ") + limit.text;
    text += ". " + std::to_string(plan.within) + " of " + std::to_string(plan.candidates) +
            " candidates are within it by prediction.";
    if (plan.chosen) text += " Chosen: " + moves(*plan.chosen) + ".";
    for (const std::string& note : plan.notes) text += " Note: " + note + ".";
    page.paragraph(text);
    front_figure(page, plan);
    latency_figure(page, plan);
  }
}

}  // namespace vitrim::report
