#pragma once
// Training recipes: every knob of a training run as plain data, read from TOML files.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "vitrim/data/augment.h"
#include "vitrim/data/augment_segmented.h"
#include "vitrim/train/keys.h"

namespace vitrim::train {

/// A training recipe; the defaults are DeiT's for 300 epochs (Touvron et al. 2021, arXiv 2012.12877, table
/// 9). Each field is a key of the TOML section that the line above it names, without the section's name:
/// `ema_decay` is `decay` in `[ema]`, and `ema.decay` where a key is named alone.
struct Recipe {
  // [schedule]: linear warm-up, then half a cosine
  int64_t epochs = 300;
  int64_t batch_size = 1024;    ///< global: images per optimizer step, over all ranks and accumulation steps
  double learning_rate = 1e-3;  ///< peak, at batch_size images a step
  double learning_rate_per_512 = 0;  ///< above 0: the peak is this times batch_size / 512 (DeiT's rule, 5e-4)
  double min_learning_rate = 1e-5;   ///< where the cosine ends
  double warm_up_epochs = 5;         ///< may be a part of an epoch
  double warm_up_learning_rate = 1e-6;  ///< where the warm-up begins

  // [optimizer]: AdamW
  double weight_decay = 0.05;
  double beta1 = 0.9, beta2 = 0.999;
  double eps = 1e-8;
  double clip_norm = 0;    ///< of the whole gradient; 0: no clipping
  int64_t accumulate = 1;  ///< backward passes per optimizer step; divides batch_size

  // [regularization]
  double label_smoothing = 0.1;
  double drop_path = 0.1;            ///< rate of the last block; rises linearly from 0 at the first
  double high_frequency_weight = 0;  ///< weight of the reward for high-frequency content of the patch tokens

  // [mixing]
  double mixup = 0.8, cutmix = 1.0;  ///< alpha of the Beta distribution; 0: off
  double mix_probability = 1.0;      ///< of mixing a batch at all
  double cutmix_share = 0.5;  ///< where both are on: how often it is cutmix (timm's switch probability)

  // [augment], with the names of data::AugmentOptions
  data::AugmentOptions augment;
  int64_t repeats = 3;  ///< repeated augmentation: views per image and epoch (Hoffer et al. 2020); 1: off

  // [segmentation], with the names of data::SegmentAugmentOptions: what takes the place of [augment]'s crops
  // for images with masks; flips and colours (color_jitter) stay those of [augment]
  data::SegmentAugmentOptions segmentation;

  // [ema]
  double ema_decay = 0;  ///< per optimizer step; 0: off (DeiT: 0.99996)

  // [distillation]: soft
  std::string teacher;                  ///< checkpoint; empty: none
  double distillation_weight = 0.5;     ///< the teacher's part of the loss; the labels have the rest
  double distillation_temperature = 1;  ///< of both softmaxes
  double block_weight =
      0;  ///< of stream_loss() between each block's output and the teacher's; 0: logits alone

  // [dilution]: how lambda falls from 1 to 0; the epochs after that are plain fine-tuning
  int64_t dilution_epochs = 0;
  std::string dilution_schedule = "linear";  ///< linear or cosine in epochs; held_out (train/dilution.h)
};

/// The learning rate after warm-up: learning_rate, or what learning_rate_per_512 makes of batch_size.
double peak_learning_rate(const Recipe& recipe);

/// Reads a TOML file on top of the defaults; a name without folder and suffix means one of recipe_names().
/// `include = "deit.toml"` at its top takes another recipe, relative to the file, as the base instead; so
/// does `include = "deit"` for an embedded one. A file that sets learning_rate and not learning_rate_per_512
/// turns the latter off. Throws Error where the file cannot be read, and FormatError that lists every mistake
/// with line, key and the nearest valid key or the range. How keys fit together is left to validate(), since
/// flags may still change them.
Recipe read_recipe(const std::string& path);
/// One of the recipes that are built into the library: "deit", "nose_imagenet", "cifar100". Throws
/// std::invalid_argument with the nearest name.
Recipe named_recipe(const std::string& name);
/// Names that named_recipe() takes, sorted.
std::vector<std::string> recipe_names();

/// Sets one key to a value given as text: set(recipe, "augment.padding", "4"). learning_rate turns
/// learning_rate_per_512 off, as in a file. Throws std::invalid_argument naming the key (with the nearest
/// valid one) or its range.
void set(Recipe& recipe, const std::string& key, const std::string& value);
/// The keys of this recipe, which must outlive them, in the order of Recipe.
Keys keys_of(Recipe& recipe);
/// Their names, "section.key".
std::vector<std::string> recipe_keys();

/// Every key with its value; what read_recipe() and recipe_from_json() make of it is the same recipe to the
/// bit.
std::string to_toml(const Recipe& recipe);
/// One object with an object per section; every key.
std::string to_json(const Recipe& recipe);
/// Keys that are missing keep their defaults, so that manifests of older versions stay readable. Throws
/// FormatError naming `source` and key.
Recipe recipe_from_json(std::string_view json, const std::string& source);

/// Throws std::invalid_argument that lists every key out of range and every two that do not fit together.
void validate(const Recipe& recipe);

}  // namespace vitrim::train
