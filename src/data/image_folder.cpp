// Folders of image files: one folder per class, or all images in one folder without labels.

#include <algorithm>
#include <filesystem>

#include "data/class_order.h"
#include "data/folder_listing.h"
#include "data/image_format.h"
#include "data/random_access_file.h"
#include "data/sources.h"
#include "data/unicode.h"
#include "vitrim/core/error.h"
#include "vitrim/core/manifest.h"

namespace vitrim::data {
namespace {

namespace fs = std::filesystem;

struct ImageEntry {
  std::string relative;  ///< path below the set's folder, with forward slashes
  int64_t label = -1;
};

/// Names that mean parts of a data set when several of them occur.
bool is_split(const std::string& name) {
  static constexpr std::string_view kSplits[] = {"train", "training",  "val",    "valid", "validation",
                                                 "test",  "testing",   "dev",    "eval",  "evaluation",
                                                 "calib", "unlabeled", "holdout"};
  const std::string word = lower_case(name);
  return std::find(std::begin(kSplits), std::end(kSplits), word) != std::end(kSplits);
}

/// Sibling folders that contain images.
struct Parts {
  std::vector<std::string> splits;
  size_t with_images = 0, nested = 0;

  void add(const std::string& name, bool holds_folders) {
    ++with_images;
    if (!is_split(name)) return;
    splits.push_back(name);
    nested += holds_folders ? 1 : 0;
  }
  /// A class may be called train or test, but hardly two classes, and not all of them.
  bool are_of_a_set() const { return !splits.empty() && (splits.size() == with_images || nested >= 2); }
  [[noreturn]] void fail(const fs::path& folder) const {
    std::string text;
    for (const std::string& name : splits) text += (text.empty() ? "" : ", ") + name;
    throw Error(folder.string() + ": holds parts of a data set (" + text +
                "), not classes; name one of them, " + (folder / splits.front()).string());
  }
};

/// Whether some of these images are in subfolders of `folder`.
template <typename Iterator>
bool are_nested(Iterator begin, Iterator end, const fs::path& folder) {
  return std::any_of(begin, end, [&](const fs::path& image) { return image.parent_path() != folder; });
}

/// All images below `folder`, at any depth. Images of several parts of a set are not mixed unless `parts_too`
/// is set.
void collect(const fs::path& folder, int64_t depth, bool parts_too, Listing& found) {
  constexpr int64_t kMaxDepth = 32;  // a link to a parent folder would never end
  if (depth > kMaxDepth) {
    throw Error(folder.string() + ": folders nest deeper than " + std::to_string(kMaxDepth) +
                "; remove circular links");
  }
  Listing listing = list(folder);
  found.images.insert(found.images.end(), listing.images.begin(), listing.images.end());
  found.passed_over.merge(listing.passed_over);
  std::sort(listing.folders.begin(), listing.folders.end());
  Parts parts;
  for (const fs::path& inner : listing.folders) {
    const size_t before = found.images.size();
    collect(inner, depth + 1, parts_too, found);
    const auto begin = found.images.begin() + static_cast<std::ptrdiff_t>(before);
    if (begin != found.images.end())
      parts.add(inner.filename().string(), are_nested(begin, found.images.end(), inner));
  }
  if (!parts_too && parts.splits.size() > 1 && parts.are_of_a_set()) parts.fail(folder);
}

class ImageFolder final : public Dataset {
 public:
  ImageFolder(fs::path root, std::vector<ImageEntry> entries, std::vector<std::string> names,
              int64_t max_pixels)
      : Dataset(max_pixels), root_(std::move(root)), entries_(std::move(entries)), names_(std::move(names)) {}

  int64_t size() const override { return static_cast<int64_t>(entries_.size()); }
  int64_t label(int64_t index) const override { return entries_.at(index).label; }
  std::string name(int64_t index) const override { return (root_ / entries_.at(index).relative).string(); }
  int64_t num_classes() const override { return static_cast<int64_t>(names_.size()); }
  std::vector<std::string> class_names() const override { return names_; }

  Image read(int64_t index) const override {
    const std::string path = name(index);
    const std::string bytes = read_regular_file(path, kMaxImageBytes, "image");
    return decode_image(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), path, max_pixels());
  }

  std::string description() const override {
    return "image folder " + root_.string() + ", " + std::to_string(size()) + " images" +
           (names_.empty() ? " without labels" : "");
  }

  std::string fingerprint() const override {
    std::vector<std::string> lines;
    lines.reserve(entries_.size());
    for (const ImageEntry& entry : entries_) {
      lines.push_back(file_line(root_, entry.relative));
    }
    return vitrim::fingerprint(lines);
  }

