#include "vitrim/absorb/absorbed_scorer.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <stdexcept>
#include <utility>

#include "absorb/refit.h"
#include "absorb/ridge_batches.h"
#include "absorb/set_shares.h"
#include "absorb/static_fit.h"
#include "absorb/streams.h"
#include "select/set_sizes.h"
#include "vitrim/absorb/ridge.h"
#include "vitrim/analysis/distortion.h"
#include "vitrim/analysis/resample.h"
#include "vitrim/architecture/stages.h"
#include "vitrim/core/log.h"
#include "vitrim/distributed/group.h"
#include "vitrim/model/batches.h"
#include "vitrim/select/prefix_tree.h"

namespace vitrim::absorb {

using select::LayerSet;
using select::ScoredSet;

struct AbsorbedScorer::Impl {
  const model::Model& model;
  const model::Model* fixed;
  AbsorbedScorerOptions options;
  distributed::Group& group;
  distributed::Group& alone = distributed::or_alone(nullptr);  // a group of one, while a branch is walked
  int64_t images, fit_images;
  at::Tensor embedded;              // [n, N, C]
  std::vector<at::Tensor> teacher;  // stream after each block, bfloat16
  model::Output dense;              // on the held-out images
  std::vector<LayerSet> sets;       // the sets of the current tree
  std::map<LayerSet, ScoredSet> known;
  analysis::Resamples resamples;
  int64_t evaluations = 0;

  Impl(const model::Model& m, const data::ImageBatch& batch, AbsorbedScorerOptions o, const model::Model* f)
      : model(m),
        fixed(f),
        options(std::move(o)),
        group(distributed::or_alone(options.group)),
        images(batch.size()) {
    fit_images = images - std::clamp<int64_t>(std::llround(options.held_out * static_cast<double>(images)), 1,
                                              images - 1);
    embedded = embed_all(model, batch, options.batch_size, group)
                   .index_select(0, shuffled_order(images, options.seed));
    at::Tensor x = embedded;
    model::Intermediates intermediates;
    Progress progress("dense model", model.num_blocks(), "blocks");
    for (int i = 0; i < model.num_blocks(); ++i) {
      x = advance(model, i, x, options.batch_size, group);
      teacher.push_back(x.to(at::kBFloat16));
      model.keep_intermediate(i, x.slice(0, fit_images), intermediates);
      progress.advance();
    }
    dense = finish_all(model, x.slice(0, fit_images), intermediates, options.batch_size, group);
    resamples = analysis::make_resamples(images - fit_images, options.replicates, options.seed);
  }

  // The attention half of one block and its hidden units, for all images.
  struct Pass {
    at::Tensor y;       // [n, N, C]
    at::Tensor hidden;  // [n, N, mlp_dim], in the compute dtype
  };

  bool always_removed(int layer) const {
    return std::count(options.removed.begin(), options.removed.end(), layer) > 0;
  }

  // The model with block `layer` static, fitted to the output of the teacher's attention, with the student's
  // stream as input.
  std::unique_ptr<model::Model> make_fixed(int layer, const at::Tensor& x) const {
    auto student = fixed->clone();
    AbsorbOptions fit;
    fit.ridge = options.ridge;
    fit.cls_weight = options.cls_weight;
    fit.ridge_patches = options.ridge_patches;
    fit.batch_size = options.batch_size;
    fit.seed = options.seed;
    const at::Tensor input = x.slice(0, 0, fit_images),
                     before = layer == 0 ? embedded.slice(0, 0, fit_images)
                                         : teacher[layer - 1].slice(0, 0, fit_images).to(at::kFloat);
    fit_static(*student, model, layer, input, before, fit);
    ridge_projection(*student, model, layer, input, before, fit);
    return student;
  }

