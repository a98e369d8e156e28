#include "absorb/streams.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <functional>

#include "vitrim/core/random.h"
#include "vitrim/model/batches.h"

namespace vitrim::absorb {

namespace {

void for_each_batch_of_ranks(int64_t n, int64_t batch_size, distributed::Group& group,
                             const std::function<void(int64_t begin, int64_t end)>& work) {
  const distributed::Share share = group.share(n);
  model::for_each_batch(share.size(), batch_size, [&](int, int64_t begin, int64_t end) {
    work(share.begin + begin, share.begin + end);
  });
}

}  // namespace

at::Tensor embed_all(const model::Model& model, const data::ImageBatch& images, int64_t batch_size,
                     distributed::Group& group, bool flipped) {
  const at::NoGradGuard no_grad;
  const ModelSpec& spec = model.spec();
  at::Tensor out = at::empty({images.size(), spec.num_tokens(), spec.embed_dim});
  for_each_batch_of_ranks(images.size(), batch_size, group, [&](int64_t begin, int64_t end) {
    const at::Tensor batch = normalized(images, begin, end);
    out.slice(0, begin, end).copy_(model.embed(flipped ? batch.flip(3) : batch));
  });
  group.gather_rows(out);
  return out;
}

at::Tensor shuffled_order(int64_t n, uint64_t seed) {
  Random random(seed, /*stream=*/0x6f7264);
  return at::tensor(permutation(n, random), at::kLong);
}

std::vector<int64_t> order_of_pass(int64_t size, uint64_t seed, int64_t pass) {
  Random random(seed, /*stream=*/0x70617373 + (static_cast<uint64_t>(pass) << 32));
  return permutation(size, random);
}

at::Tensor advance(const model::Model& model, int index, const at::Tensor& x, int64_t batch_size,
                   distributed::Group& group) {
  const at::NoGradGuard no_grad;
  const ModelSpec& spec = model.spec();
  at::Tensor out = at::empty(
      {x.size(0), spec.block_tokens(index), spec.blocks[static_cast<size_t>(index)].embed_dim}, x.options());
  for_each_batch_of_ranks(x.size(0), batch_size, group, [&](int64_t begin, int64_t end) {
    out.slice(0, begin, end).copy_(model.run_block(index, x.slice(0, begin, end), model::kKeep, nullptr));
  });
  group.gather_rows(out);
  return out;
}

model::Intermediates rows_of(const model::Intermediates& intermediates, int64_t begin, int64_t end) {
  model::Intermediates out;
  for (const at::Tensor& tap : intermediates) out.push_back(tap.slice(0, begin, end));
  return out;
}

model::Output finish_all(const model::Model& model, const at::Tensor& x,
                         const model::Intermediates& intermediates, int64_t batch_size,
                         distributed::Group& group) {
  const at::NoGradGuard no_grad;
  const bool classifies = model.spec().num_classes > 0;
  model::Output out;
  out.features = at::empty({x.size(0), model.spec().feature_dim()});
  if (classifies) out.logits = at::empty(model::answers_shape(model.spec(), x.size(0)));
  for_each_batch_of_ranks(x.size(0), batch_size, group, [&](int64_t begin, int64_t end) {
    const model::Output part = model.finish(x.slice(0, begin, end), {}, rows_of(intermediates, begin, end));
    out.features.slice(0, begin, end).copy_(part.features);
    if (classifies) out.logits.slice(0, begin, end).copy_(model::answers(model.spec(), part));
  });
  group.gather_rows(out.features);
  if (classifies) group.gather_rows(out.logits);
  return out;
}

at::Tensor sample_tokens(const ModelSpec& spec, int index, int64_t patches, uint64_t seed) {
  const int64_t prefix = spec.prefix_tokens(), all = spec.block_grid(index).size();
  const bool last = index + 1 == static_cast<int>(spec.blocks.size());
  if (last && spec.pooling == Pooling::kToken) return at::arange(prefix);
  if (patches >= all) return at::arange(prefix + all);
  Random random(seed, /*stream=*/0x746f6b);
  std::vector<int64_t> drawn = permutation(all, random);
  drawn.resize(static_cast<size_t>(patches));
  std::sort(drawn.begin(), drawn.end());
  std::vector<int64_t> tokens;
  for (int64_t i = 0; i < prefix; ++i) tokens.push_back(i);
  for (int64_t i : drawn) tokens.push_back(prefix + i);
  return at::tensor(tokens, at::kLong);
}

at::Tensor token_weights(const ModelSpec& spec, int64_t tokens, double cls_weight) {
  at::Tensor weights = at::ones({tokens});
  // If tokens are averaged, all have the same weight.
  if (spec.pooling != Pooling::kAverage) weights.slice(0, 0, spec.prefix_tokens()).fill_(cls_weight);
  return weights;
}

}  // namespace vitrim::absorb
