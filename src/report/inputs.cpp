#include "report/inputs.h"

#include <map>
#include <stdexcept>

#include "core/json.h"
#include "report/html.h"
#include "report/paired.h"
#include "vitrim/core/artifact_json.h"
#include "vitrim/core/error.h"

namespace vitrim::report {
namespace {

/// Sources by file name if those differ, else by full path; empty if there is only one.
template <typename T>
void label(std::vector<Named<T>>& items) {
  if (items.size() < 2) return;
  std::map<std::string, int> names, sources;
  for (const auto& item : items) {
    ++names[file_name(item.source)];
    ++sources[item.source];
  }
  std::map<std::string, int> seen;
  for (auto& item : items) {
    const std::string name = file_name(item.source);
    item.label = names[name] == 1 ? name : item.source;
    if (sources[item.source] > 1) item.label += " (" + std::to_string(++seen[item.source]) + ")";
  }
}

bool same_result(const EvalResult& a, const EvalResult& b) {
  const auto pixels = [](const EvalResult& e) {
    return e.segmentation ? e.segmentation->images : std::vector<std::vector<ClassPixels>>();
  };
  return same_images(a, b) && a.model == b.model && a.correct == b.correct && pixels(a) == pixels(b);
}

int64_t planned_epochs(const std::string& recipe) {
  const json::Json document = json::try_parse(recipe).value_or(json::Json());
  if (!document.is_object()) return 0;
  const auto schedule = document.find("schedule");
  if (schedule == document.end() || !schedule->is_object()) return 0;
  const auto epochs = schedule->find("epochs");
  return epochs != schedule->end() && epochs->is_number_integer() ? epochs->get<int64_t>() : 0;
}

/// Whether `log` is from the run of `result`. The document of a resumed run has another command than the
/// first line of the log, so the epochs decide: no two runs agree in them to the last digit.
bool same_run(const TrainResult& log, const TrainResult& result) {
  if (log.output != result.output || log.init != result.init || log.recipe != result.recipe ||
      log.removed != result.removed || log.epochs.size() > result.epochs.size())
    return false;
  if (log.epochs.empty()) return log_header(log) == log_header(result);
  for (size_t i = 0; i < log.epochs.size(); ++i) {
    if (to_json_line(log.epochs[i]) != to_json_line(result.epochs[i])) return false;
  }
  return true;
}

/// Merges a run's log and its result document into one run, at the place of the first.
void join_runs(std::vector<Named<Training>>& runs) {
  for (size_t i = 0; i < runs.size(); ++i) {
    for (size_t j = runs.size() - 1; j > i; --j) {
      Training& first = runs[i].value;
      Training& second = runs[j].value;
      if (first.finished == second.finished) continue;
      const TrainResult& log = first.finished ? second.result : first.result;
      const TrainResult& document = first.finished ? first.result : second.result;
      if (!same_run(log, document)) continue;
      std::vector<StepRecord> steps = log.steps;
      if (!first.finished) {
        runs[i].source = runs[j].source;
        first = std::move(second);
      }
      first.result.steps = std::move(steps);
      runs.erase(runs.begin() + static_cast<long>(j));
    }
  }
}

}  // namespace

bool same_images(const EvalResult& a, const EvalResult& b) {
  // Evaluations in a training run have no fingerprint.
  const std::string &first = a.manifest.data_fingerprint, &second = b.manifest.data_fingerprint;
  return a.images > 0 && a.images == b.images && a.data == b.data &&
         (first == second || first.empty() || second.empty()) && a.correct.size() == b.correct.size() &&
         a.segmentation.has_value() == b.segmentation.has_value() && (a.segmentation || !a.correct.empty());
}

Inputs read_inputs(const std::vector<Document>& documents) {
  if (documents.empty())
    throw std::invalid_argument("[report::render] there is no document: pass at least one result file");
  Inputs inputs;
  for (const Document& document : documents) {
    if (is_train_log(document.json)) {
      TrainResult run = train_result_from_log(document.json, document.source);
      const int64_t planned = planned_epochs(run.recipe);
      inputs.trainings.push_back({document.source, "", {std::move(run), false, planned}});
      continue;
    }
    const std::string kind = artifact_kind(document.json, document.source);
    if (kind == "layer_scores") {
      inputs.scores.push_back({document.source, "", layer_scores_from_json(document.json, document.source)});
    } else if (kind == "compress") {
      CompressResult result = compress_result_from_json(document.json, document.source);
      if (result.scores) inputs.scores.push_back({document.source, "", *result.scores});
      inputs.compresses.push_back({document.source, "", std::move(result)});
    } else if (kind == "eval") {
      inputs.evals.push_back({document.source, "", eval_result_from_json(document.json, document.source)});
    } else if (kind == "bench") {
      inputs.benches.push_back({document.source, "", bench_result_from_json(document.json, document.source)});
    } else if (kind == "peers") {
      for (PeerRow& row : peer_results_from_json(document.json, document.source).rows)
        inputs.peers.push_back(std::move(row));
    } else if (kind == "plan") {
      PlanResult plan = plan_result_from_json(document.json, document.source);
      if (plan.built) inputs.compresses.push_back({document.source, "", *plan.built});
      inputs.plans.push_back({document.source, "", std::move(plan)});
    } else if (kind == "train") {
      TrainResult run = train_result_from_json(document.json, document.source);
      const int64_t planned = planned_epochs(run.recipe);
      inputs.trainings.push_back({document.source, "", {std::move(run), true, planned}});
    } else {
      throw FormatError(document.source, "kind",
                        (kind.empty() ? std::string("is missing") : "'" + kind + "' cannot be shown") +
                            "; a report is made of layer_scores, compress, plan, eval, train, bench and "
                            "peers documents and "
                            "of training logs");
    }
  }
  // A compression contains the scores that it was planned with; if both are given, they are shown once.
  for (size_t i = 0; i < inputs.scores.size(); ++i) {
    const std::string text = to_json(inputs.scores[i].value);
    for (size_t j = inputs.scores.size() - 1; j > i; --j) {
      if (to_json(inputs.scores[j].value) == text)
        inputs.scores.erase(inputs.scores.begin() + static_cast<long>(j));
    }
  }
  join_runs(inputs.trainings);
  label(inputs.scores);
  label(inputs.compresses);
  label(inputs.evals);
  label(inputs.trainings);
  label(inputs.benches);
  label(inputs.plans);
  return inputs;
}

std::vector<AccuracyRow> accuracy_rows(const Inputs& inputs) {
  std::vector<AccuracyRow> rows;
  std::vector<size_t> baselines;  // for each row, the index of the row that it is compared with
  constexpr size_t kNone = static_cast<size_t>(-1);
  const auto append = [&](AccuracyRow row, size_t baseline) {
    rows.push_back(std::move(row));
    baselines.push_back(baseline);
    return rows.size() - 1;
  };
  // Equal results, in particular a dense model that several documents share, appear once.
  const auto add = [&](AccuracyRow row, size_t baseline) {
    for (size_t i = 0; i < rows.size(); ++i) {
      // Evaluations in training runs have no name of a model, so their role is the name.
      if (same_result(row.eval, rows[i].eval) && (row.role == rows[i].role || !row.eval.model.empty()))
        return i;
    }
    return append(std::move(row), baseline);
  };
  const auto add_dense = [&](const std::optional<EvalResult>& eval, const std::string& group) {
    return eval ? add({"dense", group, AccuracyRow::Role::kDense, {}, *eval, {}, "", 0}, kNone) : kNone;
  };
  for (const auto& item : inputs.compresses) {
    const CompressResult& result = item.value;
    const std::string suffix = item.label.empty() ? "" : " (" + item.label + ")";
    const size_t dense = add_dense(result.dense, item.label);
    if (result.compressed) {
      add({"compressed" + suffix, item.label, AccuracyRow::Role::kCompressed, result.removed,
           *result.compressed, result.paired, "dense", result.held_out_kl},
          dense);
    }
  }
  for (const auto& item : inputs.trainings) {
    const TrainResult& result = item.value.result;
    const std::string suffix = item.label.empty() ? "" : " (" + item.label + ")";
    const bool dilutes = !result.removed.empty();
    const size_t dense = add_dense(result.dense, item.label);
    if (result.evaluation) {
      append({(dilutes ? "diluted" : "trained") + suffix, item.label,
              dilutes ? AccuracyRow::Role::kCompressed : AccuracyRow::Role::kOther, result.removed,
              *result.evaluation, result.paired, result.paired ? "dense" : "", 0},
             dense);
    }
  }
  for (const auto& item : inputs.evals) {
    AccuracyRow row{item.label.empty() ? file_name(item.value.model) : item.label,
                    item.label,
                    AccuracyRow::Role::kOther,
                    {},
                    item.value,
                    {},
                    "",
                    0};
    // Later results are compared with the first one on the same images that is not a compressed model.
    size_t baseline = kNone;
    for (size_t i = 0; i < rows.size(); ++i) {
      const AccuracyRow& other = rows[i];
      if (other.role == AccuracyRow::Role::kCompressed || other.paired || !same_images(other.eval, row.eval))
        continue;
      if (row.eval.segmentation) break;  // compared by the command that evaluated both
      row.paired = compare_paired(other.eval.correct, row.eval.correct);
      baseline = i;
      break;
    }
    add(std::move(row), baseline);
  }
  // Two compressions of different models have two dense rows, which need different names.
  int dense = 0;
  for (const AccuracyRow& row : rows) dense += row.role == AccuracyRow::Role::kDense;
  for (AccuracyRow& row : rows) {
    if (dense > 1 && row.role == AccuracyRow::Role::kDense) row.name += " (" + row.group + ")";
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    if (baselines[i] != kNone) rows[i].baseline = rows[baselines[i]].name;
  }
  return rows;
}

}  // namespace vitrim::report
