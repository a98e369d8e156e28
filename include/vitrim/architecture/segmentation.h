#pragma once
// Specs with a head that classifies every pixel.

#include <string>

#include "vitrim/core/model_spec.h"

namespace vitrim::architecture {

/// `spec` with a head for pixels of `classes` classes in the classifier's place. `channels` is a UPerNet's
/// width (0: none). A UPerNet reads after every quarter of a ViT's blocks and after every stage of a Swin.
/// Throws std::invalid_argument where the backbone can't carry one.
ModelSpec with_segmentation_head(ModelSpec spec, SegmentationHeadKind kind, int64_t channels,
                                 int64_t classes);
/// "linear" or "upernet"; throws std::invalid_argument.
SegmentationHeadKind parse_segmentation_head(const std::string& name);

}  // namespace vitrim::architecture
