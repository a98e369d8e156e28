#pragma once
// The calibration of one block.

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "quantize/work.h"
#include "vitrim/quantize/calibrate.h"

namespace vitrim::quantize {

/// What was done to a unit; the key is the name of its first layer.
struct UnitNotes {
  double alpha = 0;
  bool refitted = false;
};

struct Notes {
  std::map<std::string, UnitNotes> units;
  std::vector<Snapshot> equalised;  ///< state of every block after equalisation, before its biases were
                                    ///< corrected and its layers refitted
};

/// The streams before a block, float32 [n, N, C]; the images for the fit come first. The float model's stream
/// after the block is computed on the way.
struct BlockStreams {
  at::Tensor teacher, student;
  int64_t fit = 0;     ///< number of images for the fit
  int64_t choose = 0;  ///< number of images after them that choose; the others are only propagated
};

/// Calibrates block `index` of `work` and returns the streams after it.
BlockStreams calibrate_block(Work& work, const model::Model& teacher, int index, const BlockStreams& streams,
                             const CalibrateOptions& options, Notes& notes);

}  // namespace vitrim::quantize
