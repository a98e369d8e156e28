#include "vitrim/absorb/absorbed_scorer.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <stdexcept>

#include "absorb/streams.h"
#include "vitrim/absorb/ridge.h"
#include "vitrim/analysis/distortion.h"
#include "vitrim/analysis/resample.h"
#include "vitrim/core/log.h"
#include "vitrim/select/prefix_tree.h"

namespace vitrim::absorb {

using select::LayerSet;
using select::ScoredSet;

struct AbsorbedScorer::Impl {
  const model::Model& model;
  AbsorbedScorerOptions options;
  int64_t images, fit_images;
  at::Tensor embedded;                 // [n, N, C]
  std::vector<at::Tensor> teacher;     // stream after each block, bfloat16
  model::Output dense;                 // on the images kept out of the fit
  std::vector<LayerSet> sets;          // of the tree being walked
  std::map<LayerSet, ScoredSet> known;
  analysis::Resamples resamples;
  int64_t evaluations = 0;

  Impl(const model::Model& m, const data::ImageBatch& batch, AbsorbedScorerOptions o)
      : model(m), options(o), images(batch.size()) {
    fit_images = images - std::clamp<int64_t>(std::llround(options.held_out * static_cast<double>(images)), 1, images - 1);
    embedded = embed_all(model, batch, options.batch_size);
    at::Tensor x = embedded;
    Progress progress("teacher streams", model.num_blocks(), "blocks");
    for (int i = 0; i < model.num_blocks(); ++i) {
      x = advance(model, i, x, options.batch_size);
      teacher.push_back(x.to(at::kBFloat16));
      progress.advance();
    }
    dense = finish_all(model, x.slice(0, fit_images), options.batch_size);
    resamples = analysis::make_resamples(images - fit_images, options.replicates, options.seed);
  }

  // Block `layer` of the student whose stream is x: ridge refit on the fit images, output for all.
  at::Tensor absorb_block(int layer, const at::Tensor& x, bool removed) const {
    const std::string prefix = "blocks." + std::to_string(layer) + ".";
    const ModelSpec& spec = model.spec();
    const at::Tensor& w0 = model.parameter(prefix + "mlp.fc2.weight");
    const at::Tensor& b0 = model.parameter(prefix + "mlp.fc2.bias");
    const at::Tensor gamma = spec.layer_scale ? model.parameter(prefix + "ls2.gamma") : at::ones({w0.size(0)});
    RidgeFit fit(w0.size(1), w0.size(0));
    at::Tensor z = at::empty_like(x);
    std::vector<at::Tensor> hidden;
    for (int64_t begin = 0; begin < images; begin += options.batch_size) {
      const int64_t end = std::min(images, begin + options.batch_size);
      model::BlockTrace trace;
      model.run_block(layer, x.slice(0, begin, end), removed ? model::kDrop : model::kKeep, &trace);
      z.slice(0, begin, end).copy_(trace.after_attention);
      hidden.push_back(trace.hidden);
      const int64_t rows = std::min(end, fit_images) - begin;
      if (rows <= 0) continue;
      const at::Tensor tokens = sample_tokens(spec, options.ridge_patches, options.seed + static_cast<uint64_t>(begin));
      const at::Tensor h = trace.hidden.slice(0, 0, rows).index_select(1, tokens);
      const at::Tensor target = teacher[layer].slice(0, begin, begin + rows).index_select(1, tokens).to(at::kFloat) -
                                trace.after_attention.slice(0, 0, rows).index_select(1, tokens);
      const at::Tensor weight = token_weights(spec, tokens.size(0), options.cls_weight).expand({rows, -1});
      fit.add(h.reshape({-1, h.size(2)}), target.reshape({-1, target.size(2)}), weight.reshape({-1}));
    }
    const RidgeFit::Solution solution = fit.solve(w0 * gamma.unsqueeze(1), b0 * gamma, options.ridge);
    const at::Tensor weight = solution.weight.to(model.compute_dtype()), bias = solution.bias.to(model.compute_dtype());
    for (size_t b = 0; b < hidden.size(); ++b) {
      const int64_t begin = static_cast<int64_t>(b) * options.batch_size;
      z.slice(0, begin, begin + hidden[b].size(0)).add_(at::linear(hidden[b], weight, bias));
    }
    return z;
  }

  void walk(const select::PrefixTree& tree, int index, const at::Tensor& x, bool changed, Progress& progress) {
    const select::PrefixNode& node = tree.nodes()[index];
    for (int s : node.sets) known[sets[s]] = summarise(x.slice(0, fit_images), sets[s]);
    for (int child : node.children) {
      const select::PrefixNode& next = tree.nodes()[child];
      const bool now = changed || next.removed;
      // Below the first removed block the student is the teacher.
      const at::Tensor z = now ? absorb_block(next.layer, x, next.removed) : teacher[next.layer].to(at::kFloat);
      evaluations += now;
      progress.advance();
      walk(tree, child, z, now, progress);
    }
  }

  ScoredSet summarise(const at::Tensor& x, const LayerSet& set) const {
    const model::Output out = finish_all(model, x, options.batch_size);
    ScoredSet scored;
    scored.result.layers = set;
    scored.result.feature_error = analysis::relative_error(dense.features, out.features);
    at::Tensor per_image = out.logits.defined() ? analysis::kl_per_image(dense.logits, out.logits)
                                                : (out.features - dense.features).square().sum(1).to(at::kDouble);
    scored.result.score.value = per_image.mean().item<double>();
    scored.result.kl = out.logits.defined() ? scored.result.score.value : 0;
    const at::Tensor means = (resamples.counts.mv(per_image) / static_cast<double>(per_image.size(0))).contiguous();
    scored.replicates.assign(means.data_ptr<double>(), means.data_ptr<double>() + means.numel());
    scored.result.score.standard_error = analysis::standard_error(scored.replicates);
    return scored;
  }
};

AbsorbedScorer::AbsorbedScorer(const model::Model& model, const data::ImageBatch& images, AbsorbedScorerOptions options) {
  if (images.size() < 8) throw std::invalid_argument("[absorb::AbsorbedScorer] needs at least 8 images, got " + std::to_string(images.size()));
  const at::NoGradGuard no_grad;
  impl_ = std::make_unique<Impl>(model, images, options);
}

AbsorbedScorer::~AbsorbedScorer() = default;

int AbsorbedScorer::num_layers() const { return impl_->model.num_blocks(); }

std::vector<int> AbsorbedScorer::candidates() const {
  std::vector<int> out;
  for (int i = 0; i < num_layers(); ++i) {
    if (impl_->model.spec().blocks[i].attention != AttentionKind::kNone) out.push_back(i);
  }
  return out;
}

std::vector<ScoredSet> AbsorbedScorer::score(const std::vector<LayerSet>& sets) {
  const at::NoGradGuard no_grad;
  impl_->sets.clear();
  for (const LayerSet& set : sets) {
    if (!impl_->known.count(set)) impl_->sets.push_back(set);
  }
  if (!impl_->sets.empty()) {
    const select::PrefixTree tree(impl_->sets, num_layers());
    Progress progress("absorbed sets", tree.evaluations(), "block evaluations");
    impl_->walk(tree, 0, impl_->embedded, false, progress);
  }
  std::vector<ScoredSet> out;
  for (const LayerSet& set : sets) out.push_back(impl_->known.at(set));
  return out;
}

int64_t AbsorbedScorer::block_evaluations() const { return impl_->evaluations; }

}  // namespace vitrim::absorb
