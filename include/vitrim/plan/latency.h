#pragma once
// How long a ViT takes, added up from pieces: attention and MLPs by width and tokens, matching of
// tokens, and the two ends. The pieces are differences of timed models that differ in them alone; whether
// they add up is measured, on whole models (LatencyPieces::checks).

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "vitrim/core/model_spec.h"
#include "vitrim/core/plan_artifacts.h"

namespace vitrim::plan {

/// Empty where a model's latency can be added up from pieces: ViTs that the engine runs; else why not.
std::string why_not_timed(const ModelSpec& spec);

/// One piece of a model's forward pass on the CPU engine.
struct Piece {
  std::string kind;  ///< as LatencyKnot::piece
  int64_t heads = 0;
  double width = 0;
  double tokens = 0;
};

/// The pieces of a ViT, as the engine runs it: "ends" (patch embedding, classifier), for each block its
/// attention ("last attention" where only the class token's row is read after it), "static" and "last
/// static" where that is static, its MLP at the tokens that are left (1 or 2 after the last attention), and
/// the matching where it merges.
std::vector<Piece> pieces_of(const ModelSpec& spec);

/// Predicts from measured pieces: linear in tokens between knots (beyond them as between the outermost two)
/// and in width. A piece below 0 counts 0.
class LatencyModel {
 public:
  explicit LatencyModel(std::vector<LatencyKnot> knots) : knots_(std::move(knots)) {}
  /// Seconds; 0 for a kind of piece that was not measured.
  double seconds(const Piece& piece) const;
  double predict(const ModelSpec& spec) const;

 private:
  std::vector<LatencyKnot> knots_;
};

/// Seconds of a call of each of these architectures.
using Timer = std::function<std::vector<double>(const std::vector<ModelSpec>& specs)>;

struct LatencyOptions {
  int64_t batch = 1;
  std::vector<int64_t> widths;  ///< at which attention is timed beside its full width
  std::vector<int64_t> mlps;    ///< at which MLPs are
  bool fixed = false;           ///< whether static attention is timed
  /// Whole models that are timed and held against the sum of their pieces, by name.
  std::vector<std::pair<std::string, ModelSpec>> checks;
};

/// Measures the pieces of `dense`'s own shapes at five token counts, from models of a few blocks on smaller
/// images. The timer is called once for every token count and once for the checks (the dense model comes
/// first among them). Throws std::invalid_argument for models that are no ViT or have no attention.
LatencyPieces measure_pieces(const ModelSpec& dense, const LatencyOptions& options, const Timer& timer);

/// Median and worst |predicted / measured - 1| of pairs {predicted, measured}, and Kendall's tau-b between
/// the two (none for fewer than two, or where all are equal). Pairs whose measured side is not above 0 count
/// for the rank alone.
PredictionQuality quality_of(const std::vector<std::pair<double, double>>& pairs);

/// Throws vitrim::Error, naming `source` and what differs, where the table is of another machine, engine,
/// number of threads or model than `wanted`.
void check_table(const LatencyTable& table, const LatencyTable& wanted, const std::string& source);

}  // namespace vitrim::plan
