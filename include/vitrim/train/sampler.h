#pragma once
// The order of images in a training run: a pure function of seed, epoch and position, so that a resumed run
// sees the same images as an uninterrupted one.

#include <cstdint>
#include <vector>

namespace vitrim::train {

struct SamplerOptions {
  int64_t images = 0;      ///< images in the data set
  int64_t batch_size = 0;  ///< global: all ranks, all accumulation steps
  int64_t repeats = 1;     ///< repeated augmentation (Hoffer et al. 2020): copies of an image in a batch; the
                           ///< length of an epoch does not change
  int ranks = 1;
  uint64_t seed = 0;
  std::vector<int64_t>
      shard_ends;  ///< ends of runs of images that are stored together (Dataset::shard_ends): the order is
                   ///< shuffled by shard, then within a buffer
  int64_t buffer = 4096;  ///< number of images in that buffer
};

/// Without shards, every epoch is a random permutation, the same for any number of ranks; rank r of R takes
/// the rows [B r / R, B (r + 1) / R) of each global batch of B. With shards, each rank reads its own shards
/// in every epoch (so that files are read sequentially), and the order depends on the number of ranks.
class Sampler {
 public:
  /// Throws std::invalid_argument if a batch has more images than the data set, or if B / R is not an
  /// integer.
  explicit Sampler(SamplerOptions options);
  int64_t steps_per_epoch() const { return options_.images / options_.batch_size; }
  /// The image index of every row of the epoch's steps: [steps_per_epoch * batch_size]. Costs one
  /// permutation.
  std::vector<int64_t> epoch(int64_t epoch) const;

 private:
  std::vector<int64_t> by_shard(int64_t epoch) const;
  SamplerOptions options_;
};

}  // namespace vitrim::train
