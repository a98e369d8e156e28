#include "vitrim/core/artifact_json.h"

#include "core/artifact_fields.h"
#include "vitrim/core/error.h"

namespace vitrim {

using json::Json;

namespace {

template <typename T>
std::string indented(const T& artifact) {
  return json::dump(json::write(artifact), 1) + "\n";
}

}  // namespace

std::string to_json(const LayerScores& scores) { return indented(scores); }
std::string to_json(const CompressionPlan& plan) { return indented(plan); }
std::string to_json(const EvalResult& result) { return indented(result); }
std::string to_json(const CompressResult& result) { return indented(result); }
std::string to_json(const QuantizationFigures& figures) { return json::dump(json::write(figures), -1); }
std::string to_json(const TrainResult& result) { return indented(result); }

LayerScores layer_scores_from_json(std::string_view text, const std::string& source) {
  return json::from_text<LayerScores>(text, source);
}

CompressionPlan compression_plan_from_json(std::string_view text, const std::string& source) {
  return json::from_text<CompressionPlan>(text, source);
}

EvalResult eval_result_from_json(std::string_view text, const std::string& source) {
  return json::from_text<EvalResult>(text, source);
}

CompressResult compress_result_from_json(std::string_view text, const std::string& source) {
  return json::from_text<CompressResult>(text, source);
}

QuantizationFigures quantization_figures_from_json(std::string_view text, const std::string& source) {
  return json::from_text<QuantizationFigures>(text, source);
}

std::string to_json(const BenchResult& result) { return indented(result); }

BenchResult bench_result_from_json(std::string_view text, const std::string& source) {
  return json::from_text<BenchResult>(text, source);
}

std::string to_json(const PeerResults& peers) { return indented(peers); }

PeerResults peer_results_from_json(std::string_view text, const std::string& source) {
  PeerResults peers = json::from_text<PeerResults>(text, source);
  for (size_t i = 0; i < peers.rows.size(); ++i) {
    const PeerRow& row = peers.rows[i];
    const std::string place = "rows[" + std::to_string(i) + "].";
    if (row.batch < 1) throw FormatError(source, place + "batch", "must be at least 1");
    if (!(row.images_per_second > 0))
      throw FormatError(source, place + "images_per_second", "must be above 0");
    if (!(row.accuracy >= 0 && row.accuracy <= 1))
      throw FormatError(source, place + "accuracy", "is a fraction from 0 to 1; 81.2 % is 0.812");
  }
  return peers;
}

std::string to_json(const LatencyTable& table) { return indented(table); }
std::string to_json(const PlanResult& result) { return indented(result); }

LatencyTable latency_table_from_json(std::string_view text, const std::string& source) {
  return json::from_text<LatencyTable>(text, source);
}
PlanResult plan_result_from_json(std::string_view text, const std::string& source) {
  return json::from_text<PlanResult>(text, source);
}

TrainResult train_result_from_json(std::string_view text, const std::string& source) {
  return json::from_text<TrainResult>(text, source);
}

std::string artifact_kind(std::string_view text, const std::string& source) {
  const Json json = json::parse(text, source);
  if (!json.is_object() || !json.contains("kind") || !json["kind"].is_string()) return "";
  return json["kind"].get<std::string>();
}

}  // namespace vitrim
