#pragma once
// Which image stands where in a training run: a pure function of seed, epoch and position, so that a resumed
// run sees what it would have seen.

#include <cstdint>
#include <vector>

namespace vitrim::train {

struct SamplerOptions {
  int64_t images = 0;      ///< in the data set
  int64_t batch_size = 0;  ///< global: all ranks, all accumulation steps
  int64_t repeats = 1;     ///< repeated augmentation (Hoffer et al. 2020): copies of an image in a batch; an
                           ///< epoch keeps its length
  int ranks = 1;
  uint64_t seed = 0;
  std::vector<int64_t> shard_ends;  ///< where runs of images lie together (Dataset::shard_ends): shuffled by
                                    ///< shard, then within a buffer
  int64_t buffer = 4096;            ///< images of that buffer
};

/// Without shards every epoch is a random permutation, the same for any number of ranks; rank r of R takes
/// rows [B r / R, B (r + 1) / R) of each global batch of B. With shards each rank has shards of its own every
/// epoch (so that a disk reads along), and the order depends on the number of ranks.
class Sampler {
 public:
  /// Throws std::invalid_argument where a batch holds more images than there are, or B / R is not whole.
  explicit Sampler(SamplerOptions options);
  int64_t steps_per_epoch() const { return options_.images / options_.batch_size; }
  /// Image of every row of the epoch's steps: [steps_per_epoch * batch_size]. Costs a permutation.
  std::vector<int64_t> epoch(int64_t epoch) const;

 private:
  std::vector<int64_t> by_shard(int64_t epoch) const;
  SamplerOptions options_;
};

}  // namespace vitrim::train
