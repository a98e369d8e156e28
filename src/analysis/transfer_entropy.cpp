#include "vitrim/analysis/transfer_entropy.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <stdexcept>

#include "select/set_sizes.h"
#include "vitrim/analysis/distortion.h"
#include "vitrim/core/log.h"
#include "vitrim/distributed/group.h"
#include "vitrim/model/batches.h"
#include "vitrim/select/prefix_tree.h"

namespace vitrim::analysis {

using select::LayerSet;
using select::ScoredSet;

Mask parse_mask(const std::string& name) {
  if (name == "drop") return Mask::kSkip;
  if (name == "identity") return Mask::kIdentity;
  throw std::invalid_argument("mask must be drop or identity, not '" + name + "'");
}

std::string to_string(Mask mask) { return mask == Mask::kSkip ? "drop" : "identity"; }

model::BlockGain mask_gain(Mask mask) { return mask == Mask::kSkip ? model::kSkip : model::kIdentity; }

struct TransferEntropyScorer::Impl {
  // The stored results of a set; its features are not stored.
  struct Record {
    double entropy = 0;
    std::vector<double> replicates;
    double kl = 0, feature_error = 0;
  };

  const model::Model& model;
  const data::ImageBatch& images;
  TransferEntropyOptions options;
  Resamples resamples;
  std::map<LayerSet, Record> records;
  at::Tensor dense_features, dense_logits;
  int64_t floored = 0;
  int64_t evaluations = 0;

  Impl(const model::Model& m, const data::ImageBatch& i, TransferEntropyOptions o)
      : model(m), images(i), options(o), resamples(make_resamples(i.size(), o.replicates, o.seed)) {}

  // Runs every set that is not cached yet; the dense model always runs first.
  void measure(std::vector<LayerSet> wanted) {
    std::vector<LayerSet> sets;
    wanted.insert(wanted.begin(), LayerSet{});
    std::sort(wanted.begin(), wanted.end());
    wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
    for (const LayerSet& set : wanted) {
      if (!records.count(set)) sets.push_back(set);
    }
    if (sets.empty()) return;
    const select::PrefixTree tree(sets, model.num_blocks());
    evaluations += tree.evaluations();
    const int64_t n = images.size();
    std::vector<at::Tensor> features(sets.size()), logits(sets.size());
    for (size_t s = 0; s < sets.size(); ++s) {
      features[s] = at::empty({n, model.spec().feature_dim()});
      if (model.spec().num_classes > 0) logits[s] = at::empty(model::answers_shape(model.spec(), n));
    }
    distributed::Group& group = distributed::or_alone(options.group);
    const distributed::Share share = group.share(n);
    Progress progress("transfer entropy (" + to_string(options.mask) + "), " + select::set_sizes(sets),
                      tree.evaluations() * share.size(), "image-blocks");
    // Counted in images, because the workers' shares may not be whole batches.
    model::for_each_batch(share.size(), options.batch_size, [&](int, int64_t begin, int64_t end) {
      const at::NoGradGuard no_grad;
      const at::Tensor x = model.embed(normalized(images, share.begin + begin, share.begin + end));
      walk(tree, 0, x, {}, share.begin + begin, features, logits, progress);
    });
    for (size_t s = 0; s < sets.size(); ++s) {
      group.gather_rows(features[s]);
      if (logits[s].defined()) group.gather_rows(logits[s]);
    }
    // The figures of the dense model are needed for all other sets.
    for (size_t s = 0; s < sets.size(); ++s) {
      if (sets[s].empty()) {
        dense_features = features[s];
        dense_logits = logits[s];
      }
    }
    for (size_t s = 0; s < sets.size(); ++s)
      records[sets[s]] = summarise(features[s], logits[s], sets[s].empty());
  }

