#include "pipeline/describe_models.h"

#include "vitrim/eval/cost.h"
#include "vitrim/eval/statistics.h"

namespace vitrim::pipeline {

void describe_models(const ModelSpec& dense, const ModelSpec& compressed, CompressResult& result) {
  result.dense_spec = dense;
  result.compressed_spec = compressed;
  const eval::ModelCost before = eval::count_cost(dense), after = eval::count_cost(compressed);
  result.dense_blocks = before.blocks;
  result.compressed_blocks = after.blocks;
  result.dense_params = before.params;
  result.dense_macs = before.macs;
  result.compressed_params = after.params;
  result.compressed_macs = after.macs;
}

void evaluate_models(const model::Model& dense, const model::Model& compressed,
                     const data::Dataset& evaluation, const eval::AccuracyOptions& accuracy,
                     CompressResult& result) {
  if (!result.dense) result.dense = eval::evaluate(dense, evaluation, accuracy);
  result.compressed = eval::evaluate(compressed, evaluation, accuracy);
  result.paired = eval::compare_paired(*result.dense, *result.compressed);
}

}  // namespace vitrim::pipeline
