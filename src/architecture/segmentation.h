#pragma once
// The structure of the heads that classify every pixel: a linear layer, and UPerNet (Xiao et al. 2018, arXiv
// 1807.10221). model/segmentation.cpp computes them.

#include <string>
#include <vector>

#include "vitrim/architecture/parameters.h"

namespace vitrim::architecture {

/// Sides of the maps of the pooling pyramid.
inline constexpr int64_t kPyramidSides[] = {1, 2, 3, 6};
/// Name of the last layer.
inline constexpr const char* kPixelClassifier = "decode_head.conv_seg";

/// A stream that the head reads.
struct SegmentationLevel {
  int64_t block = 0, channels = 0;
  int64_t power =
      0;  ///< log2 of the factor from the block's map to the stream's map: upsampled above 0, pooled below 0
  Grid grid;
};
std::vector<SegmentationLevel> segmentation_levels(const ModelSpec& spec);

/// One convolution of the head, as layout, cost and computation need it.
struct SegmentationLayer {
  std::string name;
  int64_t in = 0, out = 0, side = 1;
  Grid grid;                ///< map that it reads
  bool transposed = false;  ///< 2 x 2, stride 2: doubles the map
  std::string norm;         ///< GroupNorm after it; empty: none, and the layer has a bias
};
std::vector<SegmentationLayer> segmentation_layers(const ModelSpec& spec);

/// Names of the parts of a UPerNet: "decode_head.NAME.INDEX", a step that upsamples a level, and the norm of
/// a stream that is read before the last one.
std::string head_part(const char* name, size_t index);
std::string enlarging_step(size_t level, int64_t step);
std::string tapped_norm(size_t level);

/// The parameters of the head, and the norms of the streams that it reads.
void add_segmentation_head(const ModelSpec& spec, std::vector<ParameterInfo>& out);
/// Multiply-adds of the head for one image.
int64_t segmentation_macs(const ModelSpec& spec);
/// The map of the head's output.
Grid segmentation_grid(const ModelSpec& spec);

}  // namespace vitrim::architecture
