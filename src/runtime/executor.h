#pragma once
// The fields and kinds of a spec that the native engine implements.

#include "vitrim/architecture/executor.h"

namespace vitrim::runtime {

/// A field or kind that is not declared here is refused with a sentence that names it
/// (architecture::why_not()). Declare a new one when its arithmetic is implemented.
const architecture::Executor& executor();

}  // namespace vitrim::runtime
