#pragma once
// Absorption: the MLPs of a model take over the work of attention layers that were removed, from unlabelled
// images in minutes.

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "vitrim/data/loader.h"
#include "vitrim/model/model.h"

namespace vitrim::distributed {
class Group;
}

namespace vitrim::absorb {

/// How far a fit has come, and what it needs to go on from there with the same result.
struct FitState {
  int64_t done = 0;          ///< blocks of absorb(), passes of refine(), epochs of distill()
  model::StateDict tensors;  ///< the fit's own, by names of its own
};

/// Keeps a fit's state, so that it can go on after an interruption.
struct FitKeeper {
  std::optional<FitState> begin;  ///< where to go on, with the student as the fit was first given it
  std::function<void(const FitState&)> save;  ///< called after every block, pass or epoch, by every rank
};

struct AbsorbOptions {
  double ridge = 0.3;      ///< strength a, times the mean diagonal of the Gram matrix
  double cls_weight = 10;  ///< weight of the CLS token against a patch token; 1 is used where there is no CLS
  int64_t ridge_patches = 48;  ///< patch tokens drawn per image for the ridge step
  int64_t epochs = 3;          ///< block-wise gradient epochs after the ridge step; 0: closed form only
  double learning_rate = 1e-3;
  int64_t sweeps = 1;  ///< over all blocks; later ones refit fc2 and the whole block from where they are
  int64_t fit_patches = 48;  ///< patch tokens drawn per step of the gradient fit
  int64_t fit_batch = 16;
  bool flip = true;       ///< fit on the mirrored images too
  double held_out = 0.1;  ///< share of the images kept out of the fit, for the figures below
  int64_t batch_size = 50;
  uint64_t seed = 0;
  distributed::Group* group =
      nullptr;  ///< the ranks that share the work on the images; null: this process alone
  const FitKeeper* keeper = nullptr;  ///< of the fit that is given these options; null: nothing is kept
};

/// How near the student came to the teacher, on images kept out of the fit.
struct AbsorbReport {
  int64_t fit_images = 0, held_out_images = 0;
  double kl = 0;             ///< mean KL of softened logits, nats (analysis/distortion.h)
  double agreement = 0;      ///< share of images with the teacher's prediction
  double feature_error = 0;  ///< relative
  double feature_cosine = 0, feature_cosine_p05 = 0;  ///< mean over images and 5th percentile
  double plain_kl = 0;                                ///< the student's before absorption
  double plain_agreement = 0;
};

/// How many of so many images absorb() fits on.
int64_t fit_count(int64_t images, const AbsorbOptions& options);
/// The images that absorb() fits on with these options, in their old order. Whatever else is chosen by
/// looking at images and judged by AbsorbReport (channels to prune) looks at these only.
data::ImageBatch fit_images(const data::ImageBatch& images, const AbsorbOptions& options);
/// The others: those that its report is about.
data::ImageBatch held_out_images(const data::ImageBatch& images, const AbsorbOptions& options);

/// Fits `student` (same blocks as `teacher`, some without attention, with static attention or with fewer
/// channels, cut or gated) in place, from the first changed block up: fits filters and shares of static
/// attention to what the teacher's attention mixes, refits the last projection of a pruned or static
/// attention and fc2 by ridge regression on the student's own stream so that the block's output matches the
/// teacher's, then improves the whole block (norms, attention that stays, MLP) by AdamW on the same target.
/// No labels. Layer scale of a refitted MLP is folded into fc2 (gamma becomes 1). With several ranks all hold
/// the same images and streams and get the same student; each runs a share of the images, and of every batch
/// of the gradient steps. Memory: about four streams of all images. Throws std::invalid_argument where the
/// two models do not match, Error where a fit fails.
AbsorbReport absorb(model::Model& student, const model::Model& teacher, const data::ImageBatch& images,
                    const AbsorbOptions& options = {});

}  // namespace vitrim::absorb
