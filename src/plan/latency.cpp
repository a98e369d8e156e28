#include "vitrim/plan/latency.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>

#include "vitrim/architecture/cost.h"
#include "vitrim/core/error.h"
#include "vitrim/runtime/engine.h"

namespace vitrim::plan {

namespace {

double channels_of(const BlockSpec& block) { return static_cast<double>(block.num_heads * block.v_dim); }
double head_width(const BlockSpec& block) { return 0.5 * static_cast<double>(block.qk_dim + block.v_dim); }

// Interpolates points that ascend in x: linear between neighbours, and beyond the ends as between the
// outermost two.
double interpolate(const std::map<double, double>& points, double x) {
  if (points.empty()) return 0;
  if (points.size() == 1) return points.begin()->second;
  auto right = points.lower_bound(x);
  if (right == points.begin()) ++right;
  if (right == points.end()) --right;
  const auto left = std::prev(right);
  const double share = (x - left->first) / (right->first - left->first);
  return left->second + share * (right->second - left->second);
}

// --- what is timed ---

// The time of a piece is the time of `with` minus that of `without` (nothing: minus that of all its other
// pieces), divided by `count`.
struct Probe {
  Piece piece;
  ModelSpec with;
  std::optional<ModelSpec> without;
  double count = 1;
};

constexpr int64_t kCopies = 3;

class Probes {
 public:
  Probes(const ModelSpec& dense, const LatencyOptions& options)
      : dense_(dense), widths_(options.widths), fixed_(options.fixed) {
    const std::vector<int64_t>& mlps = options.mlps;
    std::sort(widths_.begin(), widths_.end());
    // The ends of the range and its middle are enough, because attention's products are linear in width.
    if (widths_.size() > 2) widths_ = {widths_.front(), widths_[widths_.size() / 2]};
    std::set<std::pair<int64_t, int64_t>> shapes;
    for (const BlockSpec& block : dense.blocks) {
      BlockSpec shape = block;
      shape.merge = 0;
      shape.stream_gain = 1;
      if (block.attention != AttentionKind::kNone &&
          (widest_.num_heads == 0 || head_width(block) > head_width(widest_)))
        widest_ = shape;
      if (block.attention != AttentionKind::kNone && shapes.insert({block.num_heads, 0}).second)
        attending_.push_back(shape);
      if (shapes.insert({-1, block.mlp_dim}).second) mlps_.push_back(without_attention(shape));
    }
    // An MLP's products are linear in its width too; the narrowest one gives the slope.
    if (!mlps.empty()) {
      BlockSpec narrow = mlps_.front();
      narrow.mlp_dim = std::min(narrow.mlp_dim, *std::min_element(mlps.begin(), mlps.end()));
      if (shapes.insert({-1, narrow.mlp_dim}).second) mlps_.push_back(narrow);
    }
    for (BlockSpec& shape : attending_) {
      for (const BlockSpec& block : dense.blocks) {
        if (block.num_heads == shape.num_heads && head_width(block) > head_width(shape)) {
          shape.qk_dim = block.qk_dim;
          shape.v_dim = block.v_dim;
        }
      }
    }
  }

  // The probes for an image with `rows` rows of patches; `whole` adds those that depend on the whole image
  // only.
  std::vector<Probe> at(int64_t rows, bool whole) const {
    std::vector<Probe> out;
    const auto add = [&](const char* kind, int64_t heads, double width, double tokens, ModelSpec with,
                         std::optional<ModelSpec> without, int64_t count) {
      Probe& probe = out.emplace_back();
      probe.piece.kind = kind;
      probe.piece.heads = heads;
      probe.piece.width = width;
      probe.piece.tokens = tokens;
      probe.with = std::move(with);
      probe.without = std::move(without);
      probe.count = static_cast<double>(count);
    };
    const double tokens = static_cast<double>(model(rows, {}).num_tokens());
    const bool class_only = dense_.pooling == Pooling::kToken;
    const double read = class_only ? (dense_.distillation_token ? 2 : 1) : tokens;
    for (const BlockSpec& mlp : mlps_) {
      const double width = static_cast<double>(mlp.mlp_dim);
      if (class_only && whole)
        add("mlp", 0, width, read, model(rows, repeated(mlp, kCopies, mlp)), model(rows, {mlp}), kCopies);
      add("mlp", 0, width, tokens, model(rows, repeated(mlp, kCopies, widest_)), model(rows, {widest_}),
          kCopies);
    }
    for (const BlockSpec& shape : attending_) {
      const ModelSpec mlps = model(rows, repeated(without_attention(shape), kCopies, widest_));
      for (const BlockSpec& narrow : widths_of(shape)) {
        const double width = head_width(narrow);
        add("attention", shape.num_heads, width, tokens, model(rows, repeated(narrow, kCopies, widest_)),
            mlps, kCopies);
        if (class_only)
          add("last attention", shape.num_heads, width, tokens, model(rows, {narrow}),
              model(rows, {without_attention(shape)}), 1);
      }
      for (const BlockSpec& narrow : fixed_ ? widths_of(shape) : std::vector<BlockSpec>()) {
        BlockSpec fixed = narrow;
        fixed.attention = AttentionKind::kStatic;
        fixed.qk_dim = 0;
        fixed.filter = 3;
        add("static", 0, channels_of(fixed), tokens, model(rows, repeated(fixed, kCopies, widest_)), mlps,
            kCopies);
        if (class_only)
          add("last static", 0, channels_of(fixed), tokens, model(rows, {fixed}),
              model(rows, {without_attention(shape)}), 1);
      }
      if (tokens - static_cast<double>(dense_.prefix_tokens()) < 2 * kCopies + 2) continue;
      BlockSpec merging = shape;
      merging.merge = 1;
      // Each copy matches one token fewer than the previous one.
      add("matching", shape.num_heads, 0, tokens - 0.5 * static_cast<double>(kCopies - 1),
          model(rows, repeated(merging, kCopies, widest_)), model(rows, repeated(shape, kCopies, widest_)),
          kCopies);
    }
    if (whole) add("ends", 0, 0, tokens, model(rows, {mlps_.front()}), std::nullopt, 1);
    return out;
  }

