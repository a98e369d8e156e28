#pragma once
// What is quantised together: the layers that stand under one name in the spec of a block.

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
  std::vector<std::string> layers;  ///< one; of PVT's q and kv two
  int weight_bits = 8;              ///< 8 or 4
};

/// Those of all blocks in the order in which they are computed, less those of which `options.keep` names a
/// layer, in full ("blocks.11.mlp.fc2") or by its last part ("fc2"). Throws std::invalid_argument for names
/// that name no layer, for bits other than 8 and 4, and where nothing is left.
std::vector<QuantizedUnit> units_to_quantize(const ModelSpec& spec, const QuantizeOptions& options);

/// Says in `spec` that the unit's layers are int8, of as many bits as the unit's are; or float.
void mark(ModelSpec& spec, const QuantizedUnit& unit, bool int8);
/// A weight in the unit's bits.
QuantizedWeight quantized_for(const QuantizedUnit& unit, const at::Tensor& weight);

/// `state` with `layer`.weight as int8 values and their scale; a scale that is there is replaced.
void set_quantized(model::StateDict& state, const std::string& layer, const QuantizedWeight& weight);
/// ||W - scale q||_F / ||W||_F.
double relative_error(const at::Tensor& weight, const QuantizedWeight& quantized);
/// The bytes of all tensors.
int64_t bytes_of(const checkpoint::Checkpoint& state);
/// A model's parameters as they are written, those of 4 bits packed.
checkpoint::Checkpoint written(const model::Model& model);
/// Every linear layer of the model's blocks with its precision and its bytes.
std::vector<QuantizedLayer> list_layers(const model::Model& model);

}  // namespace vitrim::quantize
