#pragma once
// A model's linear layers in int8 (docs/quantization.md).

#include <memory>
#include <string>
#include <vector>

#include "vitrim/core/artifacts.h"
#include "vitrim/model/model.h"

namespace vitrim::quantize {

struct QuantizeOptions {
  std::vector<std::string> keep;  ///< layers that stay float: names such as "blocks.11.mlp.fc2", or their
                                  ///< last part ("fc2") for those of all blocks
  int weight_bits = 8;            ///< 8, or 4: quantize_weight_int4()
};

struct Quantized {
  std::unique_ptr<model::Model> model;
  QuantizationFigures figures;
};

/// The model with every linear layer of its blocks in int8 but those to keep: weights as quantize_weight()
/// makes them, inputs quantised token by token as they come. Embedding, norms, softmax, the stream between
/// blocks and the classifier stay float. Throws vitrim::Error where layers are int8 already, and
/// std::invalid_argument for names that name no layer and for other weight_bits. Cost: seconds for ViT-B.
Quantized quantize(const model::Model& model, const QuantizeOptions& options = {});

}  // namespace vitrim::quantize
