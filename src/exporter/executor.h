#pragma once
// What the ONNX and timm writers follow of a spec.

#include "vitrim/architecture/executor.h"

namespace vitrim::exporter {

/// A field or a kind that is not declared here is refused with a sentence that names it
/// (architecture::why_not()). Declare a new one once its arithmetic is there.
const architecture::Executor& executor();

}  // namespace vitrim::exporter
