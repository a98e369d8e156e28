#pragma once
// The results of `vitrim plan`: the latency table of a machine, and the best models within a budget.

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vitrim/core/artifacts.h"

namespace vitrim {

/// Measured time of one piece of a model at one token count.
struct LatencyKnot {
  std::string piece;  ///< "attention", "last attention", "static", "last static", "mlp", "matching" or "ends"
  int64_t heads = 0;  ///< number of heads, for attention
  double width = 0;   ///< channels of a head (mean of q/k and v), or of the MLP
  double tokens = 0;
  double seconds = 0;  ///< seconds per call; a difference of two measured times, so it may be slightly
                       ///< negative if the piece costs almost nothing
};

/// A whole model, measured and predicted from its pieces: a test of whether the pieces add up.
struct LatencyCheck {
  std::string model;                   ///< "6 removed, width 48, 8 pairs"
  double predicted = 0, measured = 0;  ///< seconds
  double error() const { return measured > 0 ? predicted / measured - 1 : 0; }
};

/// Measured pieces at one batch size.
struct LatencyPieces {
  int64_t batch = 0;
  bool int8 = false;  ///< all linear layers of the blocks in int8
  double dense = 0;   ///< seconds per call of the whole dense model
  std::vector<LatencyKnot> knots;
  std::vector<LatencyCheck> checks;
};

/// Measured times of the pieces of one model, on one machine and engine.
struct LatencyTable {
  std::string cpu, isa, precision;
  int64_t threads = 0;
  std::string version;  ///< version of vitrim
  ModelSpec spec;       ///< spec of the dense model
  std::vector<LatencyPieces> batches;
};

/// One limit of a budget. Latency is in seconds.
struct PlanLimit {
  std::string text;      ///< as the user wrote it
  std::string quantity;  ///< "latency", "macs" or "params"
  int64_t batch = 0;     ///< batch size of a latency; else 0
  double dense = 0, limit = 0;
  double floor = 0;  ///< the smallest value that any candidate of the grid reaches
};

/// The number of pairs of tokens to merge in every block that keeps its attention, from the `start`th such
/// block on.
struct PlanMerging {
  int start = 0;
  int64_t pairs = 0;
  auto operator<=>(const PlanMerging&) const = default;
};

/// One candidate: the changes to the model, their costs, and their effect on the output.
struct PlanRow {
  std::vector<int> removed;
  std::vector<int> fixed;  ///< layers whose attention becomes static
  int64_t width = 0;       ///< largest number of channels that a head keeps; 0: all
  int64_t mlp = 0;         ///< largest number of hidden units that an MLP keeps; 0: all
  PlanMerging merging;
  bool int8 = false;  ///< linear layers of the blocks in int8, converted after all other changes
  int64_t params = 0, macs = 0;
  std::optional<double>
      latency;  ///< predicted seconds at the first batch size; empty if the engine can't run the model
  std::optional<double> measured_latency;
  double kl = 0;  ///< predicted KL divergence in nats: the sum over its single moves
  std::optional<double> measured_kl;
  std::optional<EvalResult> eval;
  std::optional<PairedResult> paired;  ///< against the dense model
  bool front = false;  ///< on the Pareto front: no other candidate within the budget has lower cost and lower
                       ///< predicted loss
  bool holds = true;   ///< within the budget, according to all that was measured
};

/// Whether both rows make the same changes to the model, independent of what was measured.
inline bool same_moves(const PlanRow& a, const PlanRow& b) {
  return a.removed == b.removed && a.fixed == b.fixed && a.width == b.width && a.mlp == b.mlp &&
         a.merging == b.merging && a.int8 == b.int8;
}

/// One move alone, and how much it changes the output of the dense model.
struct PlanMove {
  std::string move;  ///< "removal", "static", "pruning", "mlp", "merging" or "int8"
  PlanRow row;
};

/// Two or three moves combined: the measured loss against the sum of the single losses.
struct PlanCombination {
  PlanRow row;
  double predicted = 0, measured = 0;  ///< nats
};

/// The accuracy of a prediction.
struct PredictionQuality {
  int64_t count = 0;
  double median_error = 0, worst_error = 0;  ///< |predicted / measured - 1|
  std::optional<double> rank_agreement;      ///< Kendall's tau; empty for fewer than two values
};

/// The complete result of `vitrim plan`.
struct PlanResult {
  Manifest manifest;
  std::string model, output;
  std::vector<PlanLimit> limits;
  int64_t fit_images = 0, held_out_images = 0;
  int64_t dense_params = 0, dense_macs = 0;
  std::optional<double> dense_latency;
  std::optional<EvalResult> dense_eval;
  std::optional<LatencyTable> table;
  PredictionQuality latency_quality, kl_quality;
  std::vector<PlanMove> moves;
  std::vector<PlanCombination> combinations;
  int64_t candidates = 0,
          within = 0;         ///< number of candidates: in the grid, and predicted to be within the budget
  std::vector<PlanRow> rows;  ///< the Pareto front and all other measured candidates, least loss first
  std::vector<PlanRow> dominated;  ///< other candidates within the budget
  std::optional<PlanRow> chosen;
  std::vector<std::string> notes;       ///< candidates that were tried and missed the budget
  std::optional<double> built_latency;  ///< seconds per call of the written model
  std::optional<double> built_kl;       ///< KL divergence on the held-out images, nats
  std::optional<CompressResult> built;
  std::vector<std::pair<std::string, double>> seconds;
};

std::string to_json(const LatencyTable& table);
std::string to_json(const PlanResult& result);
LatencyTable latency_table_from_json(std::string_view json, const std::string& source);
PlanResult plan_result_from_json(std::string_view json, const std::string& source);

}  // namespace vitrim
