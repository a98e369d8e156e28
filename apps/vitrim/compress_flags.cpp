#include "compress_flags.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <set>

#include "vitrim/architecture/infer.h"
#include "vitrim/core/artifact_json.h"
#include "vitrim/core/atomic_file.h"
#include "vitrim/core/error.h"
#include "vitrim/core/layer_list.h"
#include "vitrim/hub/hub.h"
#include "vitrim/pipeline/quantize.h"

namespace vitrim::app {

void AbsorbFlags::add_to(CLI::App& command, bool beside_training) {
  command.add_flag("--no-absorb", none, "cut the model without refitting it");
  command
      .add_option(beside_training ? "--block-epochs" : "--epochs", values.epochs,
                  "number of gradient epochs per block after the closed-form fit")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  command
      .add_option("--sweeps", values.sweeps,
                  "number of passes of the fit over all blocks; each pass after the first refits fc2 and the "
                  "whole block from the weights of the pass before it")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
}

absorb::AbsorbOptions AbsorbFlags::options(const CommonFlags& common) const {
  absorb::AbsorbOptions out = values;
  out.seed = common.seed;
  out.batch_size = common.batch_size;
  return out;
}

void PruneFlags::add_to(CLI::App& command, bool swept) {
  if (!swept) {
    command.add_option("--target-macs", target_macs,
                       "multiply-adds of the whole model to which channels are pruned: 70% (after a removal, "
                       "of the smaller model) or 2.1G");
    command.add_option("--target-params", target_params,
                       "number of parameters of the whole model to which channels are pruned, usually with "
                       "--scope mlp: 80% (after a removal, of the smaller model) or 4.5M; not together with "
                       "--target-macs");
    command.add_option("--attention-macs", attention_macs,
                       "multiply-adds of all remaining attention layers to which their channels are pruned: "
                       "70% or 0.4G; not together with --target-macs or --target-params");
  }
  command
      .add_option("--scope", scope,
                  "kinds of channels that are pruned: those of attention, of MLPs, or of both")
      ->check(CLI::IsMember(prune::scope_names()))
      ->capture_default_str();
  command
      .add_option("--channels-by", values.criterion,
                  "criterion that chooses channels: apma (learned indicators), magnitude, taylor, energy, "
                  "energy_centred, difference, absence or random")
      ->capture_default_str();
  command.add_option(
      "--without", without,
      "parts of apma to leave out, with commas between: proportions, reweight, initialisation");
  command
      .add_option("--similarity", similarity,
                  "similarity of channels by which apma weights its indicators: none, weights, activations, "
                  "residual (the part that the head's other channels do not explain), or weights_signed and "
                  "activations_signed (cosines with their sign, so that opposite channels are not similar)")
      ->check(CLI::IsMember(
          {"none", "weights", "activations", "residual", "weights_signed", "activations_signed"}))
      ->capture_default_str();
  command
      .add_option("--begin-with", begin_with,
                  "criterion from which the indicators of apma start: difference, absence, energy, "
                  "energy_centred, magnitude, taylor or random")
      ->capture_default_str();
  command
      .add_option("--begin-where", begin_where,
                  "kinds of attention whose indicators start from --begin-with: all, or linear (indicators "
                  "of other kinds start equal)")
      ->check(CLI::IsMember({"all", "linear"}))
      ->capture_default_str();
  command
      .add_option("--truncate", truncate,
                  "number of channels that a layer keeps by its learned indicators: share (the sum of their "
                  "sigmoids) or threshold (the number of positive ones)")
      ->check(CLI::IsMember({"share", "threshold"}))
      ->capture_default_str();
  command.add_flag("--unequal-heads{false}", values.per_head,
                   "allow heads of different widths: the model is masked, not cut, and cannot be written");
}

pipeline::PruneOptions PruneFlags::options(const CommonFlags& common) const {
  pipeline::PruneOptions out = values;
  out.attention_only = !attention_macs.empty();
  out.params = !target_params.empty();
  out.target = out.params ? target_params : out.attention_only ? attention_macs : target_macs;
  out.scope = prune::parse_scope(scope);
  out.indicators.seed = common.seed;
  out.indicators.similarity = prune::parse_similarity(similarity);
  out.indicators.begin_with = prune::parse_channel_criterion(begin_with);
  out.indicators.linear_alone = begin_where == "linear";
  out.indicators.truncation = prune::parse_truncation(truncate);
  if (!out.per_head && out.criterion == "apma") out.indicators.equal_proportions = false;
  try {
    prune::leave_out(out.indicators, without);
  } catch (const std::invalid_argument& error) {
    throw UsageError(std::string("--without: ") + error.what());
  }
  return out;
}

pipeline::CompressOptions CompressionFlags::options(int blocks, distributed::Group& group) const {
  pipeline::CompressOptions out;
  out.analyze = analyze.options(common, blocks);
  out.absorb = absorb.options(common);
  out.absorb_layers = !absorb.none;
  out.prune = prune.options(common);
  out.analyze.te.group = out.analyze.absorbed.group = out.absorb.group = out.prune.group = &group;
  return out;
}

void EvaluationFlags::add_to(CLI::App& command) {
  command.add_option("--eval", eval, "labelled images on which both models are evaluated");
  command
      .add_option("--eval-images", images,
                  "number of images of --eval to use, spread over the classes; default: all")
      ->check(CLI::PositiveNumber);
  command.add_option("--eval-resize", resize,
                     "short side of the evaluation images before the crop in pixels, or none; default: as "
                     "for calibration images");
  features.add_to(command);
}

std::shared_ptr<const data::Dataset> EvaluationFlags::open(const CommonFlags& common, const DataFlags& data,
                                                           const model::Model& model, const std::string& name,
                                                           eval::AccuracyOptions& accuracy) const {
  if (eval.empty()) return nullptr;
  DataFlags eval_data = data;
  if (!resize.empty()) eval_data.resize = resize;
  accuracy.preprocess = eval_data.preprocess(model.spec(), name);
  accuracy.batch_size = common.batch_size;
  accuracy.threads = common.threads;
  accuracy.max_corrupt = data.max_corrupt;
  segmentation.apply(model.spec(), accuracy);
  features.apply(eval_data, model.spec(), accuracy);
  auto out = spread_images(data::open_dataset(eval, eval_data.dataset(model.spec())), images, accuracy,
                           "--eval", "--eval-images");
  eval::check_evaluable(model, *out, accuracy);
  return out;
}

namespace {

std::string megabytes(int64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", static_cast<double>(bytes) * 1e-6);
  return text;
}

// The first part of the reason tells how the removed layers were chosen; the others are further work.
std::string work_done(const CompressResult& r) {
  if (r.removed.empty()) return r.reason;
  const size_t end = std::min(r.reason.find("; "), r.reason.size());
  return "removed the attention of " + format_layer_list(r.removed) + " (" +
         format_choice(r.reason.substr(0, end)) + ")" + r.reason.substr(end);
}

void print_result(const CompressResult& r, const std::string& output) {
  auto change = [](int64_t before, int64_t after) -> std::string {
    if (before == after) return "";
    char text[32];
    std::snprintf(text, sizeof text, " (%+.1f %%)",
                  100.0 * static_cast<double>(after - before) / static_cast<double>(before));
    return text;
  };
  tell("%s: %s parameters%s, %s MACs%s\n", work_done(r).c_str(), millions(r.compressed_params).c_str(),
       change(r.dense_params, r.compressed_params).c_str(), billions(r.compressed_macs).c_str(),
       change(r.dense_macs, r.compressed_macs).c_str());
  if (r.dense && r.compressed && r.paired) {
    tell("%s %s -> %s on %lld images; %s\n", r.compressed->headline_name(),
         percent(r.dense->headline()).c_str(), percent(r.compressed->headline()).c_str(),
         static_cast<long long>(r.compressed->images), difference_text(*r.paired).c_str());
  }
  if (r.compressed && !r.compressed->protocol.empty())
    tell("evaluated by %s of %s\n", r.compressed->protocol.c_str(), r.compressed->gallery.c_str());
  if (r.features && r.compressed_spec.num_classes == 0)
    tell("features on %lld calibration images: cosine to the dense model's %.4f, 5th percentile %.4f\n",
         static_cast<long long>(r.features->images), r.features->cosine, r.features->cosine_p05);
  if (r.quantization) {
    tell("%s -> %s MB of parameters\n", megabytes(r.quantization->bytes_before).c_str(),
         megabytes(r.quantization->bytes_after).c_str());
  }
  if (r.quantization && r.quantization->held_out_images > 0) {
    tell(
        "on %lld calibration images kept out of the fit: same prediction as the float model on %s, mean KL "
        "%.3g nats; without calibration %s, %.3g nats\n",
        static_cast<long long>(r.quantization->held_out_images), percent(r.quantization->agreement).c_str(),
        r.quantization->kl, percent(r.quantization->plain_agreement).c_str(), r.quantization->plain_kl);
  }
  if (r.quantization && r.held_out_kl == r.quantization->kl) {
    // `quantize` alone is printed above.
  } else if (r.held_out_agreement > 0 || (r.held_out_kl > 0 && !r.compressed_spec.merges())) {
    tell(
        "on %scalibration images kept out of the fit: same prediction as the dense model on %s, mean KL %.3g "
        "nats\n",
        r.features ? (std::to_string(r.features->images) + " ").c_str() : "",
        percent(r.held_out_agreement).c_str(), r.held_out_kl);
  } else if (r.held_out_kl > 0) {
    tell("mean KL to the unmerged output on calibration images: %.3g nats\n", r.held_out_kl);
  }
  for (const ControlResult& c : r.controls) {
    tell("  %-12s %-12s %s %s, held-out KL %.4f\n", c.name.c_str(), format_layer_list(c.layers).c_str(),
         c.eval.headline_name(), percent(c.eval.headline()).c_str(), c.held_out_kl);
  }
  tell("seconds:");
  for (const auto& [phase, seconds] : r.seconds) tell(" %s %.1f", phase.c_str(), seconds);
  tell("\n");
  if (!output.empty()) tell("wrote %s\n", output.c_str());
}

quantize::CalibrateOptions calibration(const CommonFlags& common) {
  quantize::CalibrateOptions out;
  out.batch_size = common.batch_size;
  out.seed = common.seed;
  return out;
}

}  // namespace

void QuantizeFlag::add_to(CLI::App& command) {
  command.add_flag("--quantize", wanted,
                   "make the linear layers of the written model int8, calibrated on at most 200 of the "
                   "calibration images (as vitrim quantize --calib)");
}

void QuantizeFlag::apply(const CommonFlags& common, const model::Model& dense,
                         std::unique_ptr<model::Model>& model, CompressResult& result,
                         const data::ImageBatch* images, const data::ImageBatch* judges,
                         const data::Dataset* evaluation, const eval::AccuracyOptions& accuracy) const {
  if (wanted)
    pipeline::quantize_last(dense, model, result, images, judges, evaluation, accuracy, calibration(common));
}

void QuantizeFlag::apply(const CommonFlags& common, const model::Model& dense, pipeline::Compressed& made,
                         const data::ImageBatch& images, const absorb::AbsorbOptions& fitted,
                         const data::Dataset* evaluation, const eval::AccuracyOptions& accuracy) const {
  if (wanted) pipeline::quantize_last(dense, made, images, fitted, evaluation, accuracy, calibration(common));
}

void OutputFlags::add_to(CLI::App& command, const std::string& what) {
  command
      .add_option("-o,--output", output,
                  what + ": a .safetensors file, or FOLDER/ for a folder as on model hubs")
      ->required();
  command.add_option("--report", report, "write an HTML page that shows what was done");
  command
      .add_option("--save-dtype", dtype,
                  "data type of the written weights: f32, f16, bf16, or same as the model that was read")
      ->check(CLI::IsMember({"same", "f32", "f16", "bf16"}))
      ->capture_default_str();
}

void OutputFlags::check(const std::string& json) const {
  std::vector<std::string> paths = output.empty() ? std::vector<std::string>() : hub::files_of(output);
  const std::vector<std::string> named = {report, json};
  paths.insert(paths.end(), named.begin(), named.end());
  std::set<std::string> seen;
  for (const std::string& path : paths) {
    if (path.empty() || path == "-") continue;
    hub::check_writable(path, output);
    const std::string whole = std::filesystem::weakly_canonical(path).string();
    if (!seen.insert(whole).second && whole != "/dev/null")
      throw UsageError(path + " is the name of two outputs; name a separate file for each");
  }
  if (!output.empty() && !hub::weights_path(output).ends_with(".safetensors") && output != "/dev/null")
    throw UsageError(
        output +
        ": checkpoints are written as safetensors; end the name in .safetensors, or in / to write "
        "a folder");
}

namespace {

at::ScalarType dtype_of(const OutputFlags& flags, const std::string& source) {
  if (flags.dtype == "f16") return at::kHalf;
  if (flags.dtype == "bf16") return at::kBFloat16;
  if (flags.dtype != "same") return at::kFloat;
  architecture::LoadHints hints;
  hints.weights = flags.weights;
  return model::stored_dtype(source, hints);
}

}  // namespace

void save_compressed(const model::Model& compressed, const CompressResult& result,
                     const OutputFlags& output) {
  if (result.output.empty()) return;
  std::map<std::string, std::string> notes;
  if (result.quantization) notes[kQuantizationMetadataKey] = to_json(*result.quantization);
  model::save_model(compressed, hub::weights_path(result.output), dtype_of(output, result.model), notes);
  hub::describe(result, model::quantization_config(compressed));
}

void write_compressed(const CommonFlags& common, const model::Model& compressed, const CompressResult& result,
                      const OutputFlags& output) {
  hub::NewFolder folder(result.output);
  OutputSet files;
  save_compressed(compressed, result, output);
  const std::string json = to_json(result);
  common.write_json(json);
  write_report(output.report, result.output, json, result.model);
  files.commit();
  folder.keep();
  if (common.speaks()) print_result(result, result.output);
}

}  // namespace vitrim::app
