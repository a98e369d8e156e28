#pragma once
// Training recipes: all settings of a training run as plain data, read from TOML files.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "vitrim/data/augment.h"
#include "vitrim/data/augment_segmented.h"
#include "vitrim/train/keys.h"

namespace vitrim::train {

/// A training recipe; the defaults are DeiT's for 300 epochs (Touvron et al. 2021, arXiv 2012.12877, table
/// 9). Each field is a key of the TOML section in the comment above it, without the section's name:
/// `ema_decay` is `decay` in `[ema]`, and `ema.decay` outside of a section.
struct Recipe {
  // [schedule]: linear warm-up, then half a cosine
  int64_t epochs = 300;
  int64_t batch_size = 1024;    ///< global: images per optimizer step, over all ranks and accumulation steps
  double learning_rate = 1e-3;  ///< peak, for batch_size images per step
  double learning_rate_per_512 = 0;  ///< above 0: the peak is this times batch_size / 512 (DeiT's rule, 5e-4)
  double min_learning_rate = 1e-5;   ///< final value of the cosine
  double warm_up_epochs = 5;         ///< may be a part of an epoch
  double warm_up_learning_rate = 1e-6;  ///< initial value of the warm-up

  // [optimizer]: AdamW
  double weight_decay = 0.05;
  double beta1 = 0.9, beta2 = 0.999;
  double eps = 1e-8;
  double clip_norm = 0;    ///< largest norm of the whole gradient; 0: no clipping
  int64_t accumulate = 1;  ///< backward passes per optimizer step; divides batch_size

  // [regularization]
  double label_smoothing = 0.1;
  double drop_path = 0.1;            ///< rate of the last block; rises linearly from 0 at the first
  double high_frequency_weight = 0;  ///< weight of the reward for high-frequency content of the patch tokens

  // [mixing]
  double mixup = 0.8, cutmix = 1.0;  ///< alpha of the Beta distribution for each; 0: off
  double mix_probability = 1.0;      ///< probability that a batch is mixed
  double cutmix_share = 0.5;         ///< if both are on: how often CutMix is used (timm's switch probability)

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
  double distillation_weight = 0.5;     ///< weight of the teacher's loss; the labels' loss has the rest
  double distillation_temperature = 1;  ///< temperature of both softmaxes
  double block_weight =
      0;  ///< weight of stream_loss() between each block's output and the teacher's; 0: logits only

  // [dilution]: how lambda falls from 1 to 0; the epochs after that are plain fine-tuning
  int64_t dilution_epochs = 0;
  std::string dilution_schedule = "linear";  ///< linear or cosine in epochs; held_out (train/dilution.h)
};

/// The learning rate after warm-up: learning_rate, or learning_rate_per_512 scaled by batch_size.
double peak_learning_rate(const Recipe& recipe);

/// Reads a TOML file on top of the defaults; a name without folder and suffix means one of recipe_names().
/// `include = "deit.toml"` at its top takes another recipe, relative to the file, as the base; `include =
/// "deit"` takes a built-in one. A file that sets learning_rate but not learning_rate_per_512 turns the
/// latter off. Throws Error if the file can't be read, FormatError that lists every mistake with line, key,
/// and the nearest valid key or the range. Whether keys fit together is checked by validate(), because flags
/// may still change them.
Recipe read_recipe(const std::string& path);
/// One of the built-in recipes: "deit", "nose_imagenet", "cifar100". Throws std::invalid_argument with the
/// nearest name.
Recipe named_recipe(const std::string& name);
/// The names that named_recipe() accepts, sorted.
std::vector<std::string> recipe_names();

/// Sets one key to a value given as text: set(recipe, "augment.padding", "4"). learning_rate turns
/// learning_rate_per_512 off, as in a file. Throws std::invalid_argument that names the key (with the nearest
/// valid one) or its range.
void set(Recipe& recipe, const std::string& key, const std::string& value);
/// The keys of this recipe, which must outlive them, in the order of Recipe.
Keys keys_of(Recipe& recipe);
/// The names of all keys, "section.key".
std::vector<std::string> recipe_keys();

/// Every key with its value as TOML; read_recipe() reads the same recipe back to the bit.
std::string to_toml(const Recipe& recipe);
/// Every key as one JSON object with one object per section; recipe_from_json() reads the same recipe back to
/// the bit.
std::string to_json(const Recipe& recipe);
/// Missing keys keep their defaults, so that manifests of older versions stay readable. Throws FormatError
/// that names `source` and the key.
Recipe recipe_from_json(std::string_view json, const std::string& source);

/// Throws std::invalid_argument that lists every key out of range and every two keys that do not fit
/// together.
void validate(const Recipe& recipe);

}  // namespace vitrim::train
