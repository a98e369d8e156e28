#pragma once
// What the native engine follows of a spec.

#include "vitrim/architecture/executor.h"

namespace vitrim::runtime {

/// A field or a kind that is not declared here is refused with a sentence that names it
/// (architecture::why_not()). Declare a new one once its arithmetic is there.
const architecture::Executor& executor();

}  // namespace vitrim::runtime
