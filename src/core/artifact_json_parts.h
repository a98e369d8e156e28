#pragma once
// The artifacts as members of larger documents: artifact_json.cpp has the small ones, one file each the two
// large ones.
#include "core/json.h"
#include "vitrim/core/artifacts.h"
#include "vitrim/core/train_artifacts.h"

namespace vitrim {

json::Json write_manifest(const Manifest& manifest);
void read(const json::Json& json, const json::Place& place, Manifest& manifest);

json::Json write_eval(const EvalResult& result);
void read(const json::Json& json, const json::Place& place, EvalResult& result);

json::Json write_paired(const PairedResult& paired);
void read(const json::Json& json, const json::Place& place, PairedResult& paired);

json::Json write_spectrum(const Spectrum& spectrum);
void read(const json::Json& json, const json::Place& place, Spectrum& spectrum);

void read(const json::Json& json, const json::Place& place, EpochRecord& record);

json::Json write_layer_scores(const LayerScores& scores);
void read(const json::Json& json, const json::Place& place, LayerScores& scores);

}  // namespace vitrim
