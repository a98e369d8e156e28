#pragma once
// The `absorbed` criterion: the distortion that a set of removed layers causes after closed-form absorption,
// measured on images held out from that fit.

#include <memory>
#include <vector>

#include "vitrim/absorb/absorb.h"
#include "vitrim/select/set_scorer.h"

namespace vitrim::distributed {
class Group;
}

namespace vitrim::absorb {

struct AbsorbedScorerOptions {
  double ridge = 3.0;  ///< stronger than in the final fit, because the fit uses fewer images
  double cls_weight = 2.5;
  int64_t ridge_patches = 24;
  double held_out = 0.25;  ///< share of the images that are held out from the fit and used for the score
  int64_t batch_size = 50;
  int64_t replicates = 200;
  uint64_t seed = 0;
  std::vector<int> removed;  ///< layers whose attention is removed in every set; the sets do not list them
  distributed::Group* group = nullptr;  ///< the ranks that share the sets; null: this process alone
};

/// Scores a set by the mean KL divergence of the softened logits from the dense model, in nats, after a ridge
/// refit of fc2 in every block from the first removed one upwards. The student's stream at a block depends
/// only on the layers removed below it, so sets with a common prefix share that work, and blocks below the
/// first removed one cost nothing. With several ranks, all ranks hold the same images and request the same
/// sets; each rank walks its own branches of the prefix tree, and all ranks receive all scores. Memory: the
/// teacher's stream after every block in bfloat16, and one float32 stream per block.
class AbsorbedScorer : public select::SetScorer {
 public:
  /// The model and the images must outlive the scorer. `fixed` (null: none) is the model with some layers
  /// made static (surgery/make_static.h), and must outlive the scorer too. With it, the layers of a set
  /// become static instead of being removed; their filters and last projection are fitted first. The
  /// candidates are then the layers that are static in `fixed` but not in `model`.
  AbsorbedScorer(const model::Model& model, const data::ImageBatch& images,
                 AbsorbedScorerOptions options = {}, const model::Model* fixed = nullptr);
  ~AbsorbedScorer() override;
  int num_layers() const override;
  std::vector<int> candidates() const override;
  std::vector<select::ScoredSet> score(const std::vector<select::LayerSet>& sets) override;
  /// Block evaluations that one process would need; several ranks together need a few more.
  int64_t block_evaluations() const override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vitrim::absorb
