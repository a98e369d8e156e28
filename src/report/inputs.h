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

/// One artifact and the name it goes by on the page: its file name where several of its kind are shown, else
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
  int64_t planned = 0;    ///< epochs by its recipe; 0 where it does not say
};

struct Inputs {
  std::vector<Named<LayerScores>> scores;  ///< of their own and from inside `compresses`
  std::vector<Named<CompressResult>> compresses;
  std::vector<Named<EvalResult>> evals;  ///< documents of their own only
  std::vector<Named<Training>> trainings;
  std::vector<Named<BenchResult>> benches;
  std::vector<Named<PlanResult>> plans;
  std::vector<PeerRow> peers;
};

/// Throws std::invalid_argument where there is no document, FormatError naming the source where one is no
/// artifact that can be shown.
Inputs read_inputs(const std::vector<Document>& documents);

/// One row of the accuracy section: a model on labelled images.
struct AccuracyRow {
  enum class Role { kDense, kCompressed, kControl, kOther };
  std::string name;
  std::string group;  ///< file that it came from
  Role role = Role::kOther;
  std::vector<int> layers;
  EvalResult eval;
  std::optional<PairedResult> paired;  ///< against `baseline`
  std::string baseline;
  double held_out_kl = 0;
};

/// Whether two results judge the same images, so that they can be paired.
bool same_images(const EvalResult& a, const EvalResult& b);

/// All models with an accuracy: dense and compressed of every compression, before and after of every training
/// run, then evals. Evals on the same
/// images as an earlier dense model or, without one, as the first eval are compared with it. A dense model
/// shared by compressions stands once.
std::vector<AccuracyRow> accuracy_rows(const Inputs& inputs);

}  // namespace vitrim::report