 private:
  static BlockSpec without_attention(BlockSpec block) {
    block.attention = AttentionKind::kNone;
    block.num_heads = block.qk_dim = block.v_dim = block.merge = 0;
    return block;
  }
  std::vector<BlockSpec> widths_of(const BlockSpec& full) const {
    std::vector<BlockSpec> out;
    for (const int64_t width : widths_) {
      BlockSpec block = full;
      block.qk_dim = dense_.qk_norm ? full.qk_dim : std::min(full.qk_dim, width);
      block.v_dim = std::min(full.v_dim, width);
      if (block != full) out.push_back(block);
    }
    out.push_back(full);
    return out;
  }
  static std::vector<BlockSpec> repeated(const BlockSpec& block, int64_t count, const BlockSpec& last) {
    std::vector<BlockSpec> out(static_cast<size_t>(count), block);
    out.push_back(last);
    return out;
  }
  ModelSpec model(int64_t rows, std::vector<BlockSpec> blocks) const {
    ModelSpec spec = dense_;
    spec.name.clear();
    spec.preprocess.reset();
    spec.stages.clear();
    spec.image_size[0] = rows * spec.patch_size;
    spec.blocks = std::move(blocks);
    return spec;
  }

  ModelSpec dense_;
  std::vector<int64_t> widths_;
  bool fixed_;
  BlockSpec widest_;
  std::vector<BlockSpec> attending_, mlps_;
};

// Seconds per call of every architecture among the probes, each timed once.
class Timed {
 public:
  void add(const ModelSpec& spec) {
    if (find(spec) == specs_.size()) specs_.push_back(spec);
  }
  void run(const Timer& timer) { seconds_ = timer(specs_); }
  double seconds(const ModelSpec& spec) const { return seconds_.at(find(spec)); }

 private:
  size_t find(const ModelSpec& spec) const {
    return static_cast<size_t>(std::find(specs_.begin(), specs_.end(), spec) - specs_.begin());
  }
  std::vector<ModelSpec> specs_;
  std::vector<double> seconds_;
};

// The time of the model without pieces like this one, as far as it is known.
double others(const LatencyModel& known, const ModelSpec& spec, const std::string& kind) {
  double total = 0;
  for (const Piece& piece : pieces_of(spec)) {
    if (piece.kind != kind) total += known.seconds(piece);
  }
  return total;
}

}  // namespace

std::vector<Piece> pieces_of(const ModelSpec& spec) {
  std::vector<Piece> out = {{"ends", 0, 0, static_cast<double>(spec.num_tokens())}};
  const std::vector<int64_t> read = architecture::live_tokens(spec);
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i) {
    const BlockSpec& block = spec.blocks[static_cast<size_t>(i)];
    const int64_t rows = read[static_cast<size_t>(i)];
    const double tokens = static_cast<double>(spec.attention_tokens(i));
    if (block.attention == AttentionKind::kStatic) {
      out.push_back({rows > 0 ? "last static" : "static", 0, channels_of(block), tokens});
    } else if (block.attention != AttentionKind::kNone) {
      out.push_back({rows > 0 ? "last attention" : "attention", block.num_heads, head_width(block), tokens});
      if (block.merge > 0 && rows == 0) out.push_back({"matching", block.num_heads, 0, tokens});
    }
    out.push_back({"mlp", 0, static_cast<double>(block.mlp_dim),
                   rows > 0 ? static_cast<double>(rows) : static_cast<double>(spec.mlp_tokens(i))});
  }
  return out;
}

double LatencyModel::seconds(const Piece& piece) const {
  std::map<double, std::map<double, double>> by_width;
  for (const LatencyKnot& knot : knots_) {
    if (knot.piece == piece.kind && knot.heads == piece.heads)
      by_width[knot.width][knot.tokens] = knot.seconds;
  }
  std::map<double, double> at_tokens;
  for (const auto& [width, points] : by_width) at_tokens[width] = interpolate(points, piece.tokens);
  return std::max(0.0, interpolate(at_tokens, piece.width));
}

