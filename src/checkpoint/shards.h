#pragma once
// Checkpoints in several files with an index, and the choice of a file in a folder.

#include <string>

#include "vitrim/checkpoint/tensor_view.h"

namespace vitrim::checkpoint {

/// Reads all tensors of an index (`model.safetensors.index.json`: {"weight_map": {tensor: file}}) from files
/// in its folder. Throws FormatError for text that is not such JSON, files outside of the folder, missing
/// files (all are listed), tensors that are missing in their file, and tensors that the index does not list.
Checkpoint load_shards(const std::string& index);

/// Reads a checkpoint of one file; throws FormatError if the file is an index.
Checkpoint load_file(const std::string& path);

/// The path of the checkpoint in a folder under one of the usual names. If there is none, throws
/// vitrim::Error that lists what the folder contains.
std::string checkpoint_in(const std::string& folder);

}  // namespace vitrim::checkpoint
