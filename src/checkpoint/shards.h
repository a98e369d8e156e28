#pragma once
// Checkpoints in several files under one index, and the file that is meant where a folder is named.

#include <string>

#include "vitrim/checkpoint/tensor_view.h"

namespace vitrim::checkpoint {

/// Reads what an index (`model.safetensors.index.json`: {"weight_map": {tensor: file}}) names, from files
/// that lie beside it. FormatError for: text that is not such JSON, files outside of its folder, missing
/// files (all of them), tensors that their file lacks, tensors that the index does not name.
Checkpoint load_shards(const std::string& index);

/// A checkpoint that is one file; FormatError where it is an index itself.
Checkpoint load_file(const std::string& path);

/// The checkpoint that a folder holds under its usual name. Throws vitrim::Error that says what is there
/// where there is none.
std::string checkpoint_in(const std::string& folder);

}  // namespace vitrim::checkpoint
