#pragma once
// What is measured of a table's candidates: losses of single moves, whose sums predict the others, and the
// candidates themselves. Who makes models and times them is handed in.

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "vitrim/plan/choice.h"
#include "vitrim/plan/table.h"

namespace vitrim::plan {

/// Seconds of models, timed interleaved with the dense one.
struct TimedModels {
  double dense = 0;
  std::vector<double> seconds;
};

/// What measures.
struct Instruments {
  /// Loss of the model that the row makes, nats.
  std::function<double(const PlanRow& row)> loss;
  /// Really times these models at this batch; empty where nothing is timed.
  std::function<TimedModels(int64_t batch, const std::vector<ModelSpec>& specs)> time;
};

/// What each move does alone.
struct MoveLosses {
  std::map<std::vector<int>, double> removal;  ///< by the layers that go
  std::map<std::vector<int>, double> fixing;   ///< by the layers that become static
  std::map<int64_t, double> width, mlp;
  std::map<PlanMerging, double> merging;
  double int8 = 0;
  /// Their sum for a combination. Static layers lose their share of what the grid's set of them does: of a
  /// set that is removed in part, the rest by number of layers.
  double of(const PlanRow& row) const;
};

struct MeasuredMoves {
  std::vector<PlanMove> moves;  ///< with their loss; costs are not filled in
  MoveLosses losses;
};
/// Measures every move of the grid alone.
MeasuredMoves measure_moves(const MoveGrid& grid, const Instruments& instruments);

/// What was measured: the table with the measured figures in its rows, and combinations of moves against
/// their prediction.
struct Measured {
  CandidateTable table;
  std::vector<PlanCombination> combinations;
  std::vector<std::string> notes;  ///< what missed its budget
};

/// Loss and, where something is timed, latency at each batch (the first is the row's) of these candidates,
/// and whether they hold the latency budgets.
Measured measure(CandidateTable table, const Candidates& chosen, const std::vector<Budget>& budgets,
                 const std::vector<int64_t>& batches, const Instruments& instruments);

struct MeasureOptions {
  int wanted = 5;  ///< candidates of the Pareto front
  int spread = 3;  ///< combinations beside it, for the test of additivity
};

/// Measures until as many of the Pareto front as were asked for hold: where some are timed as too slow,
/// predictions are corrected by what the measured ones have in common, and others are looked at. Throws
/// std::invalid_argument where none holds.
Measured measure_until_held(CandidateTable table, const std::vector<Budget>& budgets,
                            const std::vector<int64_t>& batches, const Instruments& instruments,
                            const MeasureOptions& options);

}  // namespace vitrim::plan
