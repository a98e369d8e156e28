#pragma once
// Absorption: after attention layers were removed, the MLPs of the model are fitted to do their work, on
// unlabelled images and in minutes.

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

/// The progress of a fit, and all that it needs to continue from there with the same result.
struct FitState {
  int64_t done = 0;          ///< finished blocks of absorb(), passes of refine(), or epochs of distill()
  model::StateDict tensors;  ///< internal tensors of the fit, under names that only the fit uses
};

/// Saves the state of a fit, so that the fit can continue after an interruption.
struct FitKeeper {
  std::optional<FitState>
      begin;  ///< the state to continue from; the student must be the one that the fit was first given
  std::function<void(const FitState&)> save;  ///< called on every rank after every block, pass or epoch
};

struct AbsorbOptions {
  double ridge = 0.3;  ///< ridge strength, relative to the mean diagonal of the Gram matrix
  double cls_weight =
      10;  ///< weight of the CLS token relative to a patch token; models without a CLS token use 1
  int64_t ridge_patches = 48;  ///< patch tokens drawn per image for the ridge step
  int64_t epochs = 3;  ///< epochs of block-wise gradient steps after the ridge step; 0: closed form only
  double learning_rate = 1e-3;
  int64_t sweeps =
      1;  ///< passes over all blocks; later passes refit fc2 and the block, starting from its current weights
  int64_t pair_epochs = 0;   ///< epochs in which each block is fitted once more, together with the block
                             ///< before it, to the teacher's output after both; 0: none
  int64_t fit_patches = 48;  ///< patch tokens drawn per step of the gradient fit
  int64_t fit_batch = 16;
  bool flip = true;       ///< also fit on the mirrored images
  double held_out = 0.1;  ///< share of the images held out from the fit, used for AbsorbReport
  int64_t batch_size = 50;
  uint64_t seed = 0;
  distributed::Group* group = nullptr;  ///< the ranks that share the images; null: this process alone
  const FitKeeper* keeper = nullptr;    ///< saves the state of this fit; null: nothing is saved
};

/// How close the student is to the teacher, measured on images held out from the fit.
struct AbsorbReport {
  int64_t fit_images = 0, held_out_images = 0;
  double kl = 0;             ///< mean KL divergence of the softened logits, in nats (analysis/distortion.h)
  double agreement = 0;      ///< share of images on which student and teacher predict the same class
  double feature_error = 0;  ///< relative error of the features, ||student - teacher||_F / ||teacher||_F
  double feature_cosine = 0,
         feature_cosine_p05 = 0;  ///< cosine similarity of the features: mean and 5th percentile over images
  double plain_kl = 0;            ///< `kl` and `agreement` of the student before absorption
  double plain_agreement = 0;
};

/// The number of images that absorb() fits on if it is given `images` images.
int64_t fit_count(int64_t images, const AbsorbOptions& options);
/// The images that absorb() fits on with these options, in their original order. Any other choice that is
/// made on images and then judged by AbsorbReport (such as the channels to prune) must use these images only.
data::ImageBatch fit_images(const data::ImageBatch& images, const AbsorbOptions& options);
/// The other images: those that AbsorbReport is measured on.
data::ImageBatch held_out_images(const data::ImageBatch& images, const AbsorbOptions& options);

/// Fits `student` to `teacher` in place, without labels, from the first changed block upwards. The student
/// has the same blocks; some have no attention, static attention, or fewer channels (cut or gated). For each
/// block, absorb() first fits the filters and shares of static attention to the output of the teacher's
/// attention. It then refits the last projection of a pruned or static attention, so that the stream after it
/// matches the teacher's, and fc2, so that the block's output does, by ridge regression on the student's own
/// stream. Then AdamW trains the whole block (norms, remaining attention, MLP) on the teacher's output. With
/// pair_epochs, each block after the first changed one is then trained again, together with the block before
/// it. The layer scale of a refitted MLP is folded into fc2 (gamma becomes 1). With several ranks, all ranks
/// hold the same images and streams and end with the same student; each rank runs a share of the images and
/// of every batch of the gradient steps. Memory: about four streams of all images. Throws
/// std::invalid_argument if the two models do not match, Error if a fit fails.
AbsorbReport absorb(model::Model& student, const model::Model& teacher, const data::ImageBatch& images,
                    const AbsorbOptions& options = {});

}  // namespace vitrim::absorb
