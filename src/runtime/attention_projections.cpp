// Queries, keys and values of some regions, and the smaller map that keys may come from.

#include "runtime/attention.h"

namespace vitrim::runtime {

namespace {

template <typename T>
void store_product(const AttentionCall<T>& call, const Matrix<T>& matrix, const Left<T>& a, int64_t rows,
                   T* out) {
  Gemm<T> g = product(matrix, a, rows, call.own.scratch.data());
  g.out = out;
  g.ldo = matrix.columns;
  call.kernels.gemm(g);
}

// The smaller map's rows.
template <typename T>
Room<T> reduced_room(const AttentionCall<T>& call) {
  return {call.shared.reduced.data(), round_up(call.block.dim, 32), call.shared.reduced_factors.data()};
}

}  // namespace

template <typename T>
void reduce_map(const AttentionCall<T>& call, ThreadContext context) {
  const StageBlock<T>& block = call.block;
  const int64_t sr = block.sr_ratio, dim = block.dim, lda = block.reduce.k, tokens = block.grid.size();
  const int64_t across = block.grid.width / sr, keys = block.key_tokens();
  T* patches = call.own.patches.data();
  float* wide = call.own.wide.data();
  for_tiles(call.group * keys, kPatchRows, context, [&](Rows rows) {
    for (int64_t r = rows.begin; r < rows.end; ++r) {
      const int64_t image = r / keys, line = r % keys / across * sr, column = r % keys % across * sr;
      T* patch = patches + (r - rows.begin) * lda;
      for (int64_t y = 0; y < sr; ++y) {
        const float* from =
            call.shared.x.data() + (image * tokens + (line + y) * block.grid.width + column) * dim;
        call.kernels.normalize(from, dim, sr, dim, call.eps, patch + y * sr * dim, dim);
      }
      std::fill(patch + sr * sr * dim, patch + lda, T{});
    }
    Gemm<T> g = product(block.reduce, Left<T>{patches, lda}, rows.count(), call.own.scratch.data());
    g.epilogue = Epilogue::kFloat;
    g.out = wide;
    g.ldo = dim;
    call.kernels.gemm(g);
    normalize_for(call.kernels, block.branches.front().k, block.key_norm, call.eps, wide, dim, rows.count(),
                  reduced_room(call).from(rows.begin));
  });
}

template <typename T>
void project_batch(const AttentionCall<T>& call, const RegionBatch<T>& batch) {
  const StageBlock<T>& block = call.block;
  const BranchWeights<T>& branch = batch.branch;
  const Regions& regions = branch.regions;
  const int64_t dim = block.dim, ldn = round_up(dim, 32), first = batch.first * regions.size(),
                across = regions.region.width;
  const Rows lines = batch.own_lines();
  const Room<T> room{call.own.normed.data(), ldn, call.own.factors.data()};
  const int64_t end = lines.end * across;
  for (int64_t a = lines.begin * across; a < end; a += kRowsTogether) {
    const int64_t rows = std::min(kRowsTogether, end - a);
    regions.for_runs(first + a, first + a + rows, [&](int64_t place, int64_t token, int64_t length) {
      normalize_for(call.kernels, branch.q, block.norm1, call.eps, call.shared.x.data() + token * dim, dim,
                    length, room.from(place - first - a));
    });
    const Left<T> normed = room.as_left(branch.q);
    store_product<T>(call, branch.q, normed, rows, batch.memory.q.data() + a * branch.q.columns);
    if (block.reduces()) continue;
    store_product<T>(call, branch.k, normed, rows, batch.memory.k.data() + a * branch.k.columns);
    store_product<T>(call, branch.v, normed, rows, batch.memory.v.data() + a * branch.v.columns);
  }
  if (!block.reduces()) return;
  // One region is one image's map.
  const Left<T> reduced = reduced_room(call).from(batch.first * branch.keys).as_left(branch.k);
  T* v = block.linear() ? batch.memory.few_v.data() : batch.memory.v.data();
  const Rows keys = share(batch.count * branch.keys, batch.context);
  for (int64_t a = keys.begin; a < keys.end; a += kRowsTogether) {
    const int64_t rows = std::min(kRowsTogether, keys.end - a);
    store_product<T>(call, branch.k, reduced.from(a), rows, batch.memory.k.data() + a * branch.k.columns);
    store_product<T>(call, branch.v, reduced.from(a), rows, v + a * branch.v.columns);
  }
}

template void reduce_map(const AttentionCall<float>&, ThreadContext);
template void reduce_map(const AttentionCall<Bf16>&, ThreadContext);
template void project_batch(const AttentionCall<float>&, const RegionBatch<float>&);
template void project_batch(const AttentionCall<Bf16>&, const RegionBatch<Bf16>&);

}  // namespace vitrim::runtime
