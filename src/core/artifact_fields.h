#pragma once
// The fields of every artifact, in the order of its document. To add a field, add its line here.

#include "core/artifact_shapes.h"
#include "core/json_fields.h"
#include "core/model_spec_fields.h"
#include "vitrim/core/artifacts.h"
#include "vitrim/core/bench_artifacts.h"
#include "vitrim/core/plan_artifacts.h"
#include "vitrim/core/train_artifacts.h"

namespace vitrim {

void fields(auto& f, json::Is<Manifest> auto& manifest) {
  f("command", manifest.command);
  f.unless("settings", manifest.settings, std::map<std::string, std::string>{});
  f("version", manifest.version);
  f("git_commit", manifest.git_commit);
  f("torch_version", manifest.torch_version);
  f("cpu", manifest.cpu);
  f("instruction_set", manifest.instruction_set);
  f("threads", manifest.threads);
  f("seed", manifest.seed);
  f("data_fingerprint", manifest.data_fingerprint);
  f("started", manifest.started);
}

void fields(auto& f, json::Is<SegmentedPicture> auto& picture) {
  f("name", picture.name);
  f("image", picture.image);
  f("truth", picture.truth);
  f("predicted", picture.predicted);
}

void fields(auto& f, json::Is<SegmentationFigures> auto& figures) {
  f("protocol", figures.protocol);
  f("miou", figures.miou);
  f("miou_ci95", figures.miou_ci95);
  f("mean_accuracy", figures.mean_accuracy);
  f("pixel_accuracy", figures.pixel_accuracy);
  f("class_iou", figures.class_iou);
  f.unless("class_names", figures.class_names, std::vector<std::string>{});
  f("pixels", PixelCounts{figures.images});
  f.unless("pictures", figures.pictures, std::vector<SegmentedPicture>{});
}

void fields(auto& f, json::Is<RetrievalFigures> auto& figures) {
  f("reference", figures.reference);
  f("neighbours", figures.neighbours);
  f("recall", figures.recall);
  f("recall_ci95", figures.recall_ci95);
  f("mean_average_precision", figures.mean_average_precision);
  f("precision_ci95", figures.precision_ci95);
}

void fields(auto& f, json::Is<FeatureFigures> auto& figures) {
  f("images", figures.images);
  f("cosine", figures.cosine);
  f("cosine_p05", figures.cosine_p05);
}

void fields(auto& f, json::Is<EvalResult> auto& result) {
  f.document("eval", 1);
  f("manifest", result.manifest);
  f("model", result.model);
  f("data", result.data);
  f("images", result.images);
  f("params", result.params);
  f("macs", result.macs);
  f("top1", result.top1);
  f("top5", result.top5);
  f("top1_ci95", result.top1_ci95);
  f("correct", Digits{result.correct, result.images});
  f.if_any("segmentation", result.segmentation);
  f.unless("protocol", result.protocol, std::string());
  f.unless("gallery", result.gallery, std::string());
  f.if_any("retrieval", result.retrieval);
}

void fields(auto& f, json::Is<PairedResult> auto& paired) {
  f("difference", paired.difference);
  f("ci95", paired.ci95);
  f("mcnemar_p", paired.mcnemar_p);
}

void fields(auto& f, json::Is<SetResult> auto& set) {
  f("layers", set.layers);
  estimate_fields(f, "score", set.score);
  estimate_fields(f, "te", set.te);
  f("kl", set.kl);
  f("feature_error", set.feature_error);
  f("chosen_fraction", set.chosen_fraction);
}

void fields(auto& f, json::Is<Spectrum> auto& spectrum) {
  f("radii", spectrum.radii);
  f("log_amplitude", spectrum.log_amplitude);
}

void fields(auto& f, json::Is<LayerScores> auto& scores) {
  f.document("layer_scores", 1);
  f("manifest", scores.manifest);
  f("model", scores.model);
  f("estimator", scores.estimator);
  f("criterion", scores.criterion);
  f("search", scores.search);
  f("mask", scores.mask);
  f("images", scores.images);
  f("chosen", scores.chosen);
  for (const Part part : {Part::kValue, Part::kError}) {
    f.group(name_of("entropy", part), [&](auto& entropy) {
      entropy("attention", Figures{scores.attention_entropy, part});
      entropy("mlp", Figures{scores.mlp_entropy, part});
      entropy("output", Figures{scores.output_entropy, part});
    });
  }
  for (const Part part : {Part::kValue, Part::kError}) {
    f.group(name_of("te", part), [&](auto& te) {
      te("drop", Figures{scores.te_drop, part});
      te("identity", Figures{scores.te_identity, part});
    });
  }
  f("kl_drop", scores.kl_drop);
  f("feature_error_drop", scores.feature_error_drop);
  estimate_fields(f, "absorbed", scores.absorbed);
  f("interaction", scores.interaction);
  f("sets", scores.sets);
  f("other_criterion", scores.other_criterion);
  f("block_evaluations", scores.block_evaluations);
  f("brute_force_block_evaluations", scores.brute_force_block_evaluations);
  f("floored_channels", scores.floored_channels);
  f("other_estimator", scores.other_estimator);
  f("spectrum", scores.spectrum);
}

void fields(auto& f, json::Is<CompressionPlan> auto& plan) {
  f.document("compression_plan", 1);
  f("remove_attention", plan.remove_attention);
  f("reason", plan.reason);
}

void fields(auto& f, json::Is<ControlResult> auto& control) {
  f("name", control.name);
  f("layers", control.layers);
  f("eval", control.eval);
  f("paired", control.paired);
  f("held_out_kl", control.held_out_kl);
}

void fields(auto& f, json::Is<BlockCost> auto& cost) {
  f("params", cost.params);
  f("macs", cost.macs);
  f("attention_params", cost.attention_params);
  f("attention_macs", cost.attention_macs);
}

void fields(auto& f, json::Is<MergedPicture> auto& picture) {
  f("name", picture.name);
  f("image", picture.image);
  f("place", picture.place);
}

void fields(auto& f, json::Is<MeasuredSpeed> auto& speed) {
  f("engine", speed.engine);
  f("batch", speed.batch);
  f("threads", speed.threads);
  f("speedup", speed.speedup);
  f("speedup_p10", speed.speedup_p10);
  f("speedup_p90", speed.speedup_p90);
}

void fields(auto& f, json::Is<QuantizedLayer> auto& layer) {
  f("name", layer.name);
  f("int8", layer.int8);
  f.unless("weight_bits", layer.weight_bits, 8);
  f("weight_error", layer.weight_error);
  f("alpha", layer.alpha);
  f("refitted", layer.refitted);
  f.if_any("kl", layer.kl);
  f("bytes", layer.bytes);
}

void fields(auto& f, json::Is<QuantizationFigures> auto& figures) {
  f("layers", figures.layers);
  f("bytes_before", figures.bytes_before);
  f("bytes_after", figures.bytes_after);
  f("fit_images", figures.fit_images);
  f("held_out_images", figures.held_out_images);
  f("kl", figures.kl);
  f("agreement", figures.agreement);
  f("plain_kl", figures.plain_kl);
  f("plain_agreement", figures.plain_agreement);
  f.if_any("budget_kl", figures.budget_kl);
}

void fields(auto& f, json::Is<CompressResult> auto& result) {
  f.document("compress", 1);
  f("manifest", result.manifest);
  f("model", result.model);
  f("output", result.output);
  f("removed", result.removed);
  f("reason", result.reason);
  f("dense", ModelResult{result.dense, result.dense_params, result.dense_macs});
  f("compressed", ModelResult{result.compressed, result.compressed_params, result.compressed_macs});
  f("paired", result.paired);
  f("held_out_kl", result.held_out_kl);
  f("held_out_agreement", result.held_out_agreement);
  f("seconds", Phases{result.seconds});
  f("controls", result.controls);
  f("dense_spec", result.dense_spec);
  f("compressed_spec", result.compressed_spec);
  f.unless("dense_blocks", result.dense_blocks, std::vector<BlockCost>{});
  f.unless("compressed_blocks", result.compressed_blocks, std::vector<BlockCost>{});
  f("compressed_spectrum", result.compressed_spectrum);
  f.unless("pictures", result.pictures, std::vector<MergedPicture>{});
  f.if_any("speed", result.speed);
  f.if_any("quantization", result.quantization);
  f.if_any("features", result.features);
  f("scores", result.scores);
}

void fields(auto& f, json::Is<BenchRow> auto& row) {
  f("name", row.name);
  f("model", row.model);
  f("engine", row.engine);
  f("precision", row.precision);
  f("isa", row.isa);
  f("batch", row.batch);
  f("params", row.params);
  f("macs", row.macs);
  f("rounds", row.rounds);
  f("latency", row.latency);
  f("latency_p10", row.latency_p10);
  f("latency_p90", row.latency_p90);
  f("images_per_second", row.images_per_second);
  f("tflops", row.tflops);
  f("share_of_peak", row.share_of_peak);
  f("speedup", row.speedup);
  f("speedup_p10", row.speedup_p10);
  f("speedup_p90", row.speedup_p90);
  f("predicted", row.predicted);
  f("weight_bytes", row.weight_bytes);
  f("work_bytes", row.work_bytes);
}

void fields(auto& f, json::Is<BenchResult> auto& result) {
  f.document("bench", 1);
  f("manifest", result.manifest);
  f("device", result.device);
  f("threads", result.threads);
  f("tile_peak", result.tile_peak);
  f.unless("byte_peak", result.byte_peak, 0.0);
  f("library_peak", result.library_peak);
  f("output_difference", result.output_difference);
  f("peak_memory", result.peak_memory);
  f("rows", result.rows);
}

void fields(auto& f, json::Is<PeerRow> auto& row) {
  f("name", row.name);
  f("batch", row.batch);
  f("images_per_second", row.images_per_second);
  f("accuracy", row.accuracy);
  f.if_any("accuracy_ci95", row.accuracy_ci95);
}

void fields(auto& f, json::Is<PeerResults> auto& peers) {
  f.document("peers", 1);
  f("rows", peers.rows);
}

void fields(auto& f, json::Is<LatencyKnot> auto& knot) {
  f("piece", knot.piece);
  f("heads", knot.heads);
  f("width", knot.width);
  f("tokens", knot.tokens);
  f("seconds", knot.seconds);
}

void fields(auto& f, json::Is<LatencyCheck> auto& check) {
  f("model", check.model);
  f("predicted", check.predicted);
  f("measured", check.measured);
}

void fields(auto& f, json::Is<LatencyPieces> auto& pieces) {
  f("batch", pieces.batch);
  f.unless("int8", pieces.int8, false);
  f("dense", pieces.dense);
  f("knots", pieces.knots);
  f("checks", pieces.checks);
}

void fields(auto& f, json::Is<LatencyTable> auto& table) {
  f.document("latency_table", 1);
  f("cpu", table.cpu);
  f("isa", table.isa);
  f("precision", table.precision);
  f("threads", table.threads);
  f("vitrim", table.version);
  f("spec", table.spec);
  f("batches", table.batches);
}

void fields(auto& f, json::Is<PlanLimit> auto& limit) {
  f("text", limit.text);
  f("quantity", limit.quantity);
  f("batch", limit.batch);
  f("dense", limit.dense);
  f("limit", limit.limit);
  f("floor", limit.floor);
}

void fields(auto& f, json::Is<PlanRow> auto& row) {
  f("removed", row.removed);
  f.unless("static", row.fixed, std::vector<int>{});
  f("width", row.width);
  f.unless("mlp", row.mlp, int64_t{0});
  f("pairs", row.merging.pairs);
  f.unless("merge_start", row.merging.start, 0);
  f.unless("int8", row.int8, false);
  f("params", row.params);
  f("macs", row.macs);
  f("latency", row.latency);
  f("measured_latency", row.measured_latency);
  f("kl", row.kl);
  f("measured_kl", row.measured_kl);
  f.if_any("eval", row.eval);
  f.if_any("paired", row.paired);
  f("front", row.front);
  f("holds", row.holds);
}

void fields(auto& f, json::Is<PlanMove> auto& move) {
  f("move", move.move);
  f("row", move.row);
}

void fields(auto& f, json::Is<PlanCombination> auto& combination) {
  f("row", combination.row);
  f("predicted", combination.predicted);
  f("measured", combination.measured);
}

void fields(auto& f, json::Is<PredictionQuality> auto& quality) {
  f("count", quality.count);
  f("median_error", quality.median_error);
  f("worst_error", quality.worst_error);
  f("rank_agreement", quality.rank_agreement);
}

void fields(auto& f, json::Is<PlanResult> auto& result) {
  f.document("plan", 1);
  f("manifest", result.manifest);
  f("model", result.model);
  f("output", result.output);
  f("limits", result.limits);
  f("fit_images", result.fit_images);
  f("held_out_images", result.held_out_images);
  f("dense_params", result.dense_params);
  f("dense_macs", result.dense_macs);
  f("dense_latency", result.dense_latency);
  f.if_any("dense_eval", result.dense_eval);
  f("latency_quality", result.latency_quality);
  f("kl_quality", result.kl_quality);
  f("candidates", result.candidates);
  f("within", result.within);
  f("chosen", result.chosen);
  f("built_latency", result.built_latency);
  f("built_kl", result.built_kl);
  f("notes", result.notes);
  f("rows", result.rows);
  f("moves", result.moves);
  f("combinations", result.combinations);
  f("dominated", result.dominated);
  f("seconds", Phases{result.seconds});
  f.if_any("table", result.table);
  f.if_any("built", result.built);
}

/// The fields that a log's lines about steps and about epochs share.
void progress_fields(auto& f, auto& record) {
  f("epoch", record.epoch);
  f("step", record.step);
  f("loss", record.loss);
  f("learning_rate", record.learning_rate);
  f("lambda", record.lambda);
  f("images_per_second", record.images_per_second);
  f("memory_gib", record.memory_gib);
}

void fields(auto& f, json::Is<StepRecord> auto& record) { progress_fields(f, record); }

void fields(auto& f, json::Is<EpochRecord> auto& record) {
  progress_fields(f, record);
  f("top1", record.top1);
  f("ema_top1", record.ema_top1);
  f.if_any("miou", record.miou);
  f.if_any("ema_miou", record.ema_miou);
  f.group("entropy", [&](auto& entropy) {
    entropy("attention", record.attention_entropy);
    entropy("mlp", record.mlp_entropy);
  });
  f("te", record.te);
}

/// The first fields of a training result, which are also the first line of a log.
void head_fields(auto& f, json::Is<TrainResult> auto& result) {
  f.document("train", 1);
  f("manifest", result.manifest);
  f("task", result.task);
  f("init", result.init);
  f("output", result.output);
  f("recipe", RecipeText{result.recipe});
  f("removed", result.removed);
  f("reason", result.reason);
}

void fields(auto& f, json::Is<TrainResult> auto& result) {
  head_fields(f, result);
  f("epochs", result.epochs);
  f("chosen_epoch", result.chosen_epoch);
  f("seconds", result.seconds);
  f.if_any("dense", result.dense);
  f.if_any("evaluation", result.evaluation);
  f.if_any("paired", result.paired);
}

}  // namespace vitrim
