#include "options.h"

#include <pybind11/stl.h>

#include <algorithm>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include "vitrim/architecture/hints.h"
#include "vitrim/architecture/infer.h"
#include "vitrim/core/layer_list.h"
#include "vitrim/core/normalization.h"
#include "vitrim/pipeline/static_layers.h"

namespace vitrim::python {

namespace py = pybind11;

namespace {

constexpr double kMany = 1e7;
constexpr double kTiny = 1e-12;

PreprocessSpec preprocess_of(const py::dict& values) {
  PreprocessSpec out;
  Options options(values);
  options.take("mean", out.mean);
  options.take("std", out.std);
  int64_t resize = 0;
  if (options.take("resize", resize, 1, 65536)) out.resize = resize;
  options.take("crop", out.crop, 1, 65536);
  std::string interpolation = "bicubic";
  options.take("interpolation", interpolation);
  if (interpolation != "bicubic" && interpolation != "bilinear")
    throw std::invalid_argument("interpolation must be bicubic or bilinear, not '" + interpolation + "'");
  out.interpolation = interpolation == "bilinear" ? Interpolation::kBilinear : Interpolation::kBicubic;
  if (const std::string problem = wrong_units(out); !problem.empty())
    throw std::invalid_argument("mean and std: " + problem);
  options.finish();
  return out;
}

void absorb_options(Options& options, const Common& common, absorb::AbsorbOptions& out) {
  options.take("epochs", out.epochs, 0, 1000);
  options.take("learning_rate", out.learning_rate, kTiny, kMany);
  options.take("ridge", out.ridge, kTiny, kMany);
  options.take("cls_weight", out.cls_weight, kTiny, kMany);
  options.take("held_out", out.held_out, 0.01, 0.5);
  options.take("flip", out.flip);
  out.seed = common.seed;
  out.batch_size = common.batch_size;
}

void prune_options(Options& options, const Common& common, pipeline::PruneOptions& out) {
  options.take("target_macs", out.target);
  if (options.take("attention_macs", out.target)) out.attention_only = true;
  if (options.take("target_params", out.target)) out.params = true;
  std::string name;
  if (options.take("scope", name)) out.scope = prune::parse_scope(name);
  options.take("channels_by", out.criterion);
  options.take("round", out.round, 1, 1024);
  options.take("score_images", out.score_images, 1, 100000);
  options.take("indicator_epochs", out.indicators.epochs, 1, 1000);
  options.take("indicator_rate", out.indicators.learning_rate, kTiny, kMany);
  options.take("temperature", out.indicators.temperature, kTiny, kMany);
  if (options.take("similarity", name)) out.indicators.similarity = prune::parse_similarity(name);
  if (options.take("begin_with", name)) out.indicators.begin_with = prune::parse_channel_criterion(name);
  if (options.take("without", name)) prune::leave_out(out.indicators, name);
  out.indicators.seed = common.seed;
}

}  // namespace

void Options::finish() const {
  for (const auto& item : values_)
    throw std::invalid_argument("there is no option '" + py::str(item.first).cast<std::string>() + "' here");
}

architecture::LoadHints load_hints(Options& options) {
  architecture::LoadHints out;
  options.take("num_heads", out.num_heads);
  for (const int64_t heads : out.num_heads) {
    if (heads < 1) throw std::invalid_argument("num_heads is out of range: " + std::to_string(heads));
  }
  const auto number = [&](const char* name, auto& target, double low, double high) {
    auto value = typename std::decay_t<decltype(target)>::value_type{};
    if (options.take(name, value, low, high)) target = value;
  };
  number("image_size", out.image_size, 1, 65536);
  number("stream_gain", out.stream_gain, 1, 2);
  number("norm_eps", out.norm_eps, kTiny * kTiny, 1);
  std::string name;
  if (options.take("activation", name)) out.activation = architecture::parse_activation(name);
  if (options.take("pooling", name)) out.pooling = architecture::parse_pooling(name);
  options.take("weights", out.weights);
  options.take("stated", out.stated);
  return out;
}

Common common_options(Options& options) {
  Common out;
  options.take("command", out.command);
  options.take("model", out.model);
  options.take("precision", out.precision);
  options.take("seed", out.seed);
  options.take("threads", out.threads, 0, 1024);
  options.take("batch_size", out.batch_size, 1, 4096);
  options.take("images", out.images, 1, kMany);
  options.take("max_corrupt", out.max_corrupt, 0, kMany);
  py::dict preprocess;
  if (options.take("preprocess", preprocess)) out.preprocess = preprocess_of(preprocess);
  out.eval_preprocess = out.preprocess;
  py::dict evaluation;
  if (options.take("eval_preprocess", evaluation)) out.eval_preprocess = preprocess_of(evaluation);
  return out;
}

pipeline::AnalyzeOptions analyze_options(Options& options, const Common& common, int blocks) {
  pipeline::AnalyzeOptions out;
  std::string remove, name;
  if (options.take("remove", remove)) out.count = parse_layer_count(remove, blocks);
  if (options.take("criterion", name)) out.criterion = pipeline::parse_layer_criterion(name);
  out.search.strategy = select::Strategy::kBeam;
  if (options.take("search", name)) out.search.strategy = select::parse_strategy(name);
  options.take("beam_width", out.search.beam_width, 1, 1000);
  if (options.take("estimator", name)) out.te.estimator = analysis::parse_estimator(name);
  if (options.take("mask", name)) out.te.mask = analysis::parse_mask(name);
  options.take("te_images", out.te_images, 2, kMany);
  options.take("both_criteria", out.both_criteria);
  out.te.seed = out.absorbed.seed = common.seed;
  out.te.batch_size = out.absorbed.batch_size = common.batch_size;
  return out;
}

pipeline::CompressOptions compress_options(Options& options, const Common& common, int blocks) {
  pipeline::CompressOptions out;
  out.analyze = analyze_options(options, common, blocks);
  std::vector<int> layers;
  if (options.take("remove_attention", layers)) {
    std::sort(layers.begin(), layers.end());
    for (size_t i = 0; i < layers.size(); ++i) {
      const bool known = layers[i] >= 0 && layers[i] < blocks && (i == 0 || layers[i] != layers[i - 1]);
      if (!known)
        throw std::invalid_argument("remove_attention: " + std::to_string(layers[i]) + " is not a layer of " +
                                    std::to_string(blocks) + ", or is listed twice");
    }
    out.layers = layers;
  }
  options.take("absorb", out.absorb_layers);
  options.take("controls", out.controls);
  options.take("random_controls", out.random_controls, 0, 100);
  out.analyze.both_criteria = out.analyze.both_criteria || out.controls;
  absorb_options(options, common, out.absorb);
  prune_options(options, common, out.prune);
  out.remove_layers = !out.layers.empty() || out.analyze.count > 0;
  std::string fixed;
  const bool fixes = options.take("static", fixed);
  if (!out.remove_layers && !fixes && out.prune.target.empty())
    throw std::invalid_argument(
        "nothing would be removed: pass remove (how many), remove_attention (which), static, target_macs, "
        "attention_macs or target_params");
  if (fixes) pipeline::set_static_layers(out, fixed, blocks);
  return out;
}

pipeline::ViewSettings view_settings(Options& options) {
  pipeline::ViewSettings out;
  options.take("views", out.passes, 0, 100000);
  options.take("distill_epochs", out.distill_epochs, 0, 100000);
  options.take("memory", out.memory_gib, kTiny, kMany);
  return out;
}

pipeline::MergeOptions merge_options(Options& options, const Common& common) {
  pipeline::MergeOptions out;
  options.take("schedule", out.schedule);
  options.take("target_macs", out.target);
  options.take("start", out.start, 0, 1000);
  options.take("choose", out.choose);
  options.take("step", out.choosing.step, 1, 64);
  out.pictures = 0;
  out.choosing.batch_size = std::min<int64_t>(common.batch_size, 16);
  return out;
}

quantize::QuantizeOptions quantize_options(Options& options) {
  quantize::QuantizeOptions out;
  options.take("keep", out.keep);
  options.take("weight_bits", out.weight_bits);
  return out;
}

quantize::CalibrateOptions calibrate_options(Options& options, const Common& common) {
  quantize::CalibrateOptions out;
  options.take("held_out", out.held_out, 0.01, 0.5);
  options.take("ridge", out.ridge, kTiny, kMany);
  double budget = 0;
  if (options.take("budget_kl", budget, kTiny, kMany)) out.budget_kl = budget;
  out.fit_dtype = model::parse_compute_dtype(common.precision);
  out.batch_size = common.batch_size;
  out.seed = common.seed;
  return out;
}

FeatureOptions feature_options(Options& options) {
  FeatureOptions out;
  options.take("knn", out.knn, 1, 100000);
  options.take("probe", out.probe);
  options.take("neighbours", out.neighbours, 1, 100000);
  options.take("against", out.against);
  return out;
}

eval::AccuracyOptions accuracy_options(const Common& common, const PreprocessSpec& preprocess) {
  eval::AccuracyOptions out;
  out.preprocess = preprocess;
  out.batch_size = common.batch_size;
  out.threads = common.threads;
  out.max_corrupt = common.max_corrupt;
  return out;
}

}  // namespace vitrim::python
