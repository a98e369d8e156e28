#pragma once
// A labelled set of images that vitrim draws, so that every result about training can be reproduced anywhere
// without a download.
//
// Each image shows a ring and, far from it, several filled shapes of different hues. The class is the shape
// that has the ring's hue. No single patch determines the class: the hue must be carried from the ring to the
// shapes, so the task needs attention.

#include <cstdint>
#include <string>
#include <vector>

#include "vitrim/core/model_spec.h"
#include "vitrim/data/dataset.h"

namespace vitrim::data {

inline constexpr int64_t kSyntheticSide = 64;
inline constexpr int64_t kSyntheticClasses = 10;
/// Version of the set, part of the fingerprint. It is raised whenever a pixel or a label changes.
inline constexpr int kSyntheticVersion = 1;

/// The splits of the set. Each split uses its own seeds, so no image is in two of them.
enum class SyntheticSplit { kTrain, kCalib, kVal, kTest };

/// "train", "calib", "val" or "test"; throws std::invalid_argument on anything else.
SyntheticSplit parse_synthetic_split(const std::string& name);
std::string to_string(SyntheticSplit split);
/// The default number of images in a split: 20000, 1000, 1000, 2000. A larger count appends further images to
/// the same first ones.
int64_t synthetic_default_count(SyntheticSplit split);

/// The names of the shapes in class order: "disc", "square", ...
const std::vector<std::string>& synthetic_class_names();
/// The class of one image. Every ten consecutive images, from a multiple of ten on, have all classes once, in
/// random order.
int64_t synthetic_label(SyntheticSplit split, int64_t index);
/// Draws one image of 64 x 64 pixels. It uses integers only, so it is the same on every machine. Costs well
/// under a millisecond.
Image draw_synthetic(SyntheticSplit split, int64_t index);

/// The number of classes of the set's masks: background; the ten shapes, if they have the ring's hue; shapes
/// of other hues; the ring. The class of a shape's pixel therefore depends on the ring, which is far from it.
inline constexpr int64_t kSyntheticMaskClasses = 1 + kSyntheticClasses + 2;
const std::vector<std::string>& synthetic_mask_class_names();
/// The same image as draw_synthetic() with its mask. A pixel belongs to a shape if at least half of it is
/// covered.
SegmentedImage draw_synthetic_mask(SyntheticSplit split, int64_t index);

/// The preprocessing of these images: no resize, crop 64, mean and std 0.5.
PreprocessSpec synthetic_preprocess();

}  // namespace vitrim::data
