#pragma once
// Measures the candidates of a table: the losses of single moves, whose sums predict the other candidates,
// and selected candidates themselves. The caller provides the functions that build and time models.

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "vitrim/plan/choice.h"
#include "vitrim/plan/table.h"

namespace vitrim::plan {

/// Seconds per call of models, timed interleaved with the dense model.
struct TimedModels {
  double dense = 0;
  std::vector<double> seconds;
};

/// The functions that measure.
struct Instruments {
  /// Loss of the model that the row describes, in nats.
  std::function<double(const PlanRow& row)> loss;
  /// Times these models at this batch size; an empty function if nothing is timed.
  std::function<TimedModels(int64_t batch, const std::vector<ModelSpec>& specs)> time;
};

/// The loss of each move alone, in nats.
struct MoveLosses {
  std::map<std::vector<int>, double> removal;  ///< keyed by the removed layers
  std::map<std::vector<int>, double> fixing;   ///< keyed by the layers that become static
  std::map<int64_t, double> width, mlp;
  std::map<PlanMerging, double> merging;
  double int8 = 0;
  /// The predicted loss of a combination: the sum over its moves. If some static layers of a set are removed,
  /// the rest counts with its share of the set's loss, by number of layers.
  double of(const PlanRow& row) const;
};

struct MeasuredMoves {
  std::vector<PlanMove> moves;  ///< with their losses; costs are not filled in
  MoveLosses losses;
};
/// Measures the loss of every move of the grid alone.
MeasuredMoves measure_moves(const MoveGrid& grid, const Instruments& instruments);

/// The table with the measured figures in its rows, and the losses of combinations with their predictions.
struct Measured {
  CandidateTable table;
  std::vector<PlanCombination> combinations;
  std::vector<std::string> notes;  ///< descriptions of candidates that missed the budget
};

/// Measures the loss of these candidates and, if something is timed, their latency at each batch size (the
/// first is stored in the row), and whether they meet the latency budgets.
Measured measure(CandidateTable table, const Candidates& chosen, const std::vector<Budget>& budgets,
                 const std::vector<int64_t>& batches, const Instruments& instruments);

struct MeasureOptions {
  int wanted = 5;  ///< number of candidates of the Pareto front
  int spread = 3;  ///< number of combinations in addition, for the test of additivity
};

/// Measures candidates until the requested number of the Pareto front meets the budgets. If some are measured
/// as too slow, the predictions of all are corrected by the common factor of the measured ones, and other
/// candidates are tried. Throws std::invalid_argument if no candidate meets the budgets.
Measured measure_until_held(CandidateTable table, const std::vector<Budget>& budgets,
                            const std::vector<int64_t>& batches, const Instruments& instruments,
                            const MeasureOptions& options);

}  // namespace vitrim::plan
