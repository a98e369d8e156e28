#pragma once
// Which parameter is whose: families name theirs as their reference does.

#include "vitrim/architecture/stages.h"

namespace vitrim::model {

using architecture::block_prefix;
using architecture::has_mlp_convolution;
using architecture::projection_name;
using architecture::stream_writers;

}  // namespace vitrim::model
