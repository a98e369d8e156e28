#include "report/inputs.h"

#include <map>
#include <stdexcept>

#include "report/paired.h"
#include "vitrim/core/artifact_json.h"
#include "vitrim/core/error.h"

namespace vitrim::report {
namespace {

std::string file_name(const std::string& source) {
  const size_t slash = source.find_last_of('/');
  return slash == std::string::npos ? source : source.substr(slash + 1);
}

/// Sources by file name where those differ, else by full path; empty where there is only one.
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

bool same_images(const EvalResult& a, const EvalResult& b) {
  return a.images > 0 && a.images == b.images && a.data == b.data &&
         a.manifest.data_fingerprint == b.manifest.data_fingerprint && a.correct.size() == b.correct.size() &&
         !a.correct.empty();
}

bool same_result(const EvalResult& a, const EvalResult& b) {
  return same_images(a, b) && a.model == b.model && a.correct == b.correct;
}

}  // namespace

Inputs read_inputs(const std::vector<Document>& documents) {
  if (documents.empty())
    throw std::invalid_argument("[report::render] no document: give at least one result file");
  Inputs inputs;
  for (const Document& document : documents) {
    const std::string kind = artifact_kind(document.json, document.source);
    if (kind == "layer_scores") {
      inputs.scores.push_back({document.source, "", layer_scores_from_json(document.json, document.source)});
    } else if (kind == "compress") {
      CompressResult result = compress_result_from_json(document.json, document.source);
      if (result.scores) inputs.scores.push_back({document.source, "", *result.scores});
      inputs.compresses.push_back({document.source, "", std::move(result)});
    } else if (kind == "eval") {
      inputs.evals.push_back({document.source, "", eval_result_from_json(document.json, document.source)});
    } else {
      throw FormatError(document.source, "kind",
                        (kind.empty() ? std::string("is missing") : "'" + kind + "' cannot be shown") +
                            "; a report is made of layer_scores, compress and eval documents");
    }
  }
  // A compression carries the scores it was planned from: given both, they are shown once.
  for (size_t i = 0; i < inputs.scores.size(); ++i) {
    const std::string text = to_json(inputs.scores[i].value);
    for (size_t j = inputs.scores.size() - 1; j > i; --j) {
      if (to_json(inputs.scores[j].value) == text)
        inputs.scores.erase(inputs.scores.begin() + static_cast<long>(j));
    }
  }
  label(inputs.scores);
  label(inputs.compresses);
  label(inputs.evals);
  return inputs;
}

std::vector<AccuracyRow> accuracy_rows(const Inputs& inputs) {
  std::vector<AccuracyRow> rows;
  const auto add = [&rows](AccuracyRow row) {
    for (const AccuracyRow& other : rows) {
      if (same_result(row.eval, other.eval)) return;
    }
    rows.push_back(std::move(row));
  };
  for (const auto& item : inputs.compresses) {
    const CompressResult& result = item.value;
    const std::string suffix = item.label.empty() ? "" : " (" + item.label + ")";
    if (result.dense) add({"dense", item.label, AccuracyRow::Role::kDense, {}, *result.dense, {}, "", 0});
    if (result.compressed) {
      add({"compressed" + suffix, item.label, AccuracyRow::Role::kCompressed, result.removed,
           *result.compressed, result.paired, "dense", result.held_out_kl});
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
    // Later results refer to the first one on the same images that is no compressed model.
    for (const AccuracyRow& other : rows) {
      if (other.role == AccuracyRow::Role::kCompressed || other.paired || !same_images(other.eval, row.eval))
        continue;
      row.paired = compare_paired(other.eval.correct, row.eval.correct);
      row.baseline = other.name;
      break;
    }
    add(std::move(row));
  }
  // Two compressions of different models have two dense rows: tell them apart.
  int dense = 0;
  for (const AccuracyRow& row : rows) dense += row.role == AccuracyRow::Role::kDense;
  for (AccuracyRow& row : rows) {
    if (dense > 1 && row.role == AccuracyRow::Role::kDense) row.name += " (" + row.group + ")";
  }
  return rows;
}

}  // namespace vitrim::report
