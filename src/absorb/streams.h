#pragma once
// The streams of many images between two blocks, and the sampling of tokens for a fit.

#include <ATen/core/Tensor.h>

#include <vector>

#include "vitrim/data/loader.h"
#include "vitrim/distributed/group.h"
#include "vitrim/model/model.h"

namespace vitrim::absorb {

// With several ranks of `group` each computes a share of the images, and all get all of them.

/// Stream before block 0 of all images, float32 [n, N, C]; `flipped` left to right.
at::Tensor embed_all(const model::Model& model, const data::ImageBatch& images, int64_t batch_size,
                     distributed::Group& group, bool flipped = false);
/// The images in random order, so that a part kept out holds all kinds (folders come sorted by class). int64
/// [n].
at::Tensor shuffled_order(int64_t n, uint64_t seed);
/// The order in which a pass over `size` images takes them.
std::vector<int64_t> order_of_pass(int64_t size, uint64_t seed, int64_t pass);
/// The stream after block `index`, batch by batch.
at::Tensor advance(const model::Model& model, int index, const at::Tensor& x, int64_t batch_size,
                   distributed::Group& group);
/// Features of all images, and as `logits` what model::answers() makes of theirs. `intermediates` are those
/// of x's rows.
model::Output finish_all(const model::Model& model, const at::Tensor& x,
                         const model::Intermediates& intermediates, int64_t batch_size,
                         distributed::Group& group);
/// Rows [begin, end) of every extended stream.
model::Intermediates rows_of(const model::Intermediates& intermediates, int64_t begin, int64_t end);

/// Token indices for a fit of block `index`: all prefix tokens, then `patches` random patch tokens,
/// ascending; all tokens where `patches` is not smaller than their number. After the last block nobody reads
/// the patches of a model that pools by token: prefix tokens alone.
at::Tensor sample_tokens(const ModelSpec& spec, int index, int64_t patches, uint64_t seed);
/// Loss weights of such tokens, float32 [T]: cls_weight for prefix tokens, 1 for patches.
at::Tensor token_weights(const ModelSpec& spec, int64_t tokens, double cls_weight);

}  // namespace vitrim::absorb
