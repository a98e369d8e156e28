#pragma once
// Which slices of which parameters belong to the channels of a block: what pruning cuts.

#include <string>
#include <vector>

#include "vitrim/core/model_spec.h"

namespace vitrim::architecture {

/// The groups of channels that can be pruned (APMA, arXiv 2405.20867, and the MLP's hidden units).
enum class ChannelGroup { kQk, kV, kMlp };

/// Dimension `dim` of a parameter holds, from `offset` on, the channels of heads [head_begin, head_begin +
/// heads), head after head.
struct ChannelSlice {
  std::string parameter;
  int64_t dim = 0;
  int64_t offset = 0;
  ChannelGroup group = ChannelGroup::kQk;
  int64_t head_begin = 0;
  int64_t heads = 1;
  /// The parameter holds one head's channels for all heads (FLatten's depthwise filters). Cut, it holds those
  /// that each head keeps, head after head.
  bool shared = false;
  /// These are queries, which take factors on query-key channels (QkFold::kQueryRows) and the change of
  /// softmax's 1 / sqrt(qk_dim).
  bool query = false;
};

/// How a factor on a query-key channel goes into the weights, so that it costs nothing: softmax scores are
/// products of q and k, so q's rows take it; focused linear attention divides q and k by softplus(scale), so
/// scale takes it.
enum class QkFold { kQueryRows, kScale };

/// All slices of block `block`, the last projection's and the MLP's included, also of query-key channels that
/// can't be cut (can_prune(): after a q/k norm, whose weights all heads share).
std::vector<ChannelSlice> channel_slices(const ModelSpec& spec, int block);
/// Throws std::invalid_argument where the block has no attention.
QkFold qk_fold(const ModelSpec& spec, int block);
/// Whether the group exists in this block and can be cut.
bool can_prune(const ModelSpec& spec, int block, ChannelGroup group);

}  // namespace vitrim::architecture
