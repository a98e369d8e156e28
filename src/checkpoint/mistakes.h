#pragma once
// Inputs that users often pass instead of a plain checkpoint, each with its remedy. The table is in
// mistakes.cpp.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vitrim::checkpoint {

/// A description of a file that is not a checkpoint, by its first bytes or its name; empty if the table does
/// not contain it.
std::string mistaken_file(std::string_view start, const std::string& path);
/// A description of a zip archive that torch.save did not write, by the names of its records; empty if
/// unknown.
std::string mistaken_archive(const std::vector<std::string>& records);
/// A description of a folder without a checkpoint, by the names in it; empty if unknown.
std::string mistaken_folder(const std::vector<std::string>& names);

}  // namespace vitrim::checkpoint
