#include <algorithm>

#include "report/sections.h"

namespace vitrim::report {
namespace {

const char* role_name(AccuracyRow::Role role) {
  switch (role) {
    case AccuracyRow::Role::kDense:
      return "dense";
    case AccuracyRow::Role::kCompressed:
      return "compressed";
    case AccuracyRow::Role::kControl:
      return "control";
    case AccuracyRow::Role::kOther:
      break;
  }
  return "other";
}

nlohmann::json row_json(const AccuracyRow& row) {
  nlohmann::json out{{"name", row.name},
                     {"role", role_name(row.role)},
                     {"layers", layer_names(row.layers)},
                     {"top1", row.eval.headline()},
                     {"low", row.eval.headline_ci95().first},
                     {"high", row.eval.headline_ci95().second},
                     {"images", row.eval.images}};
  if (row.paired) {
    out["difference"] = row.paired->difference;
    out["differenceLow"] = row.paired->ci95.first;
    out["differenceHigh"] = row.paired->ci95.second;
    out["p"] = p_value(row.paired->mcnemar_p);
  }
  if (row.held_out_kl > 0) out["kl"] = row.held_out_kl;
  return out;
}

/// "Top-1", "mIoU", or both if the page shows models of both tasks.
std::string metric_of(const std::vector<AccuracyRow>& rows) {
  const auto pixels = std::count_if(rows.begin(), rows.end(),
                                    [](const AccuracyRow& row) { return row.eval.segmentation.has_value(); });
  return pixels == 0 ? "Top-1" : pixels == static_cast<long>(rows.size()) ? "mIoU" : "Top-1 or mIoU";
}

std::string table_html(const std::string& caption, const std::vector<AccuracyRow>& rows, bool controls) {
  std::vector<Cell> header{"Model"};
  if (controls) header.push_back("Removed layers");
  header.insert(header.end(), {num(metric_of(rows)), num("95 % interval"), num("Top-5"), num("Images"),
                               num("Difference, points"), num("95 % interval"), num("McNemar")});
  if (controls)
    header.push_back(num("Held-out KL"));
  else
    header.insert(header.end(), {"Compared with", num("Parameters"), num("MACs")});
  Table table(caption, header);
  for (const AccuracyRow& row : rows) {
    std::vector<Cell> cells{row.name};
    if (controls) cells.push_back(layer_names(row.layers));
    cells.insert(cells.end(),
                 {num(row.eval.images > 0 ? percent(row.eval.headline()) : "\u2013"),
                  num(row.eval.images > 0 ? interval(row.eval.headline_ci95(), false) : "\u2013"),
                  num(row.eval.images > 0 && !row.eval.segmentation ? percent(row.eval.top5) : "\u2013"),
                  num(std::to_string(row.eval.images)),
                  num(row.paired ? signed_fixed(100 * row.paired->difference, 1) : "\u2013"),
                  num(row.paired ? interval(row.paired->ci95, true) : "\u2013"),
                  num(row.paired ? p_value(row.paired->mcnemar_p) : "\u2013")});
    if (controls)
      cells.push_back(num(row.held_out_kl > 0 ? significant(row.held_out_kl) : "\u2013"));
    else
      cells.insert(cells.end(),
                   {row.paired ? row.baseline : "\u2013", num(compact(static_cast<double>(row.eval.params))),
                    num(compact(static_cast<double>(row.eval.macs)))});
    table.row(cells, row.role == AccuracyRow::Role::kCompressed);
  }
  return table.html();
}

nlohmann::json rows_json(const std::vector<AccuracyRow>& rows) {
  nlohmann::json out = nlohmann::json::array();
  for (const AccuracyRow& row : rows) out.push_back(row_json(row));
  return out;
}

void controls_figure(Page& page, const CompressResult& result) {
  std::vector<AccuracyRow> rows;
  // Without labelled images, a control has only its divergence.
  const auto paired = [](const EvalResult& eval, const std::optional<PairedResult>& value) {
    return eval.images > 0 ? value : std::nullopt;
  };
  const EvalResult own = result.compressed.value_or(EvalResult{});
  rows.push_back({"this result", "", AccuracyRow::Role::kCompressed, result.removed, own,
                  paired(own, result.paired), "dense", result.held_out_kl});
  for (const ControlResult& control : result.controls) {
    rows.push_back({control.name, "", AccuracyRow::Role::kControl, control.layers, control.eval,
                    paired(control.eval, control.paired), "dense", control.held_out_kl});
  }
  const bool labelled =
      std::any_of(rows.begin(), rows.end(), [](const AccuracyRow& row) { return row.paired.has_value(); });
  std::stable_sort(rows.begin(), rows.end(), [](const AccuracyRow& a, const AccuracyRow& b) {
    if (a.paired && b.paired) return a.paired->difference > b.paired->difference;
    if (a.paired || b.paired) return a.paired.has_value();
    return a.held_out_kl < b.held_out_kl;
  });
  const std::string shown = labelled ? "Change in top-1 accuracy against the dense model on the same images, "
                                       "with 95 % intervals, and divergence from its output on "
                                       "held-out images"
                                     : "Divergence from the dense model's output on held-out images";
  page.figure({"controls",
               "The same treatment on other sets of layers",
               shown + ", when other sets of the same size are removed and treated in the same way: random "
                       "ones, the first "
                       "or last layers, those with the smallest weights. The choice of layers pays off only "
                       "if its marks are better than those of the controls.",
               {{"rows", rows_json(rows)}},
               table_html("Controls at equal budget", rows, true)});
}

}  // namespace

void accuracy_section(Page& page, const Inputs& inputs) {
  const std::vector<AccuracyRow> rows = accuracy_rows(inputs);
  bool controls = false;
  for (const auto& item : inputs.compresses) controls |= !item.value.controls.empty();
  if (rows.empty() && !controls) return;
  const char* title = rows.empty() ? "Controls" : "Accuracy";
  page.section("accuracy", title, title);
  if (!rows.empty()) {
    const bool paired =
        std::any_of(rows.begin(), rows.end(), [](const AccuracyRow& row) { return row.paired.has_value(); });
    page.figure(
        {"accuracy",
         metric_of(rows) == "Top-1" ? "Top-1 accuracy" : metric_of(rows),
         std::string(
             metric_of(rows) == "Top-1"
                 ? "Share of labelled test images whose top prediction is correct, with 95 % intervals. "
                 : "For models that label pixels, the intersection over union, averaged over classes; for "
                   "classifiers, the share of images whose top prediction is correct; with 95 % "
                   "intervals. ") +
             (paired ? "The intervals of two models on the same images may overlap even if one is "
                       "significantly better, because both fail on the same hard images; the paired "
                       "difference takes this into account."
                     : "The interval shows how much the share would vary on other images of the same kind."),
         {{"rows", rows_json(rows)}, {"metric", metric_of(rows)}},
         table_html("Accuracy of each model", rows, false)});
  }
  for (const auto& item : inputs.compresses) {
    if (item.value.controls.empty()) continue;
    page.subheading(item.label);
    controls_figure(page, item.value);
  }
}

}  // namespace vitrim::report
