// The table of recipe keys, with which recipes are read, set, checked and written.

#include "vitrim/train/recipe.h"

namespace vitrim::train {

Keys keys_of(Recipe& r) {
  constexpr double kMany = 1e9;  // larger counts are mistakes, and products of them would overflow
  constexpr Range kShare = between(0, 1);
  return {
      {"schedule.epochs", &r.epochs, between(1, kMany)},
      {"schedule.batch_size", &r.batch_size, between(1, kMany)},
      {.key = "schedule.learning_rate",
       .slot = &r.learning_rate,
       .range = above(0),
       .resets = "schedule.learning_rate_per_512"},
      {"schedule.learning_rate_per_512", &r.learning_rate_per_512, at_least(0)},
      {"schedule.min_learning_rate", &r.min_learning_rate, at_least(0)},
      {"schedule.warm_up_epochs", &r.warm_up_epochs, at_least(0)},
      {"schedule.warm_up_learning_rate", &r.warm_up_learning_rate, at_least(0)},

      {"optimizer.weight_decay", &r.weight_decay, at_least(0)},
      {"optimizer.beta1", &r.beta1, from_to_below(0, 1)},
      {"optimizer.beta2", &r.beta2, from_to_below(0, 1)},
      {"optimizer.eps", &r.eps, above(0)},
      {"optimizer.clip_norm", &r.clip_norm, at_least(0)},
      {"optimizer.accumulate", &r.accumulate, between(1, kMany)},

      {"regularization.label_smoothing", &r.label_smoothing, from_to_below(0, 1)},
      {"regularization.drop_path", &r.drop_path, from_to_below(0, 1)},
      {"regularization.high_frequency_weight", &r.high_frequency_weight, at_least(0)},

      {"mixing.mixup", &r.mixup, between(0, 4)},
      {"mixing.cutmix", &r.cutmix, between(0, 4)},
      {"mixing.mix_probability", &r.mix_probability, kShare},
      {"mixing.cutmix_share", &r.cutmix_share, kShare},

      {"augment.random_resized_crop", &r.augment.random_resized_crop},
      {"augment.scale_min", &r.augment.scale_min, above_up_to(0, 1)},
      {"augment.scale_max", &r.augment.scale_max, above_up_to(0, 1)},
      {"augment.ratio_min", &r.augment.ratio_min, above(0)},
      {"augment.ratio_max", &r.augment.ratio_max, above(0)},
      {"augment.padding", &r.augment.padding, between(0, 4096)},
      {"augment.horizontal_flip", &r.augment.horizontal_flip, kShare},
      {"augment.rand_augment_ops", &r.augment.rand_augment_ops, between(0, 100)},
      {"augment.rand_augment_magnitude", &r.augment.rand_augment_magnitude, between(0, 10)},
      {"augment.rand_augment_std", &r.augment.rand_augment_std, at_least(0)},
      {"augment.color_jitter", &r.augment.color_jitter, at_least(0)},
      {"augment.erase_probability", &r.augment.erase_probability, kShare},
      {"augment.erase_area_min", &r.augment.erase_area_min, above_up_to(0, 1)},
      {"augment.erase_area_max", &r.augment.erase_area_max, above_up_to(0, 1)},
      {"augment.repeats", &r.repeats, between(1, 1000)},

      {"segmentation.scale_min", &r.segmentation.scale_min, above_up_to(0, 100)},
      {"segmentation.scale_max", &r.segmentation.scale_max, above_up_to(0, 100)},
      {"segmentation.category_max_ratio", &r.segmentation.category_max_ratio, above_up_to(0, 1)},

      {"ema.decay", &r.ema_decay, from_to_below(0, 1)},

      {"distillation.teacher", &r.teacher},
      {"distillation.weight", &r.distillation_weight, kShare},
      {"distillation.temperature", &r.distillation_temperature, above(0)},
      {"distillation.block_weight", &r.block_weight, at_least(0)},

      {"dilution.epochs", &r.dilution_epochs, between(0, kMany)},
      {"dilution.schedule", &r.dilution_schedule, {}, {"linear", "cosine", "held_out"}},
  };
}

}  // namespace vitrim::train
