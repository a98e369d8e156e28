#include "analyze_flags.h"

#include <cstdio>

#include "vitrim/core/error.h"
#include "vitrim/core/layer_list.h"
#include "vitrim/core/log.h"

namespace vitrim::app {

void AnalyzeFlags::add_to(CLI::App& command, bool needs_calib) {
  command
      .add_option("--calib", calib,
                  "calibration images, labels unused: image folder, tar shards, CIFAR .bin file, or "
                  "synthetic:calib[:COUNT]")
      ->required(needs_calib);
  command
      .add_option("--images", images,
                  "number of calibration images to use, spread over the classes; default: all")
      ->check(CLI::Range(8, 10000000));
  command.add_option("--search", search, "search over sets of layers: exact, beam or greedy")
      ->check(CLI::IsMember({"exact", "beam", "greedy"}))
      ->capture_default_str();
  command
      .add_option("--criterion", criterion,
                  "criterion that chooses the set: te (transfer entropy of the masked model) or absorbed "
                  "(distortion after closed-form absorption)")
      ->check(CLI::IsMember({"te", "absorbed"}))
      ->capture_default_str();
  command
      .add_option("--te-images", te_images, "number of calibration images for entropies and transfer entropy")
      ->check(CLI::Range(2, 10000000));
  command.add_flag("--both-criteria", both_criteria,
                   "search with both criteria and show both results; --criterion still chooses the set");
}

train::Keys AnalyzeFlags::keys() {
  return {
      {.key = "search.beam_width",
       .slot = &beam_width,
       .range = train::between(1, 1000),
       .help = "number of sets that the beam keeps per level"},
      {.key = "te.estimator",
       .slot = &estimator,
       .choices = {"diagonal", "full"},
       .help = "estimator of entropies, per channel or with correlations"},
      {.key = "te.mask",
       .slot = &mask,
       .choices = {"drop", "identity"},
       .help = "function that replaces a layer in transfer entropy, y = x or y = 2x"},
  };
}

void AnalyzeFlags::add_choice_to(CLI::App& command) {
  command.add_option("--remove", remove, "number or share of attention layers to remove: 3 or 25%");
  command.add_option("--remove-attention", layers,
                     "attention layers to remove without a search, such as 0,2,4");
}

std::optional<std::vector<int>> AnalyzeFlags::named_layers(int blocks) const {
  if (layers.empty()) return std::nullopt;
  try {
    return parse_layer_list(layers, blocks);
  } catch (const std::invalid_argument& error) {
    throw Error(std::string("--remove-attention: ") + error.what());
  }
}

pipeline::AnalyzeOptions AnalyzeFlags::options(const CommonFlags& common, int blocks) const {
  pipeline::AnalyzeOptions out;
  if (!remove.empty()) {
    try {
      out.count = parse_layer_count(remove, blocks);
    } catch (const std::invalid_argument& error) {
      throw Error(std::string("--remove: ") + error.what());
    }
  }
  out.criterion = pipeline::parse_layer_criterion(criterion);
  out.search.strategy = select::parse_strategy(search);
  out.search.beam_width = beam_width;
  out.te.estimator = analysis::parse_estimator(estimator);
  out.te.mask = analysis::parse_mask(mask);
  out.te.seed = out.absorbed.seed = common.seed;
  out.te.batch_size = out.absorbed.batch_size = common.batch_size;
  if (te_images > 0) out.te_images = te_images;
  out.both_criteria = both_criteria;
  return out;
}

data::ImageBatch AnalyzeFlags::load(const CommonFlags& common, const DataFlags& data, const ModelSpec& spec,
                                    const std::string& model) const {
  const auto dataset = data::open_dataset(calib, data.unlabelled());
  data::LoadOptions options;
  options.preprocess = data.preprocess(spec, model);
  options.channels = data::image_channels(spec, model);
  options.threads = common.threads;
  options.max_corrupt = data.max_corrupt;
  if (images > 0) options.indices = data::spread_indices(dataset->size(), images);
  return data::load_images(*dataset, options);
}

data::ImageBatch load_unlabelled(const std::string& source, int64_t count, const CommonFlags& common,
                                 const DataFlags& data, const ModelSpec& spec, const std::string& model) {
  AnalyzeFlags loader;
  loader.calib = source;
  loader.images = count;
  return loader.load(common, data, spec, model);
}

void print_scores(const LayerScores& scores) {
  tell("entropy of the output %.2f +- %.2f nats; %lld images, %s estimator\n", scores.output_entropy.value,
       scores.output_entropy.standard_error, static_cast<long long>(scores.images), scores.estimator.c_str());
  tell("  layer  H(attention)        H(MLP)              TE drop            TE identity   KL drop\n");
  for (size_t i = 0; i < scores.attention_entropy.size(); ++i) {
    const int layer = static_cast<int>(i);
    const Estimate& a = scores.attention_entropy[i];
    const Estimate& m = scores.mlp_entropy[i];
    if (!scores.te_drop.count(layer)) {
      tell("  %5d  none                %8.2f +- %5.2f\n", layer, m.value, m.standard_error);
      continue;
    }
    const Estimate& drop = scores.te_drop.at(layer);
    const Estimate& identity = scores.te_identity.at(layer);
    tell("  %5d  %8.2f +- %5.2f  %8.2f +- %5.2f  %7.2f +- %5.2f  %7.2f +- %5.2f  %8.4f\n", layer, a.value,
         a.standard_error, m.value, m.standard_error, drop.value, drop.standard_error, identity.value,
         identity.standard_error, scores.kl_drop.at(layer));
  }
  if (scores.sets.empty()) return;
  tell("sets by the %s criterion (%s search, %lld block evaluations a batch; one set at a time: %lld)\n",
       scores.criterion.c_str(), scores.search.c_str(), static_cast<long long>(scores.block_evaluations),
       static_cast<long long>(scores.brute_force_block_evaluations));
  for (const SetResult& set : scores.sets) {
    tell("  %-16s score %8.4f +- %6.4f  TE %7.2f  KL %7.4f  best in %5.1f %% of resamples\n",
         format_layer_list(set.layers).c_str(), set.score.value, set.score.standard_error, set.te.value,
         set.kl, 100 * set.chosen_fraction);
  }
}

}  // namespace vitrim::app
