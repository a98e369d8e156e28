#pragma once
// Reads the tensors of a checkpoint for the engine: as float32, with their size checked.

#include <string>
#include <vector>

#include "runtime/matrix.h"
#include "vitrim/checkpoint/tensor_view.h"

namespace vitrim::runtime {

/// The affine part of LayerNorm; empty: there is none.
struct NormWeights {
  std::vector<float> gain, shift;
  bool any() const { return !gain.empty(); }
};

/// Reads from a checkpoint, which must outlive the object. Every method throws FormatError if a tensor is
/// missing or has another number of values.
class WeightSource {
 public:
  explicit WeightSource(const checkpoint::Checkpoint& weights) : weights_(weights) {}

  std::vector<float> values(const std::string& name, int64_t count) const;
  /// `name`.weight [out, in] and `name`.bias [out] (zeros if it is missing). For a quantised layer,
  /// `name`.weight is int8, `name`.weight_scale [out] is its factor, and `name`.input_gain [in], if present,
  /// is the gain on its input.
  Linear linear(const std::string& name, int64_t out, int64_t in, bool bias = true) const;
  NormWeights norm(const std::string& name, int64_t width) const {
    return {values(name + ".weight", width), values(name + ".bias", width)};
  }
  /// The norm before `layer`. It is folded into the layer and then empty, unless the layer is quantised.
  NormWeights norm_before(Linear& layer, const std::string& name, int64_t width) const;

 private:
  const checkpoint::Checkpoint& weights_;
};

}  // namespace vitrim::runtime
