#include "data/folder_listing.h"

#include "vitrim/core/error.h"

namespace vitrim::data {

namespace fs = std::filesystem;

namespace {

bool hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

bool has_image_extension(const fs::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png";
}

}  // namespace

Listing list(const fs::path& folder) {
  Listing listing;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (hidden(entry.path())) continue;
    if (entry.is_directory()) {
      listing.folders.push_back(entry.path());
    } else if (has_image_extension(entry.path())) {
      listing.images.push_back(entry.path());
    }
  }
  return listing;
}

std::string file_line(const fs::path& root, const std::string& relative) {
  std::error_code error;
  const auto bytes = fs::file_size(root / relative, error);
  if (error) throw Error((root / relative).string() + ": " + error.message() + "; restore the file");
  return relative + " " + std::to_string(bytes);
}

}  // namespace vitrim::data
