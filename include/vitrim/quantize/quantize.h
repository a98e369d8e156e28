#pragma once
// Converts a model's linear layers to int8 (docs/quantization.md).

#include <memory>
#include <string>
#include <vector>

#include "vitrim/core/artifacts.h"
#include "vitrim/model/model.h"

namespace vitrim::quantize {

struct QuantizeOptions {
  std::vector<std::string> keep;  ///< layers that stay float: full names such as "blocks.11.mlp.fc2", or the
                                  ///< last part ("fc2") for all blocks
  int weight_bits = 8;            ///< 8, or 4 (quantize_weight_int4())
};

struct Quantized {
  std::unique_ptr<model::Model> model;
  QuantizationFigures figures;
};

/// The model with every linear layer of its blocks in int8, except those in `keep`. Weights are quantised by
/// quantize_weight(), inputs dynamically with one scale per token. Embedding, norms, softmax, the stream
/// between blocks and the classifier stay float. Throws vitrim::Error if layers are int8 already,
/// std::invalid_argument for names that match no layer and for other weight_bits. Cost: seconds for ViT-B.
Quantized quantize(const model::Model& model, const QuantizeOptions& options = {});

}  // namespace vitrim::quantize
