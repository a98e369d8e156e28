#pragma once
// Heads that classify every pixel: a linear layer, and UPerNet (Xiao et al. 2018, arXiv 1807.10221).

#include <vector>

#include "vitrim/model/model.h"

namespace vitrim::model {

/// The last stream and the intermediate ones -> features (mean of the last stream's patches after the final
/// norm) and logits [B, num_classes, h, w].
Output segment(const Model& model, const at::Tensor& x, const Intermediates& intermediates);

}  // namespace vitrim::model
