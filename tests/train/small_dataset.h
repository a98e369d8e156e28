#pragma once
// Two classes that differ in brightness, in memory; and a plain recipe for small runs.

#include <functional>
#include <string>

#include "vitrim/core/random.h"
#include "vitrim/data/dataset.h"
#include "vitrim/train/recipe.h"

namespace vitrim::test {

class BrightAndDark : public data::Dataset {
 public:
  explicit BrightAndDark(int64_t count) : count_(count) {}
  int64_t size() const override { return count_; }
  int64_t label(int64_t index) const override { return index == odd_index ? odd_label : index % 2; }
  std::string name(int64_t index) const override { return "image " + std::to_string(index); }
  data::Image read(int64_t index) const override {
    if (on_read) on_read(index);
    data::Image image{32, 32, std::vector<uint8_t>(32 * 32 * 3)};
    Random random(7, static_cast<uint64_t>(index) + 1);
    for (uint8_t& p : image.pixels) p = static_cast<uint8_t>((index % 2 ? 150 : 20) + random.below(60));
    return image;
  }
  int64_t num_classes() const override { return 2; }
  std::string description() const override { return "bright and dark"; }
  std::string fingerprint() const override { return std::to_string(count_) + " images"; }
  std::vector<int64_t> shard_ends() const override { return shards; }

  std::vector<int64_t> shards;
  int64_t odd_index = -1, odd_label = 0;  ///< one image of another class
  std::function<void(int64_t)> on_read;

 private:
  int64_t count_;
};

/// No augmentation, for comparisons by hand.
inline train::Recipe plain_recipe() {
  train::Recipe recipe = train::named_recipe("plain");
  recipe.epochs = 8;
  recipe.batch_size = 16;
  train::set(recipe, "schedule.learning_rate", "2e-3");
  return recipe;
}

/// All augmentations.
inline train::Recipe lively_recipe() {
  train::Recipe recipe = plain_recipe();
  recipe.epochs = 3;
  recipe.mixup = 0.8;
  recipe.cutmix = 1;
  recipe.drop_path = 0.2;
  recipe.label_smoothing = 0.1;
  recipe.ema_decay = 0.9;
  recipe.repeats = 2;
  recipe.augment = {};
  return recipe;
}

inline PreprocessSpec small_preprocess() {
  PreprocessSpec out;
  out.crop = 32;
  return out;
}

}  // namespace vitrim::test
