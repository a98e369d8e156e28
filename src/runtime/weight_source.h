#pragma once
// A checkpoint's tensors as the engine takes them up: float32, checked for their size.

#include <string>
#include <vector>

#include "runtime/matrix.h"
#include "vitrim/checkpoint/tensor_view.h"

namespace vitrim::runtime {

/// LayerNorm's affine part; empty: there is none.
struct NormWeights {
  std::vector<float> gain, shift;
  bool any() const { return !gain.empty(); }
};

/// Reads from a checkpoint, which must outlive it. Every method throws FormatError where a tensor is missing
/// or has another number of values.
class WeightSource {
 public:
  explicit WeightSource(const checkpoint::Checkpoint& weights) : weights_(weights) {}

  std::vector<float> values(const std::string& name, int64_t count) const;
  /// `name`.weight [out, in], `name`.bias [out], or zeros instead of it; of a quantised layer `name`.weight
  /// is int8, `name`.weight_scale [out] its factor and `name`.input_gain [in], if there, its input's.
  Linear linear(const std::string& name, int64_t out, int64_t in, bool bias = true) const;
  NormWeights norm(const std::string& name, int64_t width) const {
    return {values(name + ".weight", width), values(name + ".bias", width)};
  }
  /// A norm that stands before `layer`: folded into it and then empty, unless the layer is quantised.
  NormWeights norm_before(Linear& layer, const std::string& name, int64_t width) const;

 private:
  const checkpoint::Checkpoint& weights_;
};

}  // namespace vitrim::runtime
