#pragma once
// Some of the images, spread over all of them.

#include "vitrim/data/loader.h"

namespace vitrim::pipeline {

/// `count` images spread evenly; all of them if count is 0 or not smaller than their number.
data::ImageBatch subset(const data::ImageBatch& images, int64_t count);

}  // namespace vitrim::pipeline
