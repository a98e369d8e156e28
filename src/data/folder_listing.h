#pragma once
// What a folder of images holds.

#include <filesystem>
#include <string>
#include <vector>

namespace vitrim::data {

/// The folder's entries that are not hidden: images (dangling links too, so that their loss is noticed) and
/// folders.
struct Listing {
  std::vector<std::filesystem::path> images, folders;
};

Listing list(const std::filesystem::path& folder);
/// "RELATIVE BYTES", for fingerprints. Throws Error where the file is gone.
std::string file_line(const std::filesystem::path& root, const std::string& relative);

}  // namespace vitrim::data
