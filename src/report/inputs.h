#pragma once
// The documents of one page, read and sorted by kind.

#include <string>
#include <vector>

#include "vitrim/core/artifacts.h"
#include "vitrim/core/bench_artifacts.h"
#include "vitrim/core/plan_artifacts.h"
#include "vitrim/core/train_artifacts.h"
#include "vitrim/report/report.h"

namespace vitrim::report {

/// One artifact and its name on the page: its file name if several artifacts of its kind are shown, else
/// empty.
template <typename T>
struct Named {
  std::string source;
  std::string label;
  T value;
};

/// A run of `vitrim train` or `vitrim dilute`, from its result document, its log, or both.
struct Training {
  TrainResult result;
  bool finished = false;  ///< there is a result document
  int64_t planned = 0;    ///< number of epochs in its recipe; 0 if the recipe does not state it
};

struct Inputs {
  std::vector<Named<LayerScores>> scores;  ///< separate documents, and those inside `compresses`
  std::vector<Named<CompressResult>> compresses;
  std::vector<Named<EvalResult>> evals;  ///< separate documents only
  std::vector<Named<Training>> trainings;
  std::vector<Named<BenchResult>> benches;
  std::vector<Named<PlanResult>> plans;
  std::vector<PeerRow> peers;
};

/// Throws std::invalid_argument if there is no document, FormatError with the source if one is not an
/// artifact that can be shown.
Inputs read_inputs(const std::vector<Document>& documents);

/// One row of the accuracy section: a model on labelled images.
struct AccuracyRow {
  enum class Role { kDense, kCompressed, kControl, kOther };
  std::string name;
  std::string group;  ///< the file that it is from
  Role role = Role::kOther;
  std::vector<int> layers;
  EvalResult eval;
  std::optional<PairedResult> paired;  ///< against `baseline`
  std::string baseline;
  double held_out_kl = 0;
};

/// Whether two results are on the same images, so that they can be compared in pairs.
bool same_images(const EvalResult& a, const EvalResult& b);

/// All models with an accuracy: dense and compressed model of every compression, the models before and after
/// every training run, then evals. An eval is compared with an earlier dense model on the same images or, if
/// there is none, with the first eval on them. A dense model that several compressions share appears once.
std::vector<AccuracyRow> accuracy_rows(const Inputs& inputs);

}  // namespace vitrim::report
