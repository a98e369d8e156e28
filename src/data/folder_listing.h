#pragma once
// The contents of a folder of images, and the files that are skipped.

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace vitrim::data {

/// Files that look like images but are not read, counted by reason.
class PassedOver {
 public:
  /// An image in a format that is not read; `kind` is its description, ".bmp files".
  void add(const std::string& kind, const std::filesystem::path& path);
  bool empty() const { return kinds_.empty(); }
  /// "3 .bmp files (the first: a/b.bmp), 1 pipe (...)".
  std::string text() const;
  /// The same without the first names: "3 .bmp files, 1 pipe".
  std::string counts() const;
  void merge(const PassedOver& other);
  /// Logs one warning about all of them; nothing if there are none.
  void warn(const std::filesystem::path& root) const;

 private:
  struct Kind {
    int64_t count = 0;
    std::string first;
  };
  std::map<std::string, Kind> kinds_;
};

/// The entries of a folder that are not hidden: images (including dangling links, so that their loss is
/// noticed), folders, and skipped files. An image is a regular file with the extension of a format that is
/// decoded, or with another format's extension if its content is in a format that is decoded.
struct Listing {
  std::vector<std::filesystem::path> images, folders;
  PassedOver passed_over;
};

Listing list(const std::filesystem::path& folder);
/// "RELATIVE BYTES", for fingerprints. Throws Error if the file no longer exists.
std::string file_line(const std::filesystem::path& root, const std::string& relative);

}  // namespace vitrim::data
