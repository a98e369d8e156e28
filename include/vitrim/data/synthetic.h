#pragma once
// A labelled set of images that vitrim draws itself, so that every claim about training can be repeated
// anywhere without a download.
//
// Each image shows a ring and, far from it, several filled shapes of different hues. The class is the shape
// of the one that has the ring's hue. No patch shows the answer: the hue must travel from the ring to the
// shapes, so the task needs attention.

#include <cstdint>
#include <string>
#include <vector>

#include "vitrim/core/model_spec.h"
#include "vitrim/data/dataset.h"

namespace vitrim::data {

inline constexpr int64_t kSyntheticSide = 64;
inline constexpr int64_t kSyntheticClasses = 10;
/// Raised whenever a pixel or a label changes; part of the fingerprint.
inline constexpr int kSyntheticVersion = 1;

/// The parts of the set. Each draws from seeds of its own, so no image is in two of them.
enum class SyntheticSplit { kTrain, kCalib, kVal, kTest };

/// "train", "calib", "val" or "test"; throws std::invalid_argument on anything else.
SyntheticSplit parse_synthetic_split(const std::string& name);
std::string to_string(SyntheticSplit split);
/// Images in a split where no count is named: 20000, 1000, 1000, 2000. Larger counts draw further images
/// after the same first ones.
int64_t synthetic_default_count(SyntheticSplit split);

/// "disc", "square", ...: the shapes, in class order.
const std::vector<std::string>& synthetic_class_names();
/// Class of one image. Any ten images from a multiple of ten on hold every class once, in random order.
int64_t synthetic_label(SyntheticSplit split, int64_t index);
/// Draws one image, 64 x 64. Integers only, so it is the same on every machine. Costs well under a
/// millisecond.
Image draw_synthetic(SyntheticSplit split, int64_t index);

/// Classes of the set's masks: ground; the ten shapes, where they have the ring's hue; shapes of other hues;
/// the ring. So what a pixel of a shape is depends on the ring, which is far from it.
inline constexpr int64_t kSyntheticMaskClasses = 1 + kSyntheticClasses + 2;
const std::vector<std::string>& synthetic_mask_class_names();
/// The same image as draw_synthetic(), with its mask: a pixel is a shape's where at least half of it is
/// covered.
SegmentedImage draw_synthetic_mask(SyntheticSplit split, int64_t index);

/// What fits these images: no resize, crop 64, mean and std 0.5.
PreprocessSpec synthetic_preprocess();

}  // namespace vitrim::data
