// Focused linear attention within regions: phi(q) (phi(k)^T v), divided by phi(q) . sum phi(k)
// (model/focused.h).

#include "runtime/attention.h"

namespace vitrim::runtime {

namespace {

// Interpolates v of a smaller map over the flattened tokens of the whole map, linearly between their centres.
template <typename T>
void spread_values(const AttentionCall<T>& call, const RegionBatch<T>& batch) {
  const int64_t n = batch.branch.regions.size(), m = batch.branch.keys,
                width = batch.branch.heads * call.block.v_pad, across = batch.branch.regions.region.width;
  const Rows lines = batch.own_lines();
  const float step = static_cast<float>(m) / static_cast<float>(n);
  for (int64_t row = lines.begin * across; row < lines.end * across; ++row) {
    const float place = std::max(0.0f, step * (static_cast<float>(row % n) + 0.5f) - 0.5f);
    const int64_t left = std::min(static_cast<int64_t>(place), m - 1), right = std::min(left + 1, m - 1);
    const T* from = batch.memory.few_v.data() + row / n * m * width;
    call.kernels.blend(from + left * width, from + right * width, place - static_cast<float>(left), width,
                       batch.memory.v.data() + row * width);
  }
}

// Computes phi(q) or phi(k) in place, for the rows [begin, end) of the batch; keys also get an encoding of
// their place in the region.
template <typename T>
void focus_rows(const AttentionCall<T>& call, const BranchWeights<T>& branch, T* rows, int64_t begin,
                int64_t end, bool keys) {
  const int64_t width = branch.heads * call.block.qk_pad, period = keys ? branch.keys : end - begin;
  for (int64_t a = begin; a < end;) {
    const int64_t place = keys ? a % period : 0, count = keys ? std::min(end - a, period - place) : end - a;
    call.kernels.focus(rows + a * width, width, count, width,
                       keys ? branch.offset.data() + place * width : nullptr, branch.factor.data(),
                       call.block.focusing);
    a += count;
  }
}

// Computes phi(k)^T v of one head and region, packed, and the sum of phi(k).
template <typename T>
void summarize(const AttentionCall<T>& call, const RegionBatch<T>& batch, const T* v, int64_t index) {
  const StageBlock<T>& block = call.block;
  const BranchWeights<T>& branch = batch.branch;
  const int64_t m = branch.keys, region = index / branch.heads, head = index % branch.heads,
                ldk = branch.heads * block.qk_pad, ldv = branch.heads * block.v_pad;
  const int64_t depth = round_up(m, 32);
  const T* k = batch.memory.k.data() + region * m * ldk + head * block.qk_pad;
  float* sums = batch.memory.key_sums.data() + index * block.qk_pad;
  std::fill_n(sums, block.qk_pad, 0.0f);
  call.kernels.add_columns(k, ldk, m, block.qk_pad, sums);
  call.kernels.transpose(k, ldk, m, block.qk_pad, call.own.transposed.data(), depth);
  T* values = batch.memory.values.data() + index * depth * block.v_pad;
  call.kernels.pack(v + region * m * ldv + head * block.v_pad, ldv, m, block.v_pad, values);
  Gemm<T> g;
  g.a = call.own.transposed.data();
  g.lda = depth;
  g.k = round_up(m, kDepthStep<T>);
  g.rows = block.qk_pad;
  g.b = values;
  g.columns = g.valid = g.ldo = block.v_pad;
  g.scratch = call.own.scratch.data();
  g.epilogue = Epilogue::kFloat;
  g.out = call.own.summary.data();
  call.kernels.gemm(g);
  call.kernels.convert(call.own.summary.data(), block.v_pad, block.qk_pad, block.v_pad,
                       call.own.summary_rows.data(), block.v_pad);
  call.kernels.pack(call.own.summary_rows.data(), block.v_pad, block.qk_pad, block.v_pad,
                    batch.memory.summaries.data() + index * block.qk_pad * block.v_pad);
}

}  // namespace

template <typename T>
void focused_attention(const AttentionCall<T>& call, const RegionBatch<T>& batch, T* out, int64_t ldo) {
  const StageBlock<T>& block = call.block;
  const BranchWeights<T>& branch = batch.branch;
  const int64_t n = branch.regions.size(), m = branch.keys, heads = branch.heads, ldq = heads * block.qk_pad,
                across = branch.regions.region.width;
  StageMemory<T>& memory = batch.memory;
  const Rows lines = batch.own_lines(), keys = share(batch.count * m, batch.context);
  focus_rows(call, branch, memory.q.data(), lines.begin * across, lines.end * across, false);
  focus_rows(call, branch, memory.k.data(), keys.begin, keys.end, true);
  if (block.reduces()) spread_values(call, batch);
  batch.context.wait();
  const T* v = block.reduces() ? memory.few_v.data() : memory.v.data();
  for (int64_t i = batch.context.rank; i < batch.count * heads; i += batch.context.size)
    summarize(call, batch, v, i);
  batch.context.wait();
  // The reference takes means over keys and adds 1e-6; here both are multiplied by the number of keys.
  const float offset = 1e-6f * static_cast<float>(m);
  for (int64_t region = 0; region < batch.count; ++region) {
    const int64_t begin = std::clamp<int64_t>(lines.begin * across - region * n, 0, n),
                  end = std::clamp<int64_t>(lines.end * across - region * n, 0, n);
    for (int64_t a = begin; a < end; a += kRowsTogether) {
      const int64_t rows = std::min(kRowsTogether, end - a);
      for (int64_t head = 0; head < heads; ++head) {
        const int64_t index = region * heads + head;
        Gemm<T> g;
        g.a = memory.q.data() + (region * n + a) * ldq + head * block.qk_pad;
        call.kernels.inverse_dots(g.a, ldq, rows, block.qk_pad, memory.key_sums.data() + index * block.qk_pad,
                                  offset, call.own.inverse_sums.data());
        g.lda = ldq;
        g.k = block.qk_pad;
        g.rows = rows;
        g.b = memory.summaries.data() + index * block.qk_pad * block.v_pad;
        g.columns = g.valid = block.v_pad;
        g.scratch = call.own.scratch.data();
        g.epilogue = Epilogue::kScaled;
        g.row_scale = call.own.inverse_sums.data();
        g.out = out + (region * n + a) * ldo + head * block.v_pad;
        g.ldo = ldo;
        call.kernels.gemm(g);
      }
    }
  }
}

template void focused_attention(const AttentionCall<float>&, const RegionBatch<float>&, float*, int64_t);
template void focused_attention(const AttentionCall<Bf16>&, const RegionBatch<Bf16>&, Bf16*, int64_t);

}  // namespace vitrim::runtime
