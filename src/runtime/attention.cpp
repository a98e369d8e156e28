#include "runtime/attention.h"

#include <cstring>

namespace vitrim::runtime {

namespace {

// Adds the depthwise filter of v to out, for the lines of this thread.
template <typename T>
void add_filtered(const AttentionCall<T>& call, const RegionBatch<T>& batch, T* out, int64_t ldo) {
  const FilterWeights& filter = batch.branch.filter;
  if (filter.side == 0) return;
  const Grid region = batch.branch.regions.region;
  const int64_t width = batch.branch.heads * call.block.v_pad;
  const Rows lines = batch.own_lines();
  for (int64_t line = lines.begin; line < lines.end;) {
    const int64_t index = line / region.height, begin = line % region.height,
                  end = std::min(region.height, begin + lines.end - line);
    Depthwise<T> d;
    d.in = batch.memory.v.data() + index * region.size() * width;
    d.ldi = d.channels = width;
    d.height = region.height;
    d.width = region.width;
    d.begin = begin;
    d.end = end;
    d.filter = filter.taps.data();
    d.bias = filter.bias.data();
    d.side = filter.side;
    d.out = out + line * region.width * ldo;
    d.ldo = ldo;
    call.kernels.depthwise(d);
    line += end - begin;
  }
}

template <typename T>
void attend_batch(const AttentionCall<T>& call, const RegionBatch<T>& batch) {
  const StageBlock<T>& block = call.block;
  const BranchWeights<T>& branch = batch.branch;
  const Regions& regions = branch.regions;
  const int64_t width = branch.heads * block.v_pad, ldm = block.mixed_width(),
                first = batch.first * regions.size();
  T* mixed = call.shared.mixed.data() + branch.first_head * block.v_pad;
  const bool direct = regions.order.empty();
  T* out = direct ? mixed + first * ldm : batch.memory.out.data();
  const int64_t ldo = direct ? ldm : width;
  project_batch(call, batch);
  batch.context.wait();
  if (block.linear()) {
    focused_attention(call, batch, out, ldo);
  } else {
    softmax_attention(call, batch, out, ldo);
  }
  add_filtered(call, batch, out, ldo);
  if (direct) return;
  const Rows lines = batch.own_lines();
  const int64_t across = regions.region.width, begin = first + lines.begin * across,
                end = first + lines.end * across;
  regions.for_runs(begin, end, [&](int64_t place, int64_t token, int64_t length) {
    const T* from = out + (place - first) * width;
    for (int64_t i = 0; i < length; ++i)
      std::memcpy(mixed + (token + i) * ldm, from + i * width, static_cast<size_t>(width) * sizeof(T));
  });
}

template <typename T>
void attend_static(const AttentionCall<T>& call, ThreadContext context) {
  const StageBlock<T>& block = call.block;
  const int64_t tokens = block.grid.size(), dim = block.dim, channels = block.fixed.channels();
  const Room<T> room{call.own.normed.data(), round_up(dim, 32), call.own.factors.data()};
  for_tiles(call.group * tokens, kRowsTogether, context, [&](Rows rows) {
    const Left<T> normed = normalize_for(call.kernels, block.fixed.v, block.fixed.norm, call.eps,
                                         call.shared.x.data() + rows.begin * dim, dim, rows.count(), room);
    Gemm<T> g = product(block.fixed.v, normed, rows.count(), call.own.scratch.data());
    g.out = call.shared.fixed_values.data() + rows.begin * channels;
    g.ldo = channels;
    call.kernels.gemm(g);
  });
  context.wait();
  static_attention<T>({block.fixed, call.kernels, call.group, tokens, call.shared.fixed_values.data(),
                       call.shared.mixed.data(), block.mixed_width(), call.own.fixed_scratch.data()},
                      context);
  context.wait();
}

}  // namespace

template <typename T>
void attend(const AttentionCall<T>& call, ThreadContext context) {
  const StageBlock<T>& block = call.block;
  if (block.fixed.any()) return attend_static(call, context);
  const int64_t width = block.heads * block.v_pad, ldm = block.mixed_width();
  if (ldm > width) {
    const Rows mine = share(call.group * block.grid.size(), context);
    for (int64_t r = mine.begin; r < mine.end; ++r)
      std::fill(call.shared.mixed.data() + r * ldm + width, call.shared.mixed.data() + (r + 1) * ldm, T{});
  }
  if (block.reduces()) reduce_map(call, context);
  for (const BranchWeights<T>& branch : block.branches) {
    const int64_t all = call.group * branch.regions.count, together = regions_together(branch.regions.size());
    context.wait();
    if (all >= context.size) {
      for_tiles(all, together, context,
                [&](Rows part) { attend_batch<T>(call, {branch, part.begin, part.count(), call.own, {}}); });
    } else {
      for (int64_t i = 0; i < all; ++i) {
        attend_batch<T>(call, {branch, i, 1, call.shared, context});
        context.wait();
      }
    }
  }
  context.wait();
}

template void attend(const AttentionCall<float>&, ThreadContext);
template void attend(const AttentionCall<Bf16>&, ThreadContext);

}  // namespace vitrim::runtime
