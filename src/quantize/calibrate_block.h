#pragma once
// One block's calibration.

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "quantize/work.h"
#include "vitrim/quantize/calibrate.h"

namespace vitrim::quantize {

/// What was done to a unit, by the name of its first layer.
struct UnitNotes {
  double alpha = 0;
  bool refitted = false;
};

struct Notes {
  std::map<std::string, UnitNotes> units;
  std::vector<Snapshot> equalised;  ///< of every block, before its biases were corrected and layers refitted
};

/// The streams before a block, float32 [n, N, C], images to fit first. The float model's stream after it is
/// made on the way.
struct BlockStreams {
  at::Tensor teacher, student;
  int64_t fit = 0;     ///< images that fit
  int64_t choose = 0;  ///< images after those that choose; the others only come along
};

/// Calibrates block `index` of `work` and returns the streams after it.
BlockStreams calibrate_block(Work& work, const model::Model& teacher, int index, const BlockStreams& streams,
                             const CalibrateOptions& options, Notes& notes);

}  // namespace vitrim::quantize
