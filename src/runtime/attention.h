#pragma once
// Attention of models with stages: queries, keys and values region by region, softmax or focused linear
// attention on them, and depthwise filters of v.

#include "runtime/stage_memory.h"
#include "runtime/team.h"

namespace vitrim::runtime {

/// One block's attention on a group of images.
template <typename T>
struct AttentionCall {
  const StageBlock<T>& block;
  const KernelSet<T>& kernels;
  float eps;
  int64_t group;
  StageMemory<T>& shared;  ///< contains the stream and receives the result
  StageMemory<T>& own;
};

/// Reads shared.x and writes shared.mixed [tokens, mixed_width()], the input of the last projection. All
/// threads of the team call it when the stream is complete; when it returns, the result is complete.
template <typename T>
void attend(const AttentionCall<T>& call, ThreadContext context);

// The steps of run().

/// Some regions of one branch, numbered through the maps of all images. The team's threads process them in
/// the buffers of `memory`.
template <typename T>
struct RegionBatch {
  const BranchWeights<T>& branch;
  int64_t first, count;
  StageMemory<T>& memory;
  ThreadContext context;
  int64_t lines() const { return count * branch.regions.region.height; }
  Rows own_lines() const { return share(lines(), context); }
};

/// The smaller map that keys and values come from, for all images: shared.reduced [images * key_tokens(), C],
/// after its norm.
template <typename T>
void reduce_map(const AttentionCall<T>& call, ThreadContext context);
/// Computes memory.q, k and v for the context's part of the batch; v goes into memory.few_v if it must still
/// be interpolated over the map.
template <typename T>
void project_batch(const AttentionCall<T>& call, const RegionBatch<T>& batch);
/// Softmax attention of all regions; out: the address of the batch's first token.
template <typename T>
void softmax_attention(const AttentionCall<T>& call, const RegionBatch<T>& batch, T* out, int64_t ldo);
/// The same for focused linear attention.
template <typename T>
void focused_attention(const AttentionCall<T>& call, const RegionBatch<T>& batch, T* out, int64_t ldo);

}  // namespace vitrim::runtime
