#include "vitrim/train/sampler.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "train/streams.h"
#include "vitrim/core/random.h"

namespace vitrim::train {

Sampler::Sampler(SamplerOptions options) : options_(std::move(options)) {
  if (options_.batch_size <= 0 || options_.batch_size > options_.images) {
    throw std::invalid_argument("[train::Sampler] a batch of " + std::to_string(options_.batch_size) +
                                " images needs at least as many, got " + std::to_string(options_.images) +
                                "; choose a smaller schedule.batch_size (--batch-size)");
  }
  if (options_.ranks < 1 || options_.batch_size % options_.ranks != 0) {
    throw std::invalid_argument("[train::Sampler] the batch size " + std::to_string(options_.batch_size) +
                                " is not a multiple of the " + std::to_string(options_.ranks) + " ranks");
  }
  if (options_.repeats < 1) throw std::invalid_argument("[train::Sampler] repeats must be at least 1");
}

namespace {

// The row of each image of a batch such that copies are far apart, because neighbouring rows are mixed with
// each other and ranks take consecutive rows.
std::vector<int64_t> spread_copies(int64_t batch, int64_t repeats) {
  std::vector<int64_t> row(static_cast<size_t>(batch));
  for (int64_t r = 0, next = 0; r < repeats; ++r) {
    for (int64_t p = r; p < batch; p += repeats) row[static_cast<size_t>(p)] = next++;
  }
  return row;
}

// A shuffle buffer: for each image that enters, a random one leaves.
std::vector<int64_t> through_buffer(const std::vector<int64_t>& images, int64_t capacity, Random& random) {
  std::vector<int64_t> buffer, out;
  out.reserve(images.size());
  auto leave = [&] {
    const auto i = static_cast<size_t>(random.below(static_cast<int64_t>(buffer.size())));
    out.push_back(buffer[i]);
    buffer[i] = buffer.back();
    buffer.pop_back();
  };
  for (int64_t image : images) {
    buffer.push_back(image);
    if (static_cast<int64_t>(buffer.size()) > capacity) leave();
  }
  while (!buffer.empty()) leave();
  return out;
}

}  // namespace

std::vector<int64_t> Sampler::epoch(int64_t epoch) const {
  if (!options_.shard_ends.empty()) return by_shard(epoch);
  Random random(options_.seed, stream(Stream::kOrder, static_cast<uint64_t>(epoch)));
  const std::vector<int64_t> images = permutation(options_.images, random);
  const int64_t batch = options_.batch_size, repeats = options_.repeats;
  std::vector<int64_t> order(static_cast<size_t>(steps_per_epoch() * batch));
  const std::vector<int64_t> row = spread_copies(batch, repeats);
  for (int64_t s = 0; s < steps_per_epoch(); ++s) {
    for (int64_t p = 0; p < batch; ++p) {
      order[static_cast<size_t>(s * batch + row[static_cast<size_t>(p)])] =
          images[static_cast<size_t>((s * batch + p) / repeats)];
    }
  }
  return order;
}

std::vector<int64_t> Sampler::by_shard(int64_t epoch) const {
  Random random(options_.seed, stream(Stream::kOrder, static_cast<uint64_t>(epoch)));
  const auto shards = static_cast<int64_t>(options_.shard_ends.size());
  const std::vector<int64_t> shuffled = permutation(shards, random);
  const int64_t share = options_.batch_size / options_.ranks, steps = steps_per_epoch();
  const std::vector<int64_t> row = spread_copies(share, options_.repeats);
  std::vector<int64_t> order(static_cast<size_t>(steps * options_.batch_size));
  for (int64_t rank = 0; rank < options_.ranks; ++rank) {
    std::vector<int64_t> images;
    // With fewer shards than ranks, some ranks read the same shard, each in its own order.
    for (int64_t s = rank % shards; s < shards; s += options_.ranks) {
      const auto shard = static_cast<size_t>(shuffled[static_cast<size_t>(s)]);
      for (int64_t i = shard == 0 ? 0 : options_.shard_ends[shard - 1]; i < options_.shard_ends[shard]; ++i)
        images.push_back(i);
    }
    const std::vector<int64_t> own = through_buffer(images, options_.buffer, random);
    if (own.empty()) throw std::invalid_argument("[train::Sampler] a shard holds no image");
    // Shards differ in size, so a rank with too few images starts over, and one with too many skips some.
    for (int64_t s = 0; s < steps; ++s) {
      for (int64_t p = 0; p < share; ++p) {
        order[static_cast<size_t>(s * options_.batch_size + rank * share + row[static_cast<size_t>(p)])] =
            own[static_cast<size_t>((s * share + p) / options_.repeats) % own.size()];
      }
    }
  }
  return order;
}

}  // namespace vitrim::train
