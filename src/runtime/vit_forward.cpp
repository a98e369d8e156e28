#include "runtime/vit_forward.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "vitrim/architecture/cost.h"

namespace vitrim::runtime {

template <typename T>
VitForward<T>::VitForward(const ModelSpec& spec, const checkpoint::Checkpoint& weights, int threads,
                          const Kernels& kernels)
    : weights_(spec, weights),
      kernels_(kernels_for<T>(kernels)),
      float_kernels_(kernels.f32),
      live_(architecture::live_tokens(spec)) {
  const Widest widest(weights_);
  for (int i = 0; i < threads; ++i) workspaces_.emplace_back(spec, widest, kGroup, kRowsTogether);
}

template <typename T>
int64_t VitForward<T>::work_bytes() const {
  int64_t bytes = 0;
  for (const Workspace<T>& one : workspaces_) bytes += one.bytes;
  return bytes;
}

template <typename T>
void VitForward<T>::embed(const float* image, int64_t index, ThreadContext context, Workspace<T>& shared,
                          Workspace<T>& own) const {
  const ModelSpec& spec = weights_.spec;
  const int64_t dim = spec.embed_dim, prefix = spec.prefix_tokens(), side = spec.patch_size;
  const Grid grid = spec.stage_grid(0);
  const int64_t height = spec.image_size[0], width = spec.image_size[1],
                pixels = spec.in_channels * side * side, lda = weights_.patches.k;
  float* x = shared.x.data() + index * spec.num_tokens() * dim;
  if (context.first())
    std::memcpy(x, weights_.start.data(), static_cast<size_t>(prefix * dim) * sizeof(float));
  const Rows lines = share(grid.height, context);
  for (int64_t line = lines.begin; line < lines.end; ++line) {  // a row of patches at a time
    float* to = x + (prefix + line * grid.width) * dim;
    std::memcpy(to, weights_.start.data() + (prefix + line * grid.width) * dim,
                static_cast<size_t>(grid.width * dim) * sizeof(float));
    for (int64_t column = 0; column < grid.width; ++column) {
      T* patch = own.pixels.data() + column * lda;
      for (int64_t c = 0; c < spec.in_channels; ++c) {
        const float* from = image + (c * height + line * side) * width + column * side;
        kernels_.convert(from, width, side, side, patch + c * side * side, side);
      }
      std::fill(patch + pixels, patch + lda, T{});
    }
    add_product(kernels_, weights_.patches, Left<T>{own.pixels.data(), lda}, to, dim, grid.width,
                own.scratch.data());
  }
  if (!weights_.norm_pre.any()) return;
  for (int64_t r = lines.begin * grid.width + prefix; r < lines.end * grid.width + prefix; ++r) {
    layer_norm(x + r * dim, dim, static_cast<float>(spec.norm_eps), weights_.norm_pre, x + r * dim);
  }
  for (int64_t r = 0; context.first() && r < prefix; ++r)
    layer_norm(x + r * dim, dim, static_cast<float>(spec.norm_eps), weights_.norm_pre, x + r * dim);
}

template <typename T>
void VitForward<T>::attend_head(int block, int64_t head, int64_t image, int64_t tokens, int64_t queries,
                                const Left<T>& normed, Workspace<T>& shared, Workspace<T>& own) const {
  const ModelSpec& spec = weights_.spec;
  const BlockSpec& shape = spec.blocks[static_cast<size_t>(block)];
  const BlockWeights<T>& layer = weights_.blocks[static_cast<size_t>(block)];
  const HeadWeights<T>& w = layer.heads[static_cast<size_t>(head)];
  const int64_t qk = padded_qk(shape), v = padded_v(shape), ldm = round_up(shape.num_heads * shape.v_dim, 32);
  T* q = own.q.data();
  T* kv = own.kv.data();
  const int64_t ldkv = qk + v;
  auto projected = [&](const Matrix<T>& matrix, int64_t rows, T* out, int64_t ldo, const NormWeights& norm) {
    Gemm<T> g = product(matrix, normed, rows, own.scratch.data());
    g.ldo = ldo;
    if (!norm.any()) {
      g.out = out;
      g.epilogue = Epilogue::kStore;
      kernels_.gemm(g);
      return;
    }
    g.out = own.wide.data();
    g.epilogue = Epilogue::kFloat;
    g.valid = matrix.columns;
    kernels_.gemm(g);
    const float eps = static_cast<float>(spec.norm_eps);
    for (int64_t r = 0; r < rows; ++r)
      layer_norm(own.wide.data() + r * ldo, shape.qk_dim, eps, norm, own.wide.data() + r * ldo);
    kernels_.convert(own.wide.data(), ldo, rows, ldo, out, ldo);
  };
  projected(w.q, queries, q, qk, layer.q_norm);
  projected(w.kv, tokens, kv, ldkv, layer.k_norm);
  if (shape.merge > 0) {
    T* keys = shared.head_keys.data() + (image * shape.num_heads + head) * tokens * qk;
    for (int64_t r = 0; r < tokens; ++r) std::copy_n(kv + r * ldkv, qk, keys + r * qk);
  }
  kernels_.pack_transposed(kv, ldkv, tokens, qk, own.keys.data());
  kernels_.pack(kv + qk, ldkv, tokens, v, own.values.data());

  const int64_t columns = round_up(tokens, kColumnStep), depth = round_up(tokens, kDepthStep<T>);
  const RowMerger* merger = spec.merges() ? &shared.mergers[static_cast<size_t>(image)] : nullptr;
  const float* key_bias = merger && merger->any() ? merger->log_sizes() : nullptr;
  for (int64_t r0 = 0; r0 < queries; r0 += kQueryRows) {
    const int64_t rows = std::min(kQueryRows, queries - r0);
    Gemm<T> scores;
    scores.a = q + r0 * qk;
    scores.lda = scores.k = qk;
    scores.rows = rows;
    scores.b = own.keys.data();
    scores.columns = scores.valid = scores.ldo = columns;
    scores.scratch = own.scratch.data();
    scores.epilogue = Epilogue::kFloat;
    scores.out = own.scores.data();
    kernels_.gemm(scores);
    kernels_.softmax(own.scores.data(), columns, rows, tokens, key_bias, 0, own.p.data(), depth,
                     own.inverse_sums.data());
    Gemm<T> mixed;
    mixed.a = own.p.data();
    mixed.lda = mixed.k = depth;
    mixed.rows = rows;
    mixed.b = own.values.data();
    mixed.columns = v;
    mixed.valid = shape.v_dim;
    mixed.scratch = own.scratch.data();
    mixed.epilogue = Epilogue::kScaled;
    mixed.row_scale = own.inverse_sums.data();
    mixed.out = shared.mixed.data() + (image * queries + r0) * ldm + head * shape.v_dim;
    mixed.ldo = ldm;
    kernels_.gemm(mixed);
  }
}

template <typename T>
void VitForward<T>::attend(int block, int64_t group, int64_t tokens, int64_t queries, ThreadContext context,
                           Workspace<T>& shared, Workspace<T>& own) const {
  const BlockSpec& shape = weights_.spec.blocks[static_cast<size_t>(block)];
  const BlockWeights<T>& layer = weights_.blocks[static_cast<size_t>(block)];
  const int64_t dim = weights_.spec.embed_dim, width = shape.num_heads * shape.v_dim,
                ldm = round_up(width, 32);
  const Rows mine = share(group * tokens, context);
  const Room<T> room{shared.normed.data(), round_up(dim, 32), shared.normed_factors.data()};
  const bool fixed = layer.fixed.any();
  const Matrix<T>& reads = fixed ? layer.fixed.v : layer.heads.front().q;
  normalize_for(kernels_, reads, fixed ? layer.fixed.norm : layer.norm1,
                static_cast<float>(weights_.spec.norm_eps), shared.x.data() + mine.begin * dim, dim,
                mine.count(), room.from(mine.begin));
  const Left<T> normed = room.as_left(reads);
  context.wait();
  if (fixed) {
    const int64_t channels = layer.fixed.channels();
    for_tiles(group * tokens, kRowsTogether, context, [&](Rows rows) {
      Gemm<T> g = product(layer.fixed.v, normed.from(rows.begin), rows.count(), own.scratch.data());
      g.out = shared.fixed_values.data() + rows.begin * channels;
      g.ldo = channels;
      kernels_.gemm(g);
    });
    context.wait();
    static_attention<T>({layer.fixed, kernels_, group, queries, shared.fixed_values.data(),
                         shared.mixed.data(), ldm, own.fixed_scratch.data()},
                        context);
    context.wait();
    return;
  }
  // Each head runs for all images before the next head, so that its weights are read once.
  for (int64_t i = context.rank; i < shape.num_heads * group; i += context.size)
    attend_head(block, i / group, i % group, tokens, queries, normed.from(i % group * tokens), shared, own);
  if (context.first() && ldm > width) {
    for (int64_t r = 0; r < group * queries; ++r)
      std::fill(shared.mixed.data() + r * ldm + width, shared.mixed.data() + (r + 1) * ldm, T{});
  }
  context.wait();
}

template <typename T>
void VitForward<T>::project(int block, Rows rows, Workspace<T>& shared, Workspace<T>& own) const {
  const BlockSpec& shape = weights_.spec.blocks[static_cast<size_t>(block)];
  const int64_t dim = weights_.spec.embed_dim, ldm = round_up(shape.num_heads * shape.v_dim, 32);
  const Matrix<T>& proj = weights_.blocks[static_cast<size_t>(block)].proj;
  const Left<T> mixed =
      convert_for(kernels_, proj, shape.num_heads * shape.v_dim, rows.count(),
                  Room<T>{shared.mixed.data() + rows.begin * ldm, ldm, own.tile_factors.data()});
  add_product(kernels_, proj, mixed, shared.x.data() + rows.begin * dim, dim, rows.count(),
              own.scratch.data());
}

// Moves the first `kept` rows of every image together.
template <typename T>
void VitForward<T>::keep_first(int64_t group, int64_t tokens, int64_t kept, ThreadContext context,
                               Workspace<T>& shared) const {
  const int64_t dim = weights_.spec.embed_dim;
  float* x = shared.x.data();
  for (int64_t image = 1; context.first() && image < group; ++image) {
    std::memmove(x + image * kept * dim, x + image * tokens * dim,
                 static_cast<size_t>(kept * dim) * sizeof(float));
  }
  context.wait();
}

template <typename T>
void VitForward<T>::merge(int block, int64_t group, int64_t tokens, ThreadContext context,
                          Workspace<T>& shared) const {
  const ModelSpec& spec = weights_.spec;
  const BlockSpec& shape = spec.blocks[static_cast<size_t>(block)];
  const int64_t depth = padded_qk(shape), dim = spec.embed_dim, left = tokens - shape.merge;
  const float share_of_mean = 1.0f / static_cast<float>(shape.num_heads);
  const Rows mine = share(group * tokens, context);
  for (int64_t r = mine.begin; r < mine.end; ++r) {
    // The mean over heads, in their order, so that it is equal for any number of threads.
    float* sum = shared.metric.data() + r * depth;
    std::fill_n(sum, depth, 0.0f);
    const T* keys = shared.head_keys.data() + (r / tokens * shape.num_heads * tokens + r % tokens) * depth;
    for (int64_t head = 0; head < shape.num_heads; ++head, keys += tokens * depth) {
      for (int64_t c = 0; c < depth; ++c) sum[c] += share_of_mean * to_float(keys[c]);
    }
  }
  context.wait();
  for (int64_t image = context.rank; image < group; image += context.size) {
    shared.mergers[static_cast<size_t>(image)].merge(
        float_kernels_, shared.x.data() + image * tokens * dim, shared.metric.data() + image * tokens * depth,
        depth, depth, tokens, spec.prefix_tokens(), shape.merge, shared.merged_x.data() + image * left * dim);
  }
  context.wait();
  if (context.first()) std::swap(shared.x, shared.merged_x);
  context.wait();
}

template <typename T>
void VitForward<T>::mlp(int block, Rows rows, Workspace<T>& shared, Workspace<T>& own) const {
  const int64_t dim = weights_.spec.embed_dim;
  const MlpWeights<T>& mlp = weights_.blocks[static_cast<size_t>(block)].mlp;
  float* factors = own.tile_factors.data();  // fc1 is finished before fc2 begins
  add_mlp(kernels_, mlp, static_cast<float>(weights_.spec.norm_eps), shared.x.data() + rows.begin * dim, dim,
          rows.count(),
          {{own.tile_normed.data(), round_up(dim, 32), factors},
           {own.hidden.data(), mlp.hidden_width(), factors},
           own.scratch.data()});
}

template <typename T>
void VitForward<T>::finish(int64_t image, int64_t tokens, Workspace<T>& shared, Workspace<T>& own,
                           float* features) const {
  const ModelSpec& spec = weights_.spec;
  const int64_t dim = spec.embed_dim, prefix = spec.prefix_tokens();
  const float eps = static_cast<float>(spec.norm_eps);
  const float* x = shared.x.data() + image * tokens * dim;
  auto normed = [&](int64_t token, float* out) {
    if (spec.final_norm) {
      layer_norm(x + token * dim, dim, eps, weights_.norm, out);
    } else {
      std::memcpy(out, x + token * dim, static_cast<size_t>(dim) * sizeof(float));
    }
  };
  if (spec.pooling != Pooling::kAverage) normed(0, features);
  if (spec.pooling != Pooling::kToken) {
    float* mean = features + (spec.pooling == Pooling::kTokenAndAverage ? dim : 0);
    const RowMerger* merger = spec.merges() ? &shared.mergers[static_cast<size_t>(image)] : nullptr;
    const bool weighted = merger && merger->any();
    float* row = own.row.data();
    std::fill_n(mean, dim, 0.0f);
    float total = 0;
    for (int64_t token = prefix; token < tokens; ++token) {
      const float weight = weighted ? merger->sizes()[token] : 1.0f;
      normed(token, row);
      for (int64_t c = 0; c < dim; ++c) mean[c] += weight * row[c];
      total += weight;
    }
    for (int64_t c = 0; c < dim; ++c) mean[c] /= total;
  }
  if (spec.fc_norm) layer_norm(features, dim, eps, weights_.fc_norm, features);
  if (spec.num_classes == 0 && !spec.final_norm && !spec.fc_norm)
    layer_norm(features, spec.feature_dim(), eps, {}, features);  // as in Model::finish()
  if (spec.distillation_token) normed(1, features + dim);
}

template <typename T>
void VitForward<T>::run(const float* images, int64_t group, int rank, ThreadContext context,
                        float* features) {
  Workspace<T>& own = workspaces_[static_cast<size_t>(rank)];
  Workspace<T>& shared = context.size > 1 ? workspaces_.front() : own;
  const ModelSpec& spec = weights_.spec;
  int64_t tokens = spec.num_tokens();
  for (int64_t image = 0; image < group; ++image) {
    embed(images + image * spec.in_channels * spec.image_size[0] * spec.image_size[1], image, context, shared,
          own);
    if (spec.merges() && context.first()) shared.mergers[static_cast<size_t>(image)].reset(tokens);
  }
  context.wait();
  for (int block = 0; block < static_cast<int>(spec.blocks.size()); ++block) {
    const BlockSpec& shape = spec.blocks[static_cast<size_t>(block)];
    const int64_t live = live_[static_cast<size_t>(block)];
    const int64_t after = live > 0 ? std::min(live, tokens) : tokens;
    const bool attends = shape.attention != AttentionKind::kNone;
    if (attends) attend(block, group, tokens, after, context, shared, own);
    if (after < tokens) keep_first(group, tokens, after, context, shared);
    const bool merges = shape.merge > 0 && live == 0;  // tokens that are no longer read need no merging
    // Runs the second half of a block, tile by tile, from the projection to the output of the MLP.
    auto first_half = [&](Rows rows) {
      const float gain = weights_.blocks[static_cast<size_t>(block)].stream_gain;
      float* x = shared.x.data() + rows.begin * spec.embed_dim;
      for (int64_t i = 0; gain != 1 && i < rows.count() * spec.embed_dim; ++i) x[i] *= gain;
      if (attends) project(block, rows, shared, own);
    };
    if (merges) {
      for_tiles(group * tokens, kRowsTogether, context, first_half);
      context.wait();
      merge(block, group, tokens, context, shared);
      tokens -= shape.merge;
      for_tiles(group * tokens, kRowsTogether, context, [&](Rows rows) { mlp(block, rows, shared, own); });
    } else {
      tokens = after;
      for_tiles(group * tokens, kRowsTogether, context, [&](Rows rows) {
        first_half(rows);
        mlp(block, rows, shared, own);
      });
    }
    context.wait();
  }
  for (int64_t image = context.rank; image < group; image += context.size)
    finish(image, tokens, shared, own, features + image * feature_width());
  context.wait();
}

template <typename T>
std::unique_ptr<Forward<T>> make_vit(const ModelSpec& spec, const checkpoint::Checkpoint& weights,
                                     int threads, const Kernels& kernels) {
  return std::make_unique<VitForward<T>>(spec, weights, threads, kernels);
}
template std::unique_ptr<Forward<float>> make_vit(const ModelSpec&, const checkpoint::Checkpoint&, int,
                                                  const Kernels&);
template std::unique_ptr<Forward<Bf16>> make_vit(const ModelSpec&, const checkpoint::Checkpoint&, int,
                                                 const Kernels&);

}  // namespace vitrim::runtime