 private:
  fs::path root_;
  std::vector<ImageEntry> entries_;
  std::vector<std::string> names_;  // none: no labels
};

std::vector<ImageEntry> make_entries(const fs::path& root, const std::vector<fs::path>& images,
                                     int64_t label) {
  std::vector<ImageEntry> entries;
  entries.reserve(images.size());
  for (const fs::path& path : images)
    entries.push_back({path.lexically_relative(root).generic_string(), label});
  std::sort(entries.begin(), entries.end(),
            [](const ImageEntry& a, const ImageEntry& b) { return a.relative < b.relative; });
  return entries;
}

/// A subfolder of the data set, with all images in it.
struct Class {
  std::string name;
  Listing found;
  bool nested = false;  ///< it contains folders
};

/// A folder of splits would make "train" and "val" classes, or mix evaluation images with training images.
void refuse_splits(const fs::path& root, const std::vector<Class>& classes) {
  Parts parts;
  for (const Class& one : classes) {
    if (!one.found.images.empty()) parts.add(one.name, one.nested);
  }
  if (parts.are_of_a_set()) parts.fail(root);
}

std::vector<Class> collect_classes(const std::vector<fs::path>& folders, bool parts_too) {
  std::vector<Class> out;
  for (const fs::path& folder : folders) {
    Class one{folder.filename().string(), {}, false};
    collect(folder, 1, parts_too, one.found);
    one.nested = are_nested(one.found.images.begin(), one.found.images.end(), folder);
    out.push_back(std::move(one));
  }
  return out;
}

/// Skipping such a folder would shift the indices of all later classes.
void refuse_without_images(const fs::path& root, const std::vector<Class>& classes) {
  for (const Class& one : classes) {
    if (!one.found.images.empty()) continue;
    const std::string folder = (root / one.name).string();
    if (!one.found.passed_over.empty()) {
      throw Error(folder + ": class folder with " + one.found.passed_over.counts() +
                  ", which vitrim does not read; convert them to PNG, JPEG or WebP");
    }
    throw Error(folder + ": class folder without images; remove it or name a class list");
  }
}

[[noreturn]] void fail_empty(const fs::path& root, const PassedOver& passed_over) {
  throw Error(root.string() + ": no image (" + kDecodedEndings + ") in this folder or below" +
              (passed_over.empty()
                   ? "; name a folder with images"
                   : ", but " + passed_over.text() + ", which vitrim does not read; convert them"));
}

std::unique_ptr<Dataset> scan(const fs::path& root, const DatasetOptions& options) {
  Listing top = list(root);
  std::sort(top.folders.begin(), top.folders.end());
  std::vector<Class> classes = collect_classes(top.folders, !options.classes_file.empty());
  PassedOver passed_over = top.passed_over;
  bool none = true;
  for (const Class& one : classes) {
    passed_over.merge(one.found.passed_over);
    none = none && one.found.images.empty();
  }
  if (none && top.images.empty()) fail_empty(root, passed_over);
  if (none) {
    passed_over.warn(root);
    return std::make_unique<ImageFolder>(root, make_entries(root, top.images, -1), std::vector<std::string>(),
                                         options.max_pixels);
  }
  if (!top.images.empty()) {
    const auto first =
        std::find_if(classes.begin(), classes.end(), [](const Class& c) { return !c.found.images.empty(); });
    throw Error(root.string() + ": holds images (" + top.images.front().filename().string() +
                ") beside class folders (" + first->name + "); keep only one of the two");
  }
  if (options.classes_file.empty()) refuse_splits(root, classes);
  ClassIndices indices;
  if (options.labels) {
    std::vector<std::string> names;
    for (const Class& one : classes) {
      if (!one.found.images.empty()) names.push_back(one.name);
    }
    indices = class_indices(names, options, root.string());
    if (!indices.named) refuse_without_images(root, classes);
  }
  std::erase_if(classes, [](const Class& c) { return c.found.images.empty(); });
  passed_over.warn(root);
  std::vector<ImageEntry> entries;
  for (size_t i = 0; i < classes.size(); ++i) {
    const std::vector<ImageEntry> more =
        make_entries(root, classes[i].found.images, options.labels ? indices.of_folder[i] : -1);
    entries.insert(entries.end(), more.begin(), more.end());
  }
  return std::make_unique<ImageFolder>(root, std::move(entries), std::move(indices.names),
                                       options.max_pixels);
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
