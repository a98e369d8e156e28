#pragma once
// The parameter slices that belong to the channels of a block; pruning cuts these.

#include <string>
#include <vector>

#include "vitrim/core/model_spec.h"

namespace vitrim::architecture {

/// The groups of channels that can be pruned (APMA, arXiv 2405.20867, and the MLP's hidden units).
enum class ChannelGroup { kQk, kV, kMlp };

/// A slice of a parameter along dimension `dim`. From `offset` on it holds the channels of the heads
/// [head_begin, head_begin + heads), head after head.
struct ChannelSlice {
  std::string parameter;
  int64_t dim = 0;
  int64_t offset = 0;
  ChannelGroup group = ChannelGroup::kQk;
  int64_t head_begin = 0;
  int64_t heads = 1;
  /// The parameter holds the channels of one head, and all heads use them (FLatten's depthwise filters). When
  /// it is cut, it holds the channels that each head keeps, head after head.
  bool shared = false;
  /// The slice holds queries. They take the factors on query-key channels (QkFold::kQueryRows) and the change
  /// of softmax's scale 1 / sqrt(qk_dim).
  bool query = false;
};

/// How a factor on a query-key channel is folded into the weights, so that it costs nothing at run time.
/// Softmax scores are products of q and k, so the rows of q take the factor. Focused linear attention divides
/// q and k by softplus(scale), so `scale` takes it.
enum class QkFold { kQueryRows, kScale };

/// All slices of block `block`, including those of the last projection and the MLP. They also include
/// query-key channels that can't be cut (can_prune() is false after a q/k norm, because all heads share its
/// weights).
std::vector<ChannelSlice> channel_slices(const ModelSpec& spec, int block);
/// How the block folds factors on query-key channels. Throws std::invalid_argument if the block has no
/// attention.
QkFold qk_fold(const ModelSpec& spec, int block);
/// Whether the group exists in this block and can be cut.
bool can_prune(const ModelSpec& spec, int block, ChannelGroup group);

}  // namespace vitrim::architecture
