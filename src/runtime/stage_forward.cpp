#include "runtime/stage_forward.h"

#include <algorithm>

#include "runtime/attention.h"
#include "runtime/stage_patches.h"

namespace vitrim::runtime {

template <typename T>
StageForward<T>::StageForward(const ModelSpec& spec, const checkpoint::Checkpoint& weights, int threads,
                              const Kernels& kernels)
    : weights_(spec, weights),
      kernels_(kernels_for<T>(kernels)),
      floats_(kernels.f32),
      eps_(static_cast<float>(spec.norm_eps)) {
  for (int i = 0; i < threads; ++i) memories_.emplace_back(weights_);
}

template <typename T>
int64_t StageForward<T>::work_bytes() const {
  int64_t bytes = 0;
  for (const StageMemory<T>& one : memories_) bytes += one.bytes;
  return bytes;
}

template <typename T>
void StageForward<T>::begin_stage(int stage, const float* images, const CallContext& call) const {
  const ModelSpec& spec = weights_.spec;
  const StepWeights<T>& step = weights_.steps[static_cast<size_t>(stage)];
  const Grid grid = spec.stage_grid(stage),
             before = stage > 0 ? spec.stage_grid(stage - 1) : Grid{spec.image_size[0], spec.image_size[1]};
  const int64_t tokens = grid.size(), dim = spec.stage_dim(stage), lda = step.matrix.k,
                source = before.size() * step.channels;
  float* x = call.shared.x.data();
  if (step.before.any()) {
    const Rows mine = share(call.group * before.size(), call.context);
    layer_norm_rows(floats_, x + mine.begin * step.channels, mine.count(), step.channels, eps_, step.before);
    call.context.wait();
  }
  T* patches = call.own.patches.data();
  float* next = call.shared.next.data();
  for_tiles(call.group * tokens, kPatchRows, call.context, [&](Rows rows) {
    for (int64_t r = rows.begin; r < rows.end; ++r) {
      const int64_t image = r / tokens, line = r % tokens / grid.width, column = r % grid.width;
      T* patch = patches + (r - rows.begin) * lda;
      if (stage == 0) {
        image_patch(kernels_, step, images + image * source, before, line, column, patch);
      } else {
        token_patch(kernels_, step, eps_, x + image * source, before, line, column, call.own.wide.data(),
                    patch);
      }
    }
    Gemm<T> g = product(step.matrix, Left<T>{patches, lda}, rows.count(), call.own.scratch.data());
    g.epilogue = Epilogue::kFloat;
    g.out = next + rows.begin * dim;
    g.ldo = dim;
    kernels_.gemm(g);
    if (step.after.any())
      layer_norm_rows(floats_, next + rows.begin * dim, rows.count(), dim, eps_, step.after);
    for (int64_t r = rows.begin; !step.positions.empty() && r < rows.end; ++r) {
      const float* position = step.positions.data() + r % tokens * dim;
      for (int64_t c = 0; c < dim; ++c) next[r * dim + c] += position[c];
    }
  });
  call.context.wait();
  if (call.context.first()) std::swap(call.shared.x, call.shared.next);
  call.context.wait();
}

// The part of a block before the MLP: the gain of the stream, and the attention's last projection.
template <typename T>
void StageForward<T>::first_half(const StageBlock<T>& block, Rows rows, const CallContext& call) const {
  float* x = call.shared.x.data() + rows.begin * block.dim;
  for (int64_t i = 0; block.stream_gain != 1 && i < rows.count() * block.dim; ++i) x[i] *= block.stream_gain;
  if (!block.attends()) return;
  const int64_t ldm = block.mixed_width();
  const Left<T> mixed =
      convert_for(kernels_, block.proj, block.heads * block.v_pad, rows.count(),
                  Room<T>{call.shared.mixed.data() + rows.begin * ldm, ldm, call.own.factors.data()});
  add_product(kernels_, block.proj, mixed, x, block.dim, rows.count(), call.own.scratch.data());
}

template <typename T>
void StageForward<T>::run_block(const StageBlock<T>& block, const CallContext& call) const {
  if (block.attends()) attend<T>({block, kernels_, eps_, call.group, call.shared, call.own}, call.context);
  if (block.mlp_filter.side > 0) return convolved_mlp(block, call);
  float* factors = call.own.factors.data();  // a product is finished before the next one begins
  const TileMemory<T> tile{{call.own.normed.data(), round_up(block.dim, 32), factors},
                           {call.own.hidden.data(), block.mlp.hidden_width(), factors},
                           call.own.scratch.data()};
  for_tiles(call.group * block.grid.size(), kRowsTogether, call.context, [&](Rows rows) {
    first_half(block, rows, call);
    add_mlp(kernels_, block.mlp, eps_, call.shared.x.data() + rows.begin * block.dim, block.dim, rows.count(),
            tile);
  });
  call.context.wait();
}

// PVTv2: a depthwise convolution between the layers reads the whole map, so the first half of the MLP runs
// for the whole map before the second half.
template <typename T>
void StageForward<T>::convolved_mlp(const StageBlock<T>& block, const CallContext& call) const {
  const Grid grid = block.grid;
  const int64_t tokens = grid.size(), dim = block.dim, ldh = block.mlp.hidden_width(),
                ldn = round_up(dim, 32), tile_lines = std::max<int64_t>(1, kRowsTogether / grid.width);
  T* whole = call.shared.map_hidden.data();
  T* hidden = call.own.hidden.data();
  for (int64_t image = 0; image < call.group; image += images_together(tokens)) {
    const int64_t count = std::min(images_together(tokens), call.group - image);
    float* x = call.shared.x.data() + image * tokens * dim;
    for_tiles(count * tokens, kRowsTogether, call.context, [&](Rows rows) {
      first_half(block, {image * tokens + rows.begin, image * tokens + rows.end}, call);
      mlp_hidden(kernels_, block.mlp, eps_, x + rows.begin * dim, dim, rows.count(), Epilogue::kStore,
                 {{call.own.normed.data(), ldn, call.own.factors.data()},
                  {whole + rows.begin * ldh, ldh, nullptr},
                  call.own.scratch.data()});
    });
    call.context.wait();
    for_tiles(count * grid.height, tile_lines, call.context, [&](Rows lines) {
      for (int64_t line = lines.begin; line < lines.end;) {  // of one map at a time
        const int64_t begin = line % grid.height, end = std::min(grid.height, begin + lines.end - line);
        Depthwise<T> d;
        d.in = whole + line / grid.height * tokens * ldh;
        d.ldi = d.ldo = ldh;
        d.height = grid.height;
        d.width = grid.width;
        d.begin = begin;
        d.end = end;
        d.filter = block.mlp_filter.taps.data();
        d.bias = block.mlp_filter.bias.data();
        d.side = block.mlp_filter.side;
        d.channels = block.mlp_filter.channels;
        d.epilogue = block.mlp.activation;
        d.out = hidden + (line - lines.begin) * grid.width * ldh;
        kernels_.depthwise(d);
        line += end - begin;
      }
      const int64_t rows = lines.count() * grid.width;
      for (int64_t r = 0; block.mlp_filter.channels < ldh && r < rows; ++r)
        std::fill(hidden + r * ldh + block.mlp_filter.channels, hidden + (r + 1) * ldh, T{});
      const Left<T> left = convert_for(kernels_, block.mlp.fc2, block.mlp.hidden, rows,
                                       Room<T>{hidden, ldh, call.own.factors.data()});
      add_product(kernels_, block.mlp.fc2, left, x + lines.begin * grid.width * dim, dim, rows,
                  call.own.scratch.data());
    });
    call.context.wait();
  }
}

template <typename T>
void StageForward<T>::finish(int64_t image, const CallContext& call, float* features) const {
  const ModelSpec& spec = weights_.spec;
  const int64_t dim = spec.feature_dim(), tokens = spec.stage_grid(spec.num_stages() - 1).size();
  const float* x = call.shared.x.data() + image * tokens * dim;
  float* row = call.own.wide.data();
  std::fill_n(features, dim, 0.0f);
  for (int64_t token = 0; token < tokens; ++token) {
    const float* from = x + token * dim;
    if (weights_.norm.any()) {
      floats_.normalize(from, dim, 1, dim, eps_, row, dim);
      from = row;
    }
    for (int64_t c = 0; c < dim; ++c) features[c] += from[c];
  }
  for (int64_t c = 0; c < dim; ++c) {
    features[c] /= static_cast<float>(tokens);
    if (weights_.norm.any())
      features[c] = features[c] * weights_.norm.gain[static_cast<size_t>(c)] +
                    weights_.norm.shift[static_cast<size_t>(c)];
  }
  if (spec.num_classes == 0 && !spec.final_norm && !spec.fc_norm)
    layer_norm(features, dim, eps_, {}, features);  // as in Model::finish()
}

template <typename T>
void StageForward<T>::run(const float* images, int64_t group, int rank, ThreadContext context,
                          float* features) {
  StageMemory<T>& own = memories_[static_cast<size_t>(rank)];
  const CallContext call{group, context, context.size > 1 ? memories_.front() : own, own};
  for (int i = 0, stage = -1; i < static_cast<int>(weights_.blocks.size()); ++i) {
    if (weights_.spec.position(i).stage > stage) begin_stage(++stage, images, call);
    run_block(weights_.blocks[static_cast<size_t>(i)], call);
  }
  for (int64_t image = context.rank; image < group; image += context.size)
    finish(image, call, features + image * feature_width());
  context.wait();
}

template <typename T>
std::unique_ptr<Forward<T>> make_stages(const ModelSpec& spec, const checkpoint::Checkpoint& weights,
                                        int threads, const Kernels& kernels) {
  return std::make_unique<StageForward<T>>(spec, weights, threads, kernels);
}
template std::unique_ptr<Forward<float>> make_stages(const ModelSpec&, const checkpoint::Checkpoint&, int,
                                                     const Kernels&);
template std::unique_ptr<Forward<Bf16>> make_stages(const ModelSpec&, const checkpoint::Checkpoint&, int,
                                                    const Kernels&);

}  // namespace vitrim::runtime
