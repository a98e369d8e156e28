#pragma once
// The streams of many images between two blocks, and the sampling of tokens for a fit.

#include <ATen/core/Tensor.h>

#include <vector>

#include "vitrim/data/loader.h"
#include "vitrim/distributed/group.h"
#include "vitrim/model/model.h"

namespace vitrim::absorb {

// With several ranks in `group`, each computes a share of the images, and all ranks receive all results.

/// The stream before block 0 of all images, float32 [n, N, C]; with `flipped` for the mirrored images.
at::Tensor embed_all(const model::Model& model, const data::ImageBatch& images, int64_t batch_size,
                     distributed::Group& group, bool flipped = false);
/// The images in random order, int64 [n], so that a held-out part contains all classes (folders are sorted by
/// class).
at::Tensor shuffled_order(int64_t n, uint64_t seed);
/// The order of the images in a pass over `size` images.
std::vector<int64_t> order_of_pass(int64_t size, uint64_t seed, int64_t pass);
/// The stream after block `index`, computed batch by batch.
at::Tensor advance(const model::Model& model, int index, const at::Tensor& x, int64_t batch_size,
                   distributed::Group& group);
/// Features of all images, and as `logits` their model::answers(). `intermediates` are those of the rows of
/// x.
model::Output finish_all(const model::Model& model, const at::Tensor& x,
                         const model::Intermediates& intermediates, int64_t batch_size,
                         distributed::Group& group);
/// Rows [begin, end) of every intermediate stream.
model::Intermediates rows_of(const model::Intermediates& intermediates, int64_t begin, int64_t end);

/// Token indices for a fit of block `index`: all prefix tokens, then `patches` random patch tokens,
/// ascending; all tokens if there are no more than `patches`. For the last block of a model that pools by
/// token they are the prefix tokens only, because nothing reads the patches after it.
at::Tensor sample_tokens(const ModelSpec& spec, int index, int64_t patches, uint64_t seed);
/// Loss weights of these tokens, float32 [T]: cls_weight for prefix tokens, 1 for patches.
at::Tensor token_weights(const ModelSpec& spec, int64_t tokens, double cls_weight);

}  // namespace vitrim::absorb
