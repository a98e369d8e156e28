#pragma once
// The fields and kinds of a spec that the writers of ONNX graphs, of checkpoints, and of checkpoints for timm
// implement.

#include "vitrim/architecture/executor.h"

namespace vitrim::exporter {

/// A field or kind that is not declared here is refused with a sentence that names it
/// (architecture::why_not()). Declare a new one when its arithmetic is implemented. This one is for ONNX
/// graphs.
const architecture::Executor& executor();
/// For folded checkpoints, which have no int8 layers.
const architecture::Executor& checkpoint_executor();
/// For timm's classes of ViT, DeiT and Swin.
const architecture::Executor& timm_executor();

}  // namespace vitrim::exporter
