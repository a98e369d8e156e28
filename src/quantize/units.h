#pragma once
// The units of quantisation: the layers under one name in the spec of a block.

#include <set>
#include <string>
#include <vector>

#include "vitrim/checkpoint/tensor_view.h"
#include "vitrim/core/artifacts.h"
#include "vitrim/model/model.h"
#include "vitrim/model/quantized.h"
#include "vitrim/quantize/quantize.h"
#include "vitrim/quantize/weights.h"

namespace vitrim::quantize {

struct QuantizedUnit {
  int block = 0;
  bool QuantizedLayers::* member = nullptr;
  std::vector<std::string> layers;  ///< one layer; two for PVT's q and kv
  int weight_bits = 8;              ///< 8 or 4
};

/// The units of all blocks in the order in which they are computed, without those that contain a layer in
/// `options.keep`, by its full name ("blocks.11.mlp.fc2") or its last part ("fc2"). Throws
/// std::invalid_argument for names that match no layer, for bits other than 8 and 4, and if no unit remains.
std::vector<QuantizedUnit> units_to_quantize(const ModelSpec& spec, const QuantizeOptions& options);

/// Records in `spec` that the unit's layers are int8, with the unit's number of bits, or float.
void mark(ModelSpec& spec, const QuantizedUnit& unit, bool int8);
/// A weight quantised to the unit's bits.
QuantizedWeight quantized_for(const QuantizedUnit& unit, const at::Tensor& weight);

/// Stores `layer`.weight as int8 values and their scale in `state`; an existing scale is replaced.
void set_quantized(model::StateDict& state, const std::string& layer, const QuantizedWeight& weight);
/// ||W - scale q||_F / ||W||_F.
double relative_error(const at::Tensor& weight, const QuantizedWeight& quantized);
/// The bytes of all tensors.
int64_t bytes_of(const checkpoint::Checkpoint& state);
/// A model's parameters as they are written, with 4-bit weights packed.
checkpoint::Checkpoint written(const model::Model& model);
/// Every linear layer of the model's blocks with its precision and its bytes.
std::vector<QuantizedLayer> list_layers(const model::Model& model);

}  // namespace vitrim::quantize
