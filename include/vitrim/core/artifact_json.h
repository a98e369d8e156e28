#pragma once
// Artifacts to JSON text and back. Every document carries "kind" and "version"; readers throw FormatError
// that names `source` and the key, also on keys they do not know (with the nearest one they do) and on
// missing ones. Keys are the members' names, except: an Estimate is a plain number, its standard error stands
// under NAME_se in the same shape; entropies are grouped as "entropy": {"attention", "mlp", "output"},
// single-layer TE as "te": {"drop": {"0": ...}, "identity"}; `correct` is a text of 0 and 1; "dense" and
// "compressed" are the eval documents (only "params" and "macs" without labels), with the params and macs of
// CompressResult; "seconds" is an object in the phases' order, in which repeated phases add up. Doubles
// survive exactly; NaN and infinities become null and read as NaN. Bytes of file names that are no UTF-8 are
// replaced. Indented, with a line end.

#include <string>
#include <string_view>

#include "vitrim/core/artifacts.h"

namespace vitrim {

std::string to_json(const LayerScores& scores);
std::string to_json(const CompressionPlan& plan);
std::string to_json(const EvalResult& result);
std::string to_json(const CompressResult& result);
/// In one line; a checkpoint's metadata hold it under kQuantizationMetadataKey.
std::string to_json(const QuantizationFigures& figures);
inline constexpr const char* kQuantizationMetadataKey = "vitrim.quantization";

LayerScores layer_scores_from_json(std::string_view json, const std::string& source);
CompressionPlan compression_plan_from_json(std::string_view json, const std::string& source);
EvalResult eval_result_from_json(std::string_view json, const std::string& source);
CompressResult compress_result_from_json(std::string_view json, const std::string& source);
QuantizationFigures quantization_figures_from_json(std::string_view json, const std::string& source);

/// The "kind" of an artifact document: "layer_scores", "eval", "compress", ...; empty where it is none.
std::string artifact_kind(std::string_view json, const std::string& source);

}  // namespace vitrim
