#pragma once
// Heads that classify every pixel: a linear layer, and UPerNet (Xiao et al. 2018, arXiv 1807.10221).

#include <vector>

#include "vitrim/model/model.h"

namespace vitrim::model {

/// The head's parameters, and the norms of what it taps.
void add_segmentation_head(const ModelSpec& spec, std::vector<ParameterInfo>& out);
/// Multiply-adds of the head for one image.
int64_t segmentation_macs(const ModelSpec& spec);
/// The map that the head answers on.
Grid segmentation_grid(const ModelSpec& spec);
/// Last stream and tapped ones -> features (mean of the last one's patches behind the final norm) and logits
/// [B, num_classes, h, w].
Output segment(const Model& model, const at::Tensor& x, const Taps& taps);

}  // namespace vitrim::model
