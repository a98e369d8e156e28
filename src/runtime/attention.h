#pragma once
// Attention of models with stages: queries, keys and values region by region, softmax or focused linear
// attention between them, depthwise filters of v.

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
  StageMemory<T>& shared;  ///< holds the stream and takes the result
  StageMemory<T>& own;
};

/// Reads shared.x, writes shared.mixed [tokens, mixed_width()], which the last projection reads. All members
/// call it; it begins where all see the stream and ends where all see the result.
template <typename T>
void attend(const AttentionCall<T>& call, ThreadContext context);

// The steps of it.

/// Some regions of one branch, counted through the images' maps, worked on in the buffers of `memory` by the
/// members.
template <typename T>
struct RegionBatch {
  const BranchWeights<T>& branch;
  int64_t first, count;
  StageMemory<T>& memory;
  ThreadContext context;
  int64_t lines() const { return count * branch.regions.region.height; }
  Rows own_lines() const { return share(lines(), context); }
};

/// The smaller map that keys and values come from, of all images: shared.reduced [images * key_tokens(), C],
/// normed.
template <typename T>
void reduce_map(const AttentionCall<T>& call, ThreadContext context);
/// memory.q, k and v of the context's part of the batch; v into memory.few_v where it has yet to be spread
/// over the map.
template <typename T>
void project_batch(const AttentionCall<T>& call, const RegionBatch<T>& batch);
/// Softmax of all regions; out: the place of the batch's first token.
template <typename T>
void softmax_attention(const AttentionCall<T>& call, const RegionBatch<T>& batch, T* out, int64_t ldo);
/// The same for focused linear attention.
template <typename T>
void focused_attention(const AttentionCall<T>& call, const RegionBatch<T>& batch, T* out, int64_t ldo);

}  // namespace vitrim::runtime