  void walk(const select::PrefixTree& tree, int index, const at::Tensor& x,
            const model::Intermediates& intermediates, int64_t begin, std::vector<at::Tensor>& features,
            std::vector<at::Tensor>& logits, Progress& progress) {
    const select::PrefixNode& node = tree.nodes()[index];
    for (int set : node.sets) {
      const model::Output out = model.finish(x, {}, intermediates);
      features[set].narrow(0, begin, x.size(0)).copy_(out.features);
      if (out.logits.defined())
        logits[set].narrow(0, begin, x.size(0)).copy_(model::answers(model.spec(), out));
    }
    for (int child : node.children) {
      const select::PrefixNode& next = tree.nodes()[child];
      const at::Tensor z =
          model.run_block(next.layer, x, next.removed ? mask_gain(options.mask) : model::kKeep, nullptr);
      model::Intermediates extended = intermediates;
      model.keep_intermediate(next.layer, z, extended);
      progress.advance(x.size(0));
      walk(tree, child, z, extended, begin, features, logits, progress);
    }
  }

  Record summarise(const at::Tensor& features, const at::Tensor& logits, bool dense) {
    auto entropy = make_feature_entropy(options.estimator, features.size(1), features.size(0));
    entropy->add(features, 0);
    Record record;
    record.entropy = entropy->value();
    record.replicates = entropy->replicates(resamples);
    if (dense) floored = entropy->floored_channels();
    record.feature_error = relative_error(dense_features, features);
    if (logits.defined()) record.kl = kl_per_image(dense_logits, logits).mean().item<double>();
    return record;
  }
};

TransferEntropyScorer::TransferEntropyScorer(const model::Model& model, const data::ImageBatch& images,
                                             TransferEntropyOptions options) {
  if (images.size() < 2)
    throw std::invalid_argument("[analysis::TransferEntropyScorer] needs at least 2 images");
  impl_ = std::make_unique<Impl>(model, images, options);
}

TransferEntropyScorer::~TransferEntropyScorer() = default;

int TransferEntropyScorer::num_layers() const { return impl_->model.num_blocks(); }

std::vector<int> TransferEntropyScorer::candidates() const {
  std::vector<int> out;
  for (int i = 0; i < num_layers(); ++i) {
    if (impl_->model.spec().blocks[i].attention != AttentionKind::kNone) out.push_back(i);
  }
  return out;
}

std::vector<ScoredSet> TransferEntropyScorer::score(const std::vector<LayerSet>& sets) {
  const at::NoGradGuard no_grad;
  impl_->measure(sets);
  const auto& dense = impl_->records.at({});
  std::vector<ScoredSet> out;
  for (const LayerSet& set : sets) {
    const auto& record = impl_->records.at(set);
    ScoredSet scored;
    scored.result.layers = set;
    scored.result.te.value = std::abs(record.entropy - dense.entropy);
    for (size_t r = 0; r < record.replicates.size(); ++r) {
      scored.replicates.push_back(std::abs(record.replicates[r] - dense.replicates[r]));
    }
    scored.result.te.standard_error = standard_error(scored.replicates);
    scored.result.score = scored.result.te;
    scored.result.kl = record.kl;
    scored.result.feature_error = record.feature_error;
    out.push_back(std::move(scored));
  }
  return out;
}

int64_t TransferEntropyScorer::block_evaluations() const { return impl_->evaluations; }

Estimate TransferEntropyScorer::output_entropy() {
  score({});
  const auto& dense = impl_->records.at({});
  return {dense.entropy, standard_error(dense.replicates)};
}

double TransferEntropyScorer::signed_difference(const LayerSet& set) {
  score({set});
  return impl_->records.at(set).entropy - impl_->records.at({}).entropy;
}

int64_t TransferEntropyScorer::floored_channels() {
  score({});
  return impl_->floored;
}

std::vector<std::vector<double>> interactions(TransferEntropyScorer& scorer) {
  const std::vector<int> layers = scorer.candidates();
  std::vector<LayerSet> sets;
  for (size_t a = 0; a < layers.size(); ++a) {
    sets.push_back({layers[a]});
    for (size_t b = a + 1; b < layers.size(); ++b) sets.push_back({layers[a], layers[b]});
  }
  scorer.score(sets);
  const size_t n = static_cast<size_t>(scorer.num_layers());
  std::vector<std::vector<double>> w(n, std::vector<double>(n, std::numeric_limits<double>::quiet_NaN()));
  for (int i : layers) {
    for (int j : layers) {
      w[i][j] = i == j ? 0
                       : scorer.signed_difference({std::min(i, j), std::max(i, j)}) -
                             scorer.signed_difference({i}) - scorer.signed_difference({j});
    }
  }
  return w;
}

}  // namespace vitrim::analysis
