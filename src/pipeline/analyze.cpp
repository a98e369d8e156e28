#include "vitrim/pipeline/analyze.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "pipeline/subset.h"
#include "vitrim/analysis/layer_trace.h"

namespace vitrim::pipeline {

using select::LayerSet;

LayerCriterion parse_layer_criterion(const std::string& name) {
  if (name == "te") return LayerCriterion::kTransferEntropy;
  if (name == "absorbed") return LayerCriterion::kAbsorbed;
  throw std::invalid_argument("criterion must be te or absorbed, not '" + name + "'");
}

std::string to_string(LayerCriterion criterion) {
  return criterion == LayerCriterion::kAbsorbed ? "absorbed" : "te";
}

namespace {

std::vector<LayerSet> singles(const std::vector<int>& layers) {
  std::vector<LayerSet> sets;
  for (int layer : layers) sets.push_back({layer});
  return sets;
}

// Searches sets of the scorer's candidates without `kept`.
class Restricted : public select::SetScorer {
 public:
  Restricted(select::SetScorer& scorer, std::vector<int> kept) : scorer_(scorer), kept_(std::move(kept)) {}
  int num_layers() const override { return scorer_.num_layers(); }
  std::vector<int> candidates() const override {
    std::vector<int> out = scorer_.candidates();
    std::erase_if(out, [&](int layer) { return std::count(kept_.begin(), kept_.end(), layer) > 0; });
    return out;
  }
  std::vector<select::ScoredSet> score(const std::vector<LayerSet>& sets) override {
    return scorer_.score(sets);
  }
  int64_t block_evaluations() const override { return scorer_.block_evaluations(); }

 private:
  select::SetScorer& scorer_;
  std::vector<int> kept_;
};

void single_layer_figures(analysis::TransferEntropyScorer& drop, analysis::TransferEntropyScorer& identity,
                          LayerScores& scores) {
  const std::vector<LayerSet> sets = singles(drop.candidates());
  for (const select::ScoredSet& s : drop.score(sets)) {
    const int layer = s.result.layers.front();
    scores.te_drop[layer] = s.result.te;
    scores.kl_drop[layer] = s.result.kl;
    scores.feature_error_drop[layer] = s.result.feature_error;
  }
  for (const select::ScoredSet& s : identity.score(sets))
    scores.te_identity[s.result.layers.front()] = s.result.te;
}

int64_t brute_force_evaluations(int candidates, int count, int layers) {
  double sets = 1;
  for (int i = 0; i < count; ++i) sets = sets * (candidates - i) / (i + 1);
  return static_cast<int64_t>(std::llround(std::min(sets, 1e15))) * layers;
}

// TE of sets that were found with another criterion, so that both figures are available.
void add_te(analysis::TransferEntropyScorer& te, std::vector<SetResult>& sets) {
  std::vector<LayerSet> layers;
  for (const SetResult& s : sets) layers.push_back(s.layers);
  const auto scored = te.score(layers);
  for (size_t i = 0; i < sets.size(); ++i) {
    sets[i].te = scored[i].result.te;
    sets[i].kl = scored[i].result.kl;
    sets[i].feature_error = scored[i].result.feature_error;
  }
}

std::vector<SetResult> results_of(const select::SearchResult& found) {
  std::vector<SetResult> out;
  for (const select::ScoredSet& s : found.sets) out.push_back(s.result);
  return out;
}

}  // namespace

LayerScores analyze(const model::Model& model, const data::ImageBatch& images,
                    const AnalyzeOptions& options) {
  const at::NoGradGuard no_grad;
  const data::ImageBatch te_images = subset(images, options.te_images);
  LayerScores scores;
  scores.estimator = analysis::to_string(options.te.estimator);
  scores.criterion = to_string(options.criterion);
  scores.search = select::to_string(options.search.strategy);
  scores.mask = analysis::to_string(options.te.mask);
  scores.images = te_images.size();

  analysis::LayerTraceOptions trace_options;
  trace_options.estimator = options.te.estimator;
  trace_options.replicates = options.te.replicates;
  trace_options.seed = options.te.seed;
  trace_options.batch_size = options.te.batch_size;
  trace_options.group = options.te.group;
  const analysis::LayerTrace trace = analysis::trace_layers(model, te_images, trace_options);
  scores.attention_entropy = trace.attention;
  scores.mlp_entropy = trace.mlp;
  scores.other_estimator = {{"attention", trace.other_attention}, {"mlp", trace.other_mlp}};
  scores.spectrum = trace.spectrum;

  analysis::TransferEntropyOptions drop_options = options.te, identity_options = options.te;
  drop_options.mask = analysis::Mask::kSkip;
  identity_options.mask = analysis::Mask::kIdentity;
  analysis::TransferEntropyScorer drop(model, te_images, drop_options),
      identity(model, te_images, identity_options);
  analysis::TransferEntropyScorer& te = options.te.mask == analysis::Mask::kSkip ? drop : identity;
  scores.output_entropy = te.output_entropy();
  scores.floored_channels = te.floored_channels();

  select::SearchOptions search = options.search;
  search.count = options.count;
  Restricted of_te(te, options.kept);
  const int candidates = static_cast<int>(of_te.candidates().size());
  if (options.count > candidates) {
    throw std::invalid_argument("can't remove " + std::to_string(options.count) +
                                " attention layers: the model has " + std::to_string(candidates));
  }
  scores.brute_force_block_evaluations =
      brute_force_evaluations(candidates, options.count, model.num_blocks());
  auto search_te = [&] { return results_of(select::search(of_te, search)); };
  auto search_absorbed = [&] {
    const data::ImageBatch absorbed_images = subset(images, options.absorbed_images);
    absorb::AbsorbedScorer scorer(model, absorbed_images, options.absorbed);
    for (const select::ScoredSet& s : scorer.score(singles(scorer.candidates())))
      scores.absorbed[s.result.layers.front()] = s.result.score;
    Restricted of_absorbed(scorer, options.kept);
    select::SearchOptions narrowed = search;
    // At least one more than needed, so that there is a choice; at least one set of every size remains.
    narrowed.beam_candidates =
        std::max(options.count + 1, static_cast<int>(std::ceil(options.absorbed_candidates * candidates)));
    std::vector<SetResult> found = results_of(select::search(of_absorbed, narrowed));
    if (options.criterion == LayerCriterion::kAbsorbed) scores.block_evaluations = scorer.block_evaluations();
    return found;
  };
  if (options.count > 0) {
    // The search runs before everything else that shares the scorer's cache, so that its own cost is counted.
    if (options.criterion == LayerCriterion::kTransferEntropy) {
      const int64_t before = te.block_evaluations();
      scores.sets = search_te();
      scores.block_evaluations = te.block_evaluations() - before;
      if (options.both_criteria) scores.other_criterion = search_absorbed();
    } else {
      scores.sets = search_absorbed();
      if (options.both_criteria) scores.other_criterion = search_te();
    }
    add_te(te, options.criterion == LayerCriterion::kAbsorbed ? scores.sets : scores.other_criterion);
    scores.chosen = scores.sets.front().layers;
  }
  single_layer_figures(drop, identity, scores);
  if (options.interactions) {
    const data::ImageBatch few = subset(te_images, options.interaction_images);
    analysis::TransferEntropyScorer pairs(model, few, options.te);
    scores.interaction = analysis::interactions(pairs);
  }
  return scores;
}

}  // namespace vitrim::pipeline
