#pragma once
// Reads which attention layers compress() makes static.

#include <string>

#include "vitrim/pipeline/compress.h"

namespace vitrim::pipeline {

/// Sets the static layers of `options` for a model of `blocks` blocks: `text` lists them ("0,1,3"), or is the
/// number of layers that a search chooses ("25%" or "best:3"). options.layers must be set before. Throws
/// std::invalid_argument on anything else, on no layer, and on a layer that options.layers removes.
void set_static_layers(CompressOptions& options, const std::string& text, int blocks);

}  // namespace vitrim::pipeline
