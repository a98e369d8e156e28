#include "absorb/streams.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "vitrim/core/random.h"

namespace vitrim::absorb {

at::Tensor embed_all(const model::Model& model, const data::ImageBatch& images, int64_t batch_size) {
  const at::NoGradGuard no_grad;
  const ModelSpec& spec = model.spec();
  at::Tensor out = at::empty({images.size(), spec.num_tokens(), spec.embed_dim});
  for (int64_t begin = 0; begin < images.size(); begin += batch_size) {
    const int64_t end = std::min(images.size(), begin + batch_size);
    out.slice(0, begin, end).copy_(model.embed(normalized(images, begin, end)));
  }
  return out;
}

at::Tensor advance(const model::Model& model, int index, const at::Tensor& x, int64_t batch_size) {
  const at::NoGradGuard no_grad;
  at::Tensor out = at::empty_like(x);
  for (int64_t begin = 0; begin < x.size(0); begin += batch_size) {
    const int64_t end = std::min(x.size(0), begin + batch_size);
    out.slice(0, begin, end).copy_(model.run_block(index, x.slice(0, begin, end), model::kKeep, nullptr));
  }
  return out;
}

model::Output finish_all(const model::Model& model, const at::Tensor& x, int64_t batch_size) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> features, logits;
  for (int64_t begin = 0; begin < x.size(0); begin += batch_size) {
    const model::Output out = model.finish(x.slice(0, begin, std::min(x.size(0), begin + batch_size)));
    features.push_back(out.features);
    if (out.logits.defined()) logits.push_back(out.logits);
  }
  return {at::cat(features), logits.empty() ? at::Tensor() : at::cat(logits)};
}

at::Tensor sample_tokens(const ModelSpec& spec, int64_t patches, uint64_t seed) {
  const int64_t prefix = spec.prefix_tokens(), all = spec.num_tokens() - prefix;
  if (patches >= all) return at::arange(spec.num_tokens());
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
  // Where tokens are averaged, none is worth more than another.
  if (spec.pooling == Pooling::kToken) weights.slice(0, 0, spec.prefix_tokens()).fill_(cls_weight);
  return weights;
}

}  // namespace vitrim::absorb
