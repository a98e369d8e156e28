#include "vitrim/pipeline/sweep.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <sstream>
#include <stdexcept>

#include "vitrim/core/log.h"

namespace vitrim::pipeline {

namespace {

// "70.0 %" as "70%", so that equal targets are equal in lists and in names of files.
std::string plainly(std::string text) {
  text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
  double percent = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, percent);
  if (error != std::errc() || end - rest != 1 || *rest != '%') return text;
  std::ostringstream out;
  out << percent << '%';
  return out.str();
}

}  // namespace

std::vector<SweepPoint> sweep_points(const std::vector<int>& removed, const std::vector<std::string>& targets,
                                     bool with_dense) {
  std::vector<SweepPoint> out;
  std::vector<std::string> seen;
  for (const std::string& text : targets) {
    const std::string target = plainly(text);
    if (std::find(seen.begin(), seen.end(), target) != seen.end())
      throw std::invalid_argument("'" + text + "' is named twice");
    seen.push_back(target);
  }
  for (size_t i = 0; i < removed.size(); ++i) {
    if (std::find(removed.begin(), removed.begin() + static_cast<std::ptrdiff_t>(i), removed[i]) !=
        removed.begin() + static_cast<std::ptrdiff_t>(i)) {
      throw std::invalid_argument(std::to_string(removed[i]) + " layers are named twice");
    }
    for (const std::string& target : seen) {
      const SweepPoint point{removed[i], target == "100%" ? "" : target};
      if (with_dense || !point.dense()) out.push_back(point);
    }
  }
  if (out.empty())
    throw std::invalid_argument(
        "nothing is removed and nothing pruned; the Pareto front is the dense model alone");
  return out;
}

std::string name_of(const SweepPoint& point, bool attention_only) {
  std::string out = "removed_" + std::to_string(point.removed);
  if (point.target.empty()) return out;
  out += attention_only ? "_attention_" : "_macs_";
  for (const char c : point.target) {
    if (c != '%') out += c;
  }
  return out;
}

CompressOptions options_of(const SweepPoint& point, const CompressOptions& options) {
  CompressOptions out = options;
  out.remove_layers = point.removed > 0;
  out.analyze.count = point.removed;
  out.prune.target = point.target;
  return out;
}

void check_sweep(const ModelSpec& spec, const CompressOptions& options,
                 const std::vector<SweepPoint>& points) {
  for (const SweepPoint& point : points) {
    if (point.dense()) continue;
    try {
      check_compress(spec, options_of(point, options));
    } catch (const std::invalid_argument& error) {
      throw std::invalid_argument(std::string(error.what()) + " (" +
                                  name_of(point, options.prune.attention_only) + ")");
    }
  }
}

void sweep(const model::Model& dense, const data::ImageBatch& calibration, const data::Dataset* evaluation,
           const eval::AccuracyOptions& accuracy, const CompressOptions& options,
           const std::vector<SweepPoint>& points,
           const std::function<void(const SweepPoint&, Compressed)>& done) {
  check_sweep(dense.spec(), options, points);
  std::map<int, LayerScores> scores;
  std::optional<EvalResult> dense_eval;
  for (size_t i = 0; i < points.size(); ++i) {
    log_info("model " + std::to_string(i + 1) + " of " + std::to_string(points.size()) + ": " +
             name_of(points[i], options.prune.attention_only));
    if (points[i].dense()) {
      Compressed copy;
      copy.model = dense.clone();
      copy.result.reason = "nothing removed";
      done(points[i], std::move(copy));
      continue;
    }
    CompressOptions now = options_of(points[i], options);
    if (const auto known = scores.find(points[i].removed); known != scores.end()) now.scores = known->second;
    now.dense_eval = dense_eval;
    Compressed made = compress(dense, calibration, evaluation, accuracy, now);
    if (made.result.scores) scores.emplace(points[i].removed, *made.result.scores);
    dense_eval = made.result.dense;
    done(points[i], std::move(made));
  }
}

}  // namespace vitrim::pipeline
