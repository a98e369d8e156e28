#pragma once
// What the writers of ONNX graphs, of checkpoints and of those for timm follow of a spec.

#include "vitrim/architecture/executor.h"

namespace vitrim::exporter {

/// A field or a kind that is not declared here is refused with a sentence that names it
/// (architecture::why_not()). Declare a new one once its arithmetic is there. This one is that of ONNX
/// graphs.
const architecture::Executor& executor();
/// Of folded checkpoints, which hold no int8 layers.
const architecture::Executor& checkpoint_executor();
/// Of timm's classes for ViT, DeiT and Swin.
const architecture::Executor& timm_executor();

}  // namespace vitrim::exporter
