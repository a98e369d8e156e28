#include "vitrim/pipeline/prune.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <sstream>

#include "pipeline/own_model.h"
#include "pipeline/subset.h"
#include "vitrim/architecture/channels.h"
#include "vitrim/architecture/cost.h"
#include "vitrim/core/log.h"
#include "vitrim/prune/channel_budget.h"
#include "vitrim/surgery/cut_channels.h"

namespace vitrim::pipeline {

namespace {

// Whether the options give widths instead of a target.
bool named_widths(const PruneOptions& options) { return options.width > 0 || options.mlp_width > 0; }

// The units to which these widths apply.
std::vector<prune::Unit> narrowed_units(const ModelSpec& spec, const PruneOptions& options) {
  return prune::units_of(spec, options.mlp_width == 0 ? prune::Scope::kAttention
                               : options.width == 0   ? prune::Scope::kMlp
                                                      : prune::Scope::kAttentionAndMlp);
}

std::vector<int64_t> narrowed(const std::vector<prune::Unit>& units, const PruneOptions& options) {
  std::vector<int64_t> out;
  for (const prune::Unit& unit : units) {
    const bool mlp = unit.group == architecture::ChannelGroup::kMlp;
    out.push_back(std::min(unit.width, mlp ? options.mlp_width : options.width));
  }
  return out;
}

prune::ChannelBudget make_budget(const ModelSpec& spec, const PruneOptions& options) {
  if (named_widths(options)) {
    const std::vector<prune::Unit> units = narrowed_units(spec, options);
    const ModelSpec narrow = prune::with_widths(spec, units, narrowed(units, options));
    prune::Target target{0, options.mlp_width == 0};
    for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i)
      target.macs += architecture::attention_macs(narrow, i);
    if (options.mlp_width > 0) target.macs = architecture::total_macs(narrow);
    return {spec, units, target, options.round};
  }
  const prune::Target target =
      prune::parse_target(options.target, options.attention_only, spec, options.params);
  return {spec, prune::units_of(spec, options.scope), target, options.round};
}

// The same share in every unit.
std::vector<int64_t> even_widths(const prune::ChannelBudget& budget) {
  return budget.fit(
      [&](double share) { return std::vector<double>(budget.units().size(), std::clamp(share, 0.0, 1.0)); },
      1);
}

std::vector<at::Tensor> choose(const model::Model& dense, const prune::ChannelBudget& budget,
                               const data::ImageBatch& images, const PruneOptions& options) {
  if (options.criterion == "apma") {
    prune::IndicatorOptions indicators = options.indicators;
    indicators.score_images = options.score_images;
    const prune::Indicators learned = prune::learn_indicators(dense, budget, images, indicators);
    log_info("indicators ended " + std::to_string(learned.distillation) + " nats from the dense model");
    return learned.gates;
  }
  const std::vector<at::Tensor> scores = prune::score_channels(
      dense, budget.units(), prune::parse_channel_criterion(options.criterion),
      subset(images, options.score_images), {options.indicators.batch_size, options.indicators.seed});
  const std::vector<int64_t> widths =
      named_widths(options) ? narrowed(budget.units(), options) : even_widths(budget);
  return prune::best_channels(budget.units(), scores, widths, options.per_head);
}

// Channels are scored with all tokens; the cut model keeps its merging schedule.
std::unique_ptr<model::Model> with_all_tokens(const model::Model& model) {
  std::unique_ptr<model::Model> out = model.clone();
  out->set_compute_dtype(model.compute_dtype());
  if (model.spec().merges()) out->set_merging(std::vector<int64_t>(model.spec().blocks.size(), 0));
  return out;
}

}  // namespace

void check_prune(const ModelSpec& spec, const PruneOptions& options) {
  make_budget(spec, options);
  if (options.criterion == "apma" && !options.indicators.initialise) return;
  const prune::ChannelCriterion criterion = options.criterion == "apma"
                                                ? options.indicators.begin_with
                                                : prune::parse_channel_criterion(options.criterion);
  if (criterion == prune::ChannelCriterion::kTaylor && spec.num_classes == 0) {
    throw std::invalid_argument("taylor needs a classifier, but the model has none; use another criterion");
  }
}

std::unique_ptr<model::Model> prune_channels(const model::Model& dense, const data::ImageBatch& images,
                                             const PruneOptions& options) {
  const prune::ChannelBudget budget = make_budget(dense.spec(), options);
  const std::vector<at::Tensor> factors = choose(*with_all_tokens(dense), budget, images, options);
  // Rank 0 chooses for all, because rounding is a step function: a difference of one ulp between two machines
  // could give two models.
  for (const at::Tensor& factor : factors) distributed::or_alone(options.group).broadcast(factor);
  const std::vector<model::ChannelGates> gates = prune::as_gates(dense.spec(), budget.units(), factors);
  std::unique_ptr<model::Model> out;
  if (!options.masked()) {
    out = own_model(surgery::cut_channels({dense.spec(), dense.parameters()}, gates), dense);
  } else {
    out = dense.clone();
    for (int i = 0; i < out->num_blocks(); ++i) out->set_gates(i, gates[static_cast<size_t>(i)]);
  }
  return out;
}

namespace {

// The options that differ from their defaults.
std::string describe(const prune::IndicatorOptions& options) {
  const prune::IndicatorOptions usual;
  std::ostringstream text;
  if (options.similarity != usual.similarity)
    text << ", similarity of " << prune::to_string(options.similarity);
  if (!options.equal_proportions) text << ", without equal proportions";
  if (!options.reweight) text << ", without reweighting";
  if (!options.initialise) text << ", without initialisation";
  if (options.begin_with != usual.begin_with)
    text << ", beginning with " << prune::to_string(options.begin_with);
  if (options.linear_alone) text << ", initialisation of linear attention alone";
  if (options.truncation != usual.truncation)
    text << ", truncated by " << prune::to_string(options.truncation);
  if (options.epochs != usual.epochs) text << ", " << options.epochs << " indicator epochs";
  if (options.learning_rate != usual.learning_rate) text << ", indicator rate " << options.learning_rate;
  if (options.temperature != usual.temperature) text << ", temperature " << options.temperature;
  return text.str();
}

}  // namespace

std::string describe(const PruneOptions& options) {
  std::string text = options.criterion + ", ";
  if (named_widths(options)) {
    if (options.width > 0) text += "heads of " + std::to_string(options.width);
    if (options.mlp_width > 0)
      text += std::string(options.width > 0 ? ", " : "") + "MLPs of " + std::to_string(options.mlp_width);
  } else {
    text += options.target + (options.params           ? " of the parameters"
                              : options.attention_only ? " of the attention's MACs"
                                                       : " of the MACs");
  }
  if (options.scope == prune::Scope::kAttentionAndMlp) text += ", attention and MLP";
  if (options.scope == prune::Scope::kMlp) text += ", MLP";
  text += ", multiples of " + std::to_string(options.round);
  if (options.criterion == "apma") text += describe(options.indicators);
  const bool looks = options.criterion != "magnitude" && options.criterion != "random";
  if (looks && options.score_images != PruneOptions().score_images)
    text += ", scored on " + std::to_string(options.score_images) + " images";
  return text + (options.masked() ? ", masked and not cut" : "");
}

}  // namespace vitrim::pipeline
