#pragma once
// The part of every result that describes the two models it compares.

#include "vitrim/core/artifacts.h"
#include "vitrim/data/dataset.h"
#include "vitrim/eval/accuracy.h"
#include "vitrim/model/model.h"

namespace vitrim::pipeline {

/// Fills in specs, blocks, parameters and MACs.
void describe_models(const ModelSpec& dense, const ModelSpec& compressed, CompressResult& result);
/// Evaluates both models and compares them in pairs; evaluates the dense model only if result.dense is empty.
void evaluate_models(const model::Model& dense, const model::Model& compressed,
                     const data::Dataset& evaluation, const eval::AccuracyOptions& accuracy,
                     CompressResult& result);

}  // namespace vitrim::pipeline
