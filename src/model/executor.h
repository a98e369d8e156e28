#pragma once
// What LibTorch's path follows of a spec.

#include "vitrim/architecture/executor.h"

namespace vitrim::model {

/// A field or a kind that is not declared here is refused with a sentence that names it
/// (architecture::why_not()). Declare a new one once its arithmetic is there.
const architecture::Executor& executor();

}  // namespace vitrim::model