double LatencyModel::predict(const ModelSpec& spec) const {
  double total = 0;
  for (const Piece& piece : pieces_of(spec)) total += seconds(piece);
  return total;
}

std::string why_not_timed(const ModelSpec& spec) {
  // Pieces are timed on maps of other sizes, which windows and stages do not divide evenly.
  if (spec.family != "vit") return "blocks of ViTs and DeiTs are timed, not those of family " + spec.family;
  if (std::any_of(spec.blocks.begin(), spec.blocks.end(),
                  [](const BlockSpec& b) { return b.attention == AttentionKind::kStatic; }))
    return "blocks that become static are timed, not those of a model that has static attention already";
  return runtime::why_not(spec);
}

LatencyPieces measure_pieces(const ModelSpec& dense, const LatencyOptions& options, const Timer& timer) {
  const std::string reason = why_not_timed(dense);
  if (!reason.empty()) throw std::invalid_argument("[plan::measure_pieces] " + reason);
  if (std::none_of(dense.blocks.begin(), dense.blocks.end(),
                   [](const BlockSpec& b) { return b.attention != AttentionKind::kNone; })) {
    throw std::invalid_argument("[plan::measure_pieces] no block has attention");
  }
  LatencyPieces out;
  out.batch = options.batch;
  const Probes probes(dense, options);
  std::set<int64_t> heights;
  for (int part = 1; part <= 5; ++part) heights.insert((part * dense.grid_height() + 4) / 5);
  std::vector<std::pair<Probe, std::pair<double, double>>> measured;
  for (const int64_t rows : heights) {
    Timed group;
    const std::vector<Probe> here = probes.at(rows, rows == dense.grid_height());
    for (const Probe& probe : here) {
      group.add(probe.with);
      if (probe.without) group.add(*probe.without);
    }
    group.run(timer);
    for (const Probe& probe : here)
      measured.push_back(
          {probe, {group.seconds(probe.with), probe.without ? group.seconds(*probe.without) : 0}});
  }
  // The ends are the remainder of a model after all other pieces are known, so the order of the kinds
  // matters.
  for (const std::string kind :
       {"mlp", "attention", "last attention", "static", "last static", "matching", "ends"}) {
    const LatencyModel known(out.knots);
    for (const auto& [probe, seconds] : measured) {
      if (probe.piece.kind != kind) continue;
      const double rest =
          others(known, probe.with, kind) - (probe.without ? others(known, *probe.without, kind) : 0);
      out.knots.push_back({kind, probe.piece.heads, probe.piece.width, probe.piece.tokens,
                           (seconds.first - seconds.second - rest) / probe.count});
    }
  }
  std::vector<ModelSpec> whole = {dense};
  for (const auto& [name, spec] : options.checks) whole.push_back(spec);
  const std::vector<double> seconds = timer(whole);
  out.dense = seconds.front();
  const LatencyModel known(out.knots);
  out.checks.push_back({"dense", known.predict(dense), seconds.front()});
  for (size_t i = 0; i < options.checks.size(); ++i)
    out.checks.push_back({options.checks[i].first, known.predict(options.checks[i].second), seconds[i + 1]});
  return out;
}

PredictionQuality quality_of(const std::vector<std::pair<double, double>>& pairs) {
  PredictionQuality out;
  out.count = static_cast<int64_t>(pairs.size());
  std::vector<double> errors;
  for (const auto& [predicted, measured] : pairs) {
    if (measured > 0) errors.push_back(std::abs(predicted / measured - 1));
  }
  std::sort(errors.begin(), errors.end());
  if (!errors.empty()) {
    const size_t half = errors.size() / 2;
    out.median_error = errors.size() % 2 == 1 ? errors[half] : 0.5 * (errors[half - 1] + errors[half]);
    out.worst_error = errors.back();
  }
  double alike = 0, left = 0,
         right = 0;  // Kendall's tau-b: pairs that are equal on one side count on the other side only
  for (size_t i = 0; i < pairs.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      const double a = pairs[i].first - pairs[j].first, b = pairs[i].second - pairs[j].second;
      const int x = (a > 0) - (a < 0), y = (b > 0) - (b < 0);
      alike += x * y;
      left += x * x;
      right += y * y;
    }
  }
  if (left > 0 && right > 0) out.rank_agreement = alike / std::sqrt(left * right);
  return out;
}

void check_table(const LatencyTable& table, const LatencyTable& wanted, const std::string& source) {
  const auto same = [&](const std::string& what, const std::string& has, const std::string& needs) {
    if (has == needs) return;
    throw Error(source + ": the latency table was measured with " + what + " '" + has +
                "', but this machine has '" + needs + "'; name another file to have one made");
  };
  same("processor", table.cpu, wanted.cpu);
  same("instruction set", table.isa, wanted.isa);
  same("precision", table.precision, wanted.precision);
  same("threads", std::to_string(table.threads), std::to_string(wanted.threads));
  same("vitrim", table.version, wanted.version);
  if (table.spec != wanted.spec)
    throw Error(source + ": the latency table belongs to another model; name another file to have one made");
}

}  // namespace vitrim::plan
