#pragma once
// The `absorbed` criterion: a set's distortion after closed-form absorption, on images kept out of that fit.

#include <memory>
#include <vector>

#include "vitrim/absorb/absorb.h"
#include "vitrim/select/set_scorer.h"

namespace vitrim::distributed {
class Group;
}

namespace vitrim::absorb {

struct AbsorbedScorerOptions {
  double ridge = 3.0;  ///< stronger than in the final fit: fewer images
  double cls_weight = 2.5;
  int64_t ridge_patches = 24;
  double held_out = 0.25;  ///< share of the images that score and do not fit
  int64_t batch_size = 50;
  int64_t replicates = 200;
  uint64_t seed = 0;
  std::vector<int> removed;             ///< layers without attention in every set, which holds none of them
  distributed::Group* group = nullptr;  ///< the ranks that share the sets; null: this process alone
};

/// Scores sets by the mean KL of softened logits to the dense model after a ridge refit of fc2 in every block
/// from the first removed one on. The student's stream depends only on the removed layers below, so sets
/// share prefixes; blocks below the first removed one cost nothing. With several ranks all hold the same
/// images and ask for the same sets; each walks branches of the prefix tree of its own, and all get all
/// scores. Memory: the teacher's stream after every block in bfloat16 and one float32 stream per block.
class AbsorbedScorer : public select::SetScorer {
 public:
  /// Model and images must outlive the scorer. With `fixed`, the model with some layers made static
  /// (surgery/make_static.h), which must outlive it too, a set's layers become static in place of being
  /// removed: their filters and last projection are fitted first. Candidates are the layers that are static
  /// in `fixed` alone.
  AbsorbedScorer(const model::Model& model, const data::ImageBatch& images,
                 AbsorbedScorerOptions options = {}, const model::Model* fixed = nullptr);
  ~AbsorbedScorer() override;
  int num_layers() const override;
  std::vector<int> candidates() const override;
  std::vector<select::ScoredSet> score(const std::vector<select::LayerSet>& sets) override;
  /// What one process would need; several ranks together need a few more.
  int64_t block_evaluations() const override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vitrim::absorb
