#pragma once
// Transfer entropy of sets of attention layers (NOSE): TE(S) = |H(out | S masked) - H(out)|.

#include <memory>
#include <vector>

#include "vitrim/analysis/entropy.h"
#include "vitrim/data/loader.h"
#include "vitrim/model/model.h"
#include "vitrim/select/set_scorer.h"

namespace vitrim::distributed {
class Group;
}

namespace vitrim::analysis {

enum class Mask {
  kSkip,      ///< y = x
  kIdentity,  ///< y = 2x, as in a fully diluted layer
};
Mask parse_mask(const std::string& name);  ///< "drop" | "identity"; throws std::invalid_argument
std::string to_string(Mask mask);
model::BlockGain mask_gain(Mask mask);

struct TransferEntropyOptions {
  Estimator estimator = Estimator::kDiagonal;
  Mask mask = Mask::kSkip;
  int64_t batch_size = 50;
  int64_t replicates = 200;  ///< bootstrap resamples
  uint64_t seed = 0;
  distributed::Group* group =
      nullptr;  ///< the ranks that each run a share of the images; null: this process alone
};

/// Scores sets by their TE on a fixed list of images, in nats. Results are cached by set, so scoring a set
/// again costs nothing. Sets of one call share masked prefixes (select/prefix_tree.h); this needs memory for
/// one stream per block. With several ranks, all ranks hold the same images and request the same sets;
/// features and logits are gathered on all ranks, so that all compute the same scores.
class TransferEntropyScorer : public select::SetScorer {
 public:
  /// The scorer copies neither the model nor the images, so both must outlive it.
  TransferEntropyScorer(const model::Model& model, const data::ImageBatch& images,
                        TransferEntropyOptions options = {});
  ~TransferEntropyScorer() override;

  int num_layers() const override;
  std::vector<int> candidates() const override;
  std::vector<select::ScoredSet> score(const std::vector<select::LayerSet>& sets) override;
  /// Block evaluations per batch of images; shared prefixes count once.
  int64_t block_evaluations() const override;

  /// H(out) of the unmasked model in nats, with its bootstrap standard error.
  Estimate output_entropy();
  /// The signed difference dH(S) = H(out | S masked) - H(out), in nats.
  double signed_difference(const select::LayerSet& set);
  int64_t floored_channels();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Pairwise interactions w_ij = dH({i,j}) - dH({i}) - dH({j}) of all pairs of candidates, in nats:
/// [num_layers][num_layers], NaN if a layer has no attention.
std::vector<std::vector<double>> interactions(TransferEntropyScorer& scorer);

}  // namespace vitrim::analysis