  // Runs block `layer` of the student, whose stream is x, in a set that contains the layer or not: ridge
  // refit on the fit images, output for all images.
  at::Tensor absorb_block(int layer, const at::Tensor& x, bool in_set) const {
    const bool becomes_static = in_set && fixed && !always_removed(layer);
    const bool removed = always_removed(layer) || (in_set && !fixed);
    const std::unique_ptr<model::Model> own = becomes_static ? make_fixed(layer, x) : nullptr;
    const model::Model& student = own ? *own : model;
    const std::string prefix = architecture::block_prefix(model.spec(), layer);
    const ModelSpec& spec = model.spec();
    const at::Tensor& w0 = model.parameter(prefix + "mlp.fc2.weight");
    const at::Tensor& b0 = model.parameter(prefix + "mlp.fc2.bias");
    const at::Tensor gamma =
        spec.layer_scale ? model.parameter(prefix + "ls2.gamma") : at::ones({w0.size(0)});
    const int64_t all_tokens = spec.block_tokens(layer);
    Pass pass{at::empty({x.size(0), all_tokens, w0.size(0)}),
              at::empty({x.size(0), all_tokens, w0.size(1)}, model.compute_dtype())};
    const RidgeFit fit = ridge_over_batches(
        w0.size(1), w0.size(0), images, options.batch_size, alone,
        [&](RidgeFit& part, int64_t begin, int64_t end) {
          model::BlockTrace trace;
          student.run_block(layer, x.slice(0, begin, end), removed ? model::kSkip : model::kKeep, &trace);
          pass.y.slice(0, begin, end).copy_(trace.after_attention);
          pass.hidden.slice(0, begin, end).copy_(trace.hidden);
          const int64_t rows = std::min(end, fit_images) - begin;
          if (rows <= 0) return;
          const at::Tensor tokens =
              sample_tokens(spec, layer, options.ridge_patches,
                            options.seed + static_cast<uint64_t>(begin - begin % options.batch_size));
          const at::Tensor h = trace.hidden.slice(0, 0, rows).index_select(1, tokens);
          const at::Tensor target =
              teacher[layer].slice(0, begin, begin + rows).index_select(1, tokens).to(at::kFloat) -
              trace.after_attention.slice(0, 0, rows).index_select(1, tokens);
          const at::Tensor weight =
              token_weights(spec, tokens.size(0), options.cls_weight).expand({rows, -1});
          part.add(h.reshape({-1, h.size(2)}), target.reshape({-1, target.size(2)}), weight.reshape({-1}));
        });
    const at::Tensor old_weight = w0 * gamma.unsqueeze(1), old_bias = b0 * gamma;
    const RidgeFit::Solution solution = fit.solve(old_weight, old_bias, options.ridge);
    const double step = step_length(layer, pass, old_weight, old_bias, solution);
    const at::Tensor weight = at::lerp(old_weight, solution.weight, step).to(model.compute_dtype());
    const at::Tensor bias = at::lerp(old_bias, solution.bias, step).to(model.compute_dtype());
    model::for_each_batch(images, options.batch_size, [&](int, int64_t begin, int64_t end) {
      pass.y.slice(0, begin, end).add_(at::linear(pass.hidden.slice(0, begin, end), weight, bias));
    });
    return pass.y;
  }

  // The step in [0, 1] from the old fc2 to the refitted one that is best for the block's output on the
  // held-out images. With few images, the fit overfits a block with very large activations; one number per
  // block, chosen outside of the fit, limits that.
  double step_length(int layer, const Pass& pass, const at::Tensor& old_weight, const at::Tensor& old_bias,
                     const RidgeFit::Solution& solution) const {
    const auto dtype = model.compute_dtype();
    const at::Tensor h = pass.hidden.slice(0, fit_images);
    const at::Tensor change =
        at::linear(h, (solution.weight - old_weight).to(dtype), (solution.bias - old_bias).to(dtype))
            .to(at::kFloat);
    const at::Tensor residual = teacher[layer].slice(0, fit_images).to(at::kFloat) -
                                pass.y.slice(0, fit_images) -
                                at::linear(h, old_weight.to(dtype), old_bias.to(dtype)).to(at::kFloat);
    // The fit used a sample of the patches; CLS keeps its share of the weight.
    const double patch_scale = std::max(1.0, static_cast<double>(model.spec().block_grid(layer).size()) /
                                                 static_cast<double>(options.ridge_patches));
    const at::Tensor weights =
        token_weights(model.spec(), model.spec().block_tokens(layer), patch_scale * options.cls_weight)
            .unsqueeze(1);
    const double along = (residual * change * weights).sum().item<double>(),
                 length = (change * change * weights).sum().item<double>();
    return length > 0 ? std::clamp(along / length, 0.0, 1.0) : 0.0;
  }

  // `intermediates` are those of the held-out images.
  void walk(const select::PrefixTree& tree, int index, const at::Tensor& x,
            const model::Intermediates& intermediates, bool changed, Progress& progress) {
    const select::PrefixNode& node = tree.nodes()[index];
    for (int s : node.sets) known[sets[s]] = summarise(x.slice(0, fit_images), intermediates, sets[s]);
    for (int child : node.children) {
      const select::PrefixNode& next = tree.nodes()[child];
      const bool now = changed || next.removed || always_removed(next.layer);
      // Below the first removed block, student and teacher are equal.
      const at::Tensor z =
          now ? absorb_block(next.layer, x, next.removed) : teacher[next.layer].to(at::kFloat);
      model::Intermediates extended = intermediates;
      model.keep_intermediate(next.layer, z.slice(0, fit_images), extended);
      progress.advance();
      walk(tree, child, z, extended, now, progress);
    }
  }

