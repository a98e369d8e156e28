#pragma once
// Artifacts to JSON text and back. Every document has "kind" and "version". Readers throw FormatError, which
// names `source` and the key, also for unknown keys (with the nearest known one) and for missing keys. Keys
// are the names of the members, with these exceptions. An Estimate is a plain number, and its standard error
// is stored under NAME_se in the same shape. Entropies are grouped as "entropy": {"attention", "mlp",
// "output"}, and the TE of single layers as "te": {"drop": {"0": ...}, "identity"}. `correct` is a text of 0
// and 1. "dense" and "compressed" are eval documents (only "params" and "macs" without labels) that include
// the params and macs of CompressResult. "seconds" is an object in the order of the phases, in which repeated
// phases add up. Doubles are stored exactly; NaN and infinities become null and are read as NaN. Bytes of
// file names that are not UTF-8 are replaced. The text is indented and ends with a newline.

#include <string>
#include <string_view>

#include "vitrim/core/artifacts.h"

namespace vitrim {

std::string to_json(const LayerScores& scores);
std::string to_json(const CompressionPlan& plan);
std::string to_json(const EvalResult& result);
std::string to_json(const CompressResult& result);
/// One line; a checkpoint's metadata holds it under kQuantizationMetadataKey.
std::string to_json(const QuantizationFigures& figures);
inline constexpr const char* kQuantizationMetadataKey = "vitrim.quantization";

LayerScores layer_scores_from_json(std::string_view json, const std::string& source);
CompressionPlan compression_plan_from_json(std::string_view json, const std::string& source);
EvalResult eval_result_from_json(std::string_view json, const std::string& source);
CompressResult compress_result_from_json(std::string_view json, const std::string& source);
QuantizationFigures quantization_figures_from_json(std::string_view json, const std::string& source);

/// The "kind" of an artifact document: "layer_scores", "eval", "compress", ...; empty if the document is not
/// an artifact.
std::string artifact_kind(std::string_view json, const std::string& source);

}  // namespace vitrim
