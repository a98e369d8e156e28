#pragma once
// Static attention (model/static_attention.h) for all families: values of every token, then fixed weights.

#include <string>

#include "runtime/layers.h"
#include "runtime/team.h"

namespace vitrim::runtime {

/// A block's values, filters and shares; norm1 is folded into the values' weights unless they are quantised.
template <typename T>
struct StaticWeights {
  Grid grid;
  int64_t prefix = 0;    ///< tokens before the map
  int64_t side = 0;      ///< side of the filters; 0: the block has no static attention
  NormWeights norm;      ///< norm1, if it is not folded
  Matrix<T> v;           ///< C -> channels
  Buffer<float> taps;    ///< [side * side, channels]
  Buffer<float> shares;  ///< [1 + prefix (to), 1 + prefix (from), channels]

  StaticWeights() = default;
  /// Loads the parameters after `names` ("blocks.0.attn.") and the norm `norm1`.
  StaticWeights(const WeightSource& source, const ModelSpec& spec, int block, const std::string& names,
                const std::string& norm1);
  bool any() const { return side > 0; }
  int64_t channels() const { return v.columns; }  ///< padded
  int64_t groups() const { return 1 + prefix; }
  int64_t tokens() const { return prefix + grid.size(); }
  int64_t bytes() const { return v.bytes() + taps.bytes() + shares.bytes(); }
  /// Number of floats that static_attention() needs per thread.
  int64_t scratch() const { return 2 * groups() * channels(); }
};

/// Computes the input of the last projection from the values.
template <typename T>
struct StaticCall {
  const StaticWeights<T>& weights;
  const KernelSet<T>& kernels;
  int64_t group = 0;    ///< number of images
  int64_t queries = 0;  ///< number of tokens per image to compute: all, or the first ones, at most the prefix
  const T* values = nullptr;  ///< [group * tokens, channels]
  T* mixed = nullptr;         ///< [group * queries, ..], `ldm` apart; written up to ldm
  int64_t ldm = 0;
  float* scratch = nullptr;  ///< buffer of this thread
};

/// All threads of the team call it after the values are computed; the caller synchronises them afterwards.
template <typename T>
void static_attention(const StaticCall<T>& call, ThreadContext context);

}  // namespace vitrim::runtime
