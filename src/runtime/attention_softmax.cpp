// softmax(q k^T + bias) v within regions: windows with a bias for every relative position, stripes, or a map
// with its own or fewer keys.

#include "runtime/attention.h"

namespace vitrim::runtime {

namespace {

// Some queries of one head of one region.
template <typename T>
struct HeadTask {
  const T* q;
  const T* keys;
  const T* values;
  const float* bias;  // the bias of the first query; null: none
  const float* mask;
  T* out;
  int64_t rows;
};

template <typename T>
void attend_head(const AttentionCall<T>& call, const BranchWeights<T>& branch, const HeadTask<T>& task,
                 int64_t ldo) {
  const StageBlock<T>& block = call.block;
  const int64_t m = branch.keys, columns = round_up(m, kColumnStep), depth = round_up(m, kDepthStep<T>);
  float* scores = call.own.scores.data();
  Gemm<T> meet;
  meet.a = task.q;
  meet.lda = branch.heads * block.qk_pad;
  meet.k = block.qk_pad;
  meet.rows = task.rows;
  meet.b = task.keys;
  meet.columns = meet.valid = meet.ldo = columns;
  meet.scratch = call.own.scratch.data();
  meet.epilogue = Epilogue::kFloat;
  meet.out = scores;
  call.kernels.gemm(meet);
  for (int64_t i = 0; task.mask && i < task.rows * columns; ++i) scores[i] += task.mask[i];
  call.kernels.softmax(scores, columns, task.rows, m, task.bias, columns, call.own.p.data(), depth,
                       call.own.inverse_sums.data());
  Gemm<T> weighted;
  weighted.a = call.own.p.data();
  weighted.lda = weighted.k = depth;
  weighted.rows = task.rows;
  weighted.b = task.values;
  weighted.columns = weighted.valid = block.v_pad;
  weighted.scratch = call.own.scratch.data();
  weighted.epilogue = Epilogue::kScaled;
  weighted.row_scale = call.own.inverse_sums.data();
  weighted.out = task.out;
  weighted.ldo = ldo;
  call.kernels.gemm(weighted);
}

}  // namespace

template <typename T>
void softmax_attention(const AttentionCall<T>& call, const RegionBatch<T>& batch, T* out, int64_t ldo) {
  const StageBlock<T>& block = call.block;
  const BranchWeights<T>& branch = batch.branch;
  const int64_t n = branch.regions.size(), m = branch.keys, heads = branch.heads,
                columns = round_up(m, kColumnStep);
  const int64_t ldq = heads * block.qk_pad, ldv = heads * block.v_pad, key_size = columns * block.qk_pad,
                value_size = round_up(m, kDepthStep<T>) * block.v_pad;
  StageMemory<T>& memory = batch.memory;
  for (int64_t i = batch.context.rank; i < batch.count * heads; i += batch.context.size) {
    const int64_t region = i / heads, head = i % heads;
    call.kernels.pack_transposed(memory.k.data() + region * m * ldq + head * block.qk_pad, ldq, m,
                                 block.qk_pad, memory.keys.data() + i * key_size);
    call.kernels.pack(memory.v.data() + region * m * ldv + head * block.v_pad, ldv, m, block.v_pad,
                      memory.values.data() + i * value_size);
  }
  batch.context.wait();
  const Rows lines = batch.own_lines();
  const int64_t across = branch.regions.region.width;
  for (int64_t region = 0; region < batch.count; ++region) {
    // This thread's queries of the region, counted within it.
    const int64_t begin = std::clamp<int64_t>(lines.begin * across - region * n, 0, n),
                  end = std::clamp<int64_t>(lines.end * across - region * n, 0, n);
    if (begin == end) continue;
    const int edge = branch.masks.bytes() > 0 ? branch.regions.edge_of(batch.first + region) : 0;
    const int64_t tiles = (end - begin + query_rows(m) - 1) / query_rows(m),
                  each = (end - begin + tiles - 1) / tiles;
    for (int64_t head = 0; head < heads; ++head) {
      for (int64_t a = begin; a < end; a += each) {
        HeadTask<T> task{};
        task.q = memory.q.data() + (region * n + a) * ldq + head * block.qk_pad;
        task.keys = memory.keys.data() + (region * heads + head) * key_size;
        task.values = memory.values.data() + (region * heads + head) * value_size;
        if (branch.bias.bytes() > 0) task.bias = branch.bias.data() + (head * n + a) * columns;
        if (edge > 0) task.mask = branch.masks.data() + ((edge - 1) * n + a) * columns;
        task.out = out + (region * n + a) * ldo + head * block.v_pad;
        task.rows = std::min(each, end - a);
        attend_head(call, branch, task, ldo);
      }
    }
  }
}

template void softmax_attention(const AttentionCall<float>&, const RegionBatch<float>&, float*, int64_t);
template void softmax_attention(const AttentionCall<Bf16>&, const RegionBatch<Bf16>&, Bf16*, int64_t);

}  // namespace vitrim::runtime
