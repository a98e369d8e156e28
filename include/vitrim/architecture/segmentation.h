#pragma once
// Specs with a head that classifies every pixel.

#include <string>

#include "vitrim/core/model_spec.h"

namespace vitrim::architecture {

/// `spec` with a head that assigns every pixel one of `classes` classes, in place of the classifier.
/// `channels` is the width of a UPerNet (0: none). A UPerNet reads the stream after every quarter of a ViT's
/// blocks, and after every stage of a Swin. Throws std::invalid_argument if the backbone can't have such a
/// head.
ModelSpec with_segmentation_head(ModelSpec spec, SegmentationHeadKind kind, int64_t channels,
                                 int64_t classes);
/// Parses "linear" or "upernet"; throws std::invalid_argument on anything else.
SegmentationHeadKind parse_segmentation_head(const std::string& name);

}  // namespace vitrim::architecture
