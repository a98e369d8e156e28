#pragma once
// What people hand over in place of a plain checkpoint, each with its remedy: one table, mistakes.cpp.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vitrim::checkpoint {

/// What a file that is no checkpoint is, by its first bytes or its name; empty where the table does not know
/// it.
std::string mistaken_file(std::string_view start, const std::string& path);
/// What a zip archive that torch.save did not write is, by the names of its records; empty where unknown.
std::string mistaken_archive(const std::vector<std::string>& records);
/// What a folder without a checkpoint is, by the names in it; empty where unknown.
std::string mistaken_folder(const std::vector<std::string>& names);

}  // namespace vitrim::checkpoint
