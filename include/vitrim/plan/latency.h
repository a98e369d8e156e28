#pragma once
// Predicts the latency of a ViT as a sum of pieces: attention and MLPs by width and tokens, matching of
// tokens, and the two ends. The time of a piece is the difference of two timed models that differ only in
// that piece. Whether the pieces add up is measured on whole models (LatencyPieces::checks).

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "vitrim/core/model_spec.h"
#include "vitrim/core/plan_artifacts.h"

namespace vitrim::plan {

/// Empty if a model's latency can be predicted from pieces, that is, for ViTs that the engine runs; else the
/// reason why not.
std::string why_not_timed(const ModelSpec& spec);

/// One piece of a model's forward pass on the CPU engine.
struct Piece {
  std::string kind;  ///< one of the names in LatencyKnot::piece
  int64_t heads = 0;
  double width = 0;
  double tokens = 0;
};

/// The pieces of a ViT as the engine runs it. "ends" is the patch embedding and the classifier. Each block
/// has its attention ("static" if that is static), its MLP at the number of tokens that remain, and
/// "matching" if it merges. The attention is "last attention" or "last static" if only the class token's row
/// is read after it; the MLP after that has 1 or 2 tokens.
std::vector<Piece> pieces_of(const ModelSpec& spec);

/// Predicts times from measured pieces. It interpolates linearly in tokens between knots (beyond them it
/// extrapolates from the outermost two) and linearly in width. A negative piece counts as 0.
class LatencyModel {
 public:
  explicit LatencyModel(std::vector<LatencyKnot> knots) : knots_(std::move(knots)) {}
  /// Seconds of one piece; 0 for a kind of piece that was not measured.
  double seconds(const Piece& piece) const;
  double predict(const ModelSpec& spec) const;

 private:
  std::vector<LatencyKnot> knots_;
};

/// Returns the seconds per call of each of these architectures.
using Timer = std::function<std::vector<double>(const std::vector<ModelSpec>& specs)>;

struct LatencyOptions {
  int64_t batch = 1;
  std::vector<int64_t> widths;  ///< widths at which attention is timed, in addition to its full width
  std::vector<int64_t> mlps;    ///< widths at which MLPs are timed
  bool fixed = false;           ///< also time static attention
  /// Whole models, by name, that are timed and compared with the sum of their pieces.
  std::vector<std::pair<std::string, ModelSpec>> checks;
};

/// Measures the pieces of `dense` at five token counts, with models of a few blocks on smaller images. Calls
/// the timer once per token count and once for the checks (the dense model is the first of them). Throws
/// std::invalid_argument if the model is not a ViT or has no attention.
LatencyPieces measure_pieces(const ModelSpec& dense, const LatencyOptions& options, const Timer& timer);

/// Median and largest |predicted / measured - 1| of pairs {predicted, measured}, and Kendall's tau-b between
/// the two (empty for fewer than two pairs, or if all values are equal). A pair whose measured value is not
/// positive counts only for the rank.
PredictionQuality quality_of(const std::vector<std::pair<double, double>>& pairs);

/// Throws vitrim::Error, with `source` and the difference, if the table is for another machine, engine,
/// number of threads or model than `wanted`.
void check_table(const LatencyTable& table, const LatencyTable& wanted, const std::string& source);

}  // namespace vitrim::plan
