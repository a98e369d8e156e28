#pragma once
// Artifacts to JSON text and back. Every document carries "kind" and "version"; readers throw FormatError naming `source` and key.

#include <string>
#include <string_view>

#include "vitrim/core/artifacts.h"

namespace vitrim {

std::string to_json(const LayerScores& scores);
std::string to_json(const CompressionPlan& plan);
std::string to_json(const EvalResult& result);
std::string to_json(const CompressResult& result);

LayerScores layer_scores_from_json(std::string_view json, const std::string& source);
CompressionPlan compression_plan_from_json(std::string_view json, const std::string& source);
EvalResult eval_result_from_json(std::string_view json, const std::string& source);
CompressResult compress_result_from_json(std::string_view json, const std::string& source);

/// The "kind" of an artifact document: "layer_scores", "eval", "compress", ...; empty where it is none.
std::string artifact_kind(std::string_view json, const std::string& source);

}  // namespace vitrim
