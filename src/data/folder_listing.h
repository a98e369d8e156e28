#pragma once
// What a folder of images holds, and what of it is passed over.

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace vitrim::data {

/// Files that look like images and are not read, counted by why.
class PassedOver {
 public:
  /// An image in a format that is not read; `kind` is how it is called, ".bmp files".
  void add(const std::string& kind, const std::filesystem::path& path);
  bool empty() const { return kinds_.empty(); }
  /// "3 .bmp files (the first: a/b.bmp), 1 pipe (...)".
  std::string text() const;
  /// The same without the first names: "3 .bmp files, 1 pipe".
  std::string counts() const;
  void merge(const PassedOver& other);
  /// Warns of all of them, once; nothing where there are none.
  void warn(const std::filesystem::path& root) const;

 private:
  struct Kind {
    int64_t count = 0;
    std::string first;
  };
  std::map<std::string, Kind> kinds_;
};

/// The folder's entries that are not hidden: images (dangling links too, so that their loss is noticed),
/// folders, and what is passed over. An image is a regular file whose name ends as one that is decoded, or as
/// another format's while its content is one that is decoded.
struct Listing {
  std::vector<std::filesystem::path> images, folders;
  PassedOver passed_over;
};

Listing list(const std::filesystem::path& folder);
/// "RELATIVE BYTES", for fingerprints. Throws Error where the file is gone.
std::string file_line(const std::filesystem::path& root, const std::string& relative);

}  // namespace vitrim::data
