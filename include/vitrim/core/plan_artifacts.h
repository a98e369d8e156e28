#pragma once
// What `vitrim plan` measures: the latency table of a machine, and what a budget buys.

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vitrim/core/artifacts.h"

namespace vitrim {

/// What one piece of a model takes, at one token count.
struct LatencyKnot {
  std::string piece;  ///< "attention", "last attention", "static", "last static", "mlp", "matching" or "ends"
  int64_t heads = 0;  ///< of attention
  double width = 0;   ///< channels of a head (mean of q/k and v), or of the MLP
  double tokens = 0;
  double seconds = 0;  ///< of one call; a difference of two measured times, so it may be a little below 0
                       ///< where the piece costs next to nothing
};

/// A whole model, timed and predicted from the pieces: whether they add up.
struct LatencyCheck {
  std::string model;                   ///< "6 removed, width 48, 8 pairs"
  double predicted = 0, measured = 0;  ///< seconds
  double error() const { return measured > 0 ? predicted / measured - 1 : 0; }
};

/// Pieces at one batch size.
struct LatencyPieces {
  int64_t batch = 0;
  bool int8 = false;  ///< all linear layers of the blocks in int8
  double dense = 0;   ///< seconds of the whole model
  std::vector<LatencyKnot> knots;
  std::vector<LatencyCheck> checks;
};

/// What the pieces of one model take on one machine and engine.
struct LatencyTable {
  std::string cpu, isa, precision;
  int64_t threads = 0;
  std::string version;  ///< of vitrim
  ModelSpec spec;       ///< of the dense model
  std::vector<LatencyPieces> batches;
};

/// One limit. Latency is in seconds.
struct PlanLimit {
  std::string text;      ///< as it was asked for
  std::string quantity;  ///< "latency", "macs" or "params"
  int64_t batch = 0;     ///< of latency, else 0
  double dense = 0, limit = 0;
  double floor = 0;  ///< the least that the grid of candidates comes to
};

/// Pairs of tokens merged in every block that keeps its attention, from the `start`th such block on.
struct PlanMerging {
  int start = 0;
  int64_t pairs = 0;
  auto operator<=>(const PlanMerging&) const = default;
};

/// One candidate: what is done, what it costs, what it does to the output.
struct PlanRow {
  std::vector<int> removed;
  std::vector<int> fixed;  ///< layers whose attention becomes static
  int64_t width = 0;       ///< channels that a head keeps at most; 0: all
  int64_t mlp = 0;         ///< hidden units that an MLP keeps at most; 0: all
  PlanMerging merging;
  bool int8 = false;  ///< linear layers of the blocks in int8, after all else
  int64_t params = 0, macs = 0;
  std::optional<double>
      latency;  ///< predicted, seconds, at the first batch; none where the engine can't run the model
  std::optional<double> measured_latency;
  double kl = 0;  ///< predicted: the sum of its moves' own, nats
  std::optional<double> measured_kl;
  std::optional<EvalResult> eval;
  std::optional<PairedResult> paired;  ///< against the dense model
  bool front = false;  ///< on the Pareto front: no other candidate within the budget costs less and is
                       ///< predicted to lose less
  bool holds = true;   ///< within the budget, as far as it was measured
};

/// Whether both do the same to the model, whatever was measured.
inline bool same_moves(const PlanRow& a, const PlanRow& b) {
  return a.removed == b.removed && a.fixed == b.fixed && a.width == b.width && a.mlp == b.mlp &&
         a.merging == b.merging && a.int8 == b.int8;
}

/// One move alone and how far it takes the output from the dense model's.
struct PlanMove {
  std::string move;  ///< "removal", "static", "pruning", "mlp", "merging" or "int8"
  PlanRow row;
};

/// Two moves or three at once against the sum of each alone.
struct PlanCombination {
  PlanRow row;
  double predicted = 0, measured = 0;  ///< nats
};

/// How well something was predicted.
struct PredictionQuality {
  int64_t count = 0;
  double median_error = 0, worst_error = 0;  ///< |predicted / measured - 1|
  std::optional<double> rank_agreement;      ///< Kendall's tau, of two or more
};

/// Everything `vitrim plan` did.
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
  int64_t candidates = 0, within = 0;  ///< of the grid; of these within the budget by prediction
  std::vector<PlanRow> rows;       ///< the Pareto front, and what was measured beside it, least loss first
  std::vector<PlanRow> dominated;  ///< other candidates within the budget
  std::optional<PlanRow> chosen;
  std::vector<std::string> notes;       ///< what was tried and missed
  std::optional<double> built_latency;  ///< of the written model, seconds
  std::optional<double> built_kl;       ///< on the held-out images
  std::optional<CompressResult> built;
  std::vector<std::pair<std::string, double>> seconds;
};

std::string to_json(const LatencyTable& table);
std::string to_json(const PlanResult& result);
LatencyTable latency_table_from_json(std::string_view json, const std::string& source);
PlanResult plan_result_from_json(std::string_view json, const std::string& source);

}  // namespace vitrim