  // Scores all of `unknown`: this rank computes its share, and the other ranks send the rest.
  void measure(const std::vector<LayerSet>& unknown) {
    const SetShares shares = divide_sets(unknown, model.num_blocks(), group.size());
    evaluations += shares.evaluations;
    sets.clear();
    for (int index : shares.sets[static_cast<size_t>(group.rank())])
      sets.push_back(unknown[static_cast<size_t>(index)]);
    std::vector<double> figures;
    if (!sets.empty()) {
      const select::PrefixTree tree(sets, model.num_blocks());
      Progress progress("absorbed, " + select::set_sizes(unknown, fixed ? "static " : "removed "),
                        tree.evaluations(), "block evaluations");
      walk(tree, 0, embedded, {}, false, progress);
      for (const LayerSet& set : sets) append(figures, known.at(set));
    }
    figures = group.concatenate(figures);
    const double* next = figures.data();
    for (const std::vector<int>& share : shares.sets) {
      for (int index : share) {
        const LayerSet& set = unknown[static_cast<size_t>(index)];
        known[set] = take(next, set);
      }
    }
  }

  void append(std::vector<double>& figures, const ScoredSet& set) const {
    const SetResult& result = set.result;
    figures.insert(figures.end(),
                   {result.score.value, result.score.standard_error, result.kl, result.feature_error});
    figures.insert(figures.end(), set.replicates.begin(), set.replicates.end());
  }

  ScoredSet take(const double*& next, const LayerSet& set) const {
    ScoredSet scored;
    scored.result.layers = set;
    scored.result.score = {next[0], next[1]};
    scored.result.kl = next[2];
    scored.result.feature_error = next[3];
    next += 4;
    scored.replicates.assign(next, next + resamples.size());
    next += resamples.size();
    return scored;
  }

  ScoredSet summarise(const at::Tensor& x, const model::Intermediates& intermediates,
                      const LayerSet& set) const {
    const model::Output out = finish_all(model, x, intermediates, options.batch_size, alone);
    ScoredSet scored;
    scored.result.layers = set;
    scored.result.feature_error = analysis::relative_error(dense.features, out.features);
    at::Tensor per_image = out.logits.defined()
                               ? analysis::kl_per_image(dense.logits, out.logits)
                               : (out.features - dense.features).square().sum(1).to(at::kDouble);
    scored.result.score.value = per_image.mean().item<double>();
    scored.result.kl = out.logits.defined() ? scored.result.score.value : 0;
    const at::Tensor means =
        (resamples.counts.mv(per_image) / static_cast<double>(per_image.size(0))).contiguous();
    scored.replicates.assign(means.data_ptr<double>(), means.data_ptr<double>() + means.numel());
    scored.result.score.standard_error = analysis::standard_error(scored.replicates);
    return scored;
  }
};

AbsorbedScorer::AbsorbedScorer(const model::Model& model, const data::ImageBatch& images,
                               AbsorbedScorerOptions options, const model::Model* fixed) {
  if (images.size() < 8)
    throw std::invalid_argument("[absorb::AbsorbedScorer] needs at least 8 images, got " +
                                std::to_string(images.size()));
  const at::NoGradGuard no_grad;
  impl_ = std::make_unique<Impl>(model, images, std::move(options), fixed);
}

AbsorbedScorer::~AbsorbedScorer() = default;

int AbsorbedScorer::num_layers() const { return impl_->model.num_blocks(); }

std::vector<int> AbsorbedScorer::candidates() const {
  std::vector<int> out;
  for (int i = 0; i < num_layers(); ++i) {
    const AttentionKind now = impl_->model.spec().blocks[i].attention;
    const bool can = impl_->fixed ? now != AttentionKind::kStatic &&
                                        impl_->fixed->spec().blocks[i].attention == AttentionKind::kStatic
                                  : now != AttentionKind::kNone;
    if (can && !impl_->always_removed(i)) out.push_back(i);
  }
  return out;
}

std::vector<ScoredSet> AbsorbedScorer::score(const std::vector<LayerSet>& sets) {
  const at::NoGradGuard no_grad;
  std::vector<LayerSet> unknown;
  for (const LayerSet& set : sets) {
    if (!impl_->known.count(set)) unknown.push_back(set);
  }
  if (!unknown.empty()) impl_->measure(unknown);
  std::vector<ScoredSet> out;
  for (const LayerSet& set : sets) out.push_back(impl_->known.at(set));
  return out;
}

int64_t AbsorbedScorer::block_evaluations() const { return impl_->evaluations; }

}  // namespace vitrim::absorb
