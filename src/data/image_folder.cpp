// Folders of JPEG and PNG files: one folder a class, or all images in one folder without labels.

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include "data/folder_listing.h"
#include "data/sources.h"
#include "vitrim/core/atomic_file.h"
#include "vitrim/core/error.h"
#include "vitrim/core/manifest.h"

namespace vitrim::data {
namespace {

namespace fs = std::filesystem;

struct Entry {
  std::string relative;  ///< path below the set's folder, with forward slashes
  int64_t label = -1;
};

/// All images below `folder`, at any depth.
void collect(const fs::path& folder, int64_t depth, std::vector<fs::path>& images) {
  constexpr int64_t kMaxDepth = 32;  // a link to a folder above it would never end
  if (depth > kMaxDepth) {
    throw Error(folder.string() + ": folders nest deeper than " + std::to_string(kMaxDepth) +
                "; remove links that lead in circles");
  }
  const Listing listing = list(folder);
  images.insert(images.end(), listing.images.begin(), listing.images.end());
  for (const fs::path& inner : listing.folders) collect(inner, depth + 1, images);
}

/// Folder name to class index from a class list.
std::map<std::string, int64_t> read_classes(const std::string& file) {
  std::map<std::string, int64_t> ranks;
  std::istringstream lines(read_text_file(file));
  std::string line;
  for (int64_t number = 1; std::getline(lines, line); ++number) {
    std::istringstream words(line);
    std::string name;
    words >> name;
    const std::string where = "line " + std::to_string(number);
    if (name.empty()) {
      std::string rest;
      if (lines >> rest)
        throw FormatError(file, where, "empty line between classes would shift their indices; remove it");
      break;
    }
    if (!ranks.emplace(name, number - 1).second)
      throw FormatError(file, where, "class " + name + " is there twice; remove one");
  }
  if (ranks.empty()) throw FormatError(file, "", "no class in the class list; write one folder name a line");
  return ranks;
}

class ImageFolder final : public Dataset {
 public:
  ImageFolder(fs::path root, std::vector<Entry> entries, int64_t classes)
      : root_(std::move(root)), entries_(std::move(entries)), classes_(classes) {}

  int64_t size() const override { return static_cast<int64_t>(entries_.size()); }
  int64_t label(int64_t index) const override { return entries_.at(index).label; }
  std::string name(int64_t index) const override { return (root_ / entries_.at(index).relative).string(); }
  int64_t num_classes() const override { return classes_; }

  Image read(int64_t index) const override {
    const std::string path = name(index);
    const std::string bytes = read_text_file(path);
    return decode_image(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), path);
  }

  std::string description() const override {
    return "image folder " + root_.string() + ", " + std::to_string(size()) + " images" +
           (classes_ == 0 ? " without labels" : "");
  }

  std::string fingerprint() const override {
    std::vector<std::string> lines;
    lines.reserve(entries_.size());
    for (const Entry& entry : entries_) {
      lines.push_back(file_line(root_, entry.relative));
    }
    return vitrim::fingerprint(lines);
  }

 private:
  fs::path root_;
  std::vector<Entry> entries_;
  int64_t classes_;
};

std::vector<Entry> make_entries(const fs::path& root, const std::vector<fs::path>& images, int64_t label) {
  std::vector<Entry> entries;
  entries.reserve(images.size());
  for (const fs::path& path : images)
    entries.push_back({path.lexically_relative(root).generic_string(), label});
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.relative < b.relative; });
  return entries;
}

std::unique_ptr<Dataset> scan(const fs::path& root, const DatasetOptions& options) {
  Listing top = list(root);
  std::sort(top.folders.begin(), top.folders.end());
  std::vector<std::pair<std::string, std::vector<fs::path>>> classes;
  std::string without_images;
  for (const fs::path& folder : top.folders) {
    std::vector<fs::path> images;
    collect(folder, 1, images);
    if (images.empty()) {
      without_images = folder.filename().string();
    } else {
      classes.emplace_back(folder.filename().string(), std::move(images));
    }
  }
  if (classes.empty() && top.images.empty()) {
    throw Error(root.string() +
                ": no image (.jpg, .jpeg, .png) in this folder or below; name a folder with images");
  }
  if (classes.empty()) return std::make_unique<ImageFolder>(root, make_entries(root, top.images, -1), 0);
  if (!top.images.empty()) {
    throw Error(root.string() + ": holds images (" + top.images.front().filename().string() +
                ") beside class folders (" + classes.front().first + "); keep only one of the two");
  }
  std::map<std::string, int64_t> ranks;
  if (!options.classes_file.empty()) {
    ranks = read_classes(options.classes_file);
  } else {
    // Skipping such a folder would shift the indices of all classes after it.
    if (!without_images.empty()) {
      throw Error((root / without_images).string() +
                  ": class folder without images; remove it or name a class list");
    }
    for (const auto& [folder, images] : classes) ranks.emplace(folder, static_cast<int64_t>(ranks.size()));
  }
  std::vector<Entry> entries;
  for (const auto& [folder, images] : classes) {
    const auto rank = ranks.find(folder);
    if (rank == ranks.end()) {
      throw Error((root / folder).string() + ": folder " + folder + " is not in the class list " +
                  options.classes_file + "; add or remove it");
    }
    const std::vector<Entry> more = make_entries(root, images, rank->second);
    entries.insert(entries.end(), more.begin(), more.end());
  }
  return std::make_unique<ImageFolder>(root, std::move(entries), static_cast<int64_t>(ranks.size()));
}

}  // namespace

std::unique_ptr<Dataset> open_image_folder(const std::string& folder, const DatasetOptions& options) {
  fs::path root = fs::path(folder).lexically_normal();
  if (!root.has_filename()) root = root.parent_path();  // "images/" and "images" are the same
  try {
    return scan(root.empty() ? fs::path(folder) : root, options);
  } catch (const fs::filesystem_error& error) {
    throw Error(error.path1().string() + ": " + error.code().message() + "; make the folder readable");
  }
}

}  // namespace vitrim::data
