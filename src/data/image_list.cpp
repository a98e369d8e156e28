#include "vitrim/data/image_list.h"

#include <algorithm>
#include <filesystem>

#include "data/image_format.h"
#include "data/random_access_file.h"
#include "vitrim/core/error.h"
#include "vitrim/core/manifest.h"

namespace vitrim::data {
namespace {

namespace fs = std::filesystem;

/// One file.
class ImageFile final : public Dataset {
 public:
  ImageFile(std::string path, int64_t max_pixels) : Dataset(max_pixels), path_(std::move(path)) {
    bytes_ = RandomAccessFile(path_).size();
  }
  int64_t size() const override { return 1; }
  int64_t label(int64_t) const override { return -1; }
  std::string name(int64_t) const override { return path_; }
  int64_t num_classes() const override { return 0; }
  Image read(int64_t) const override {
    const std::string bytes = read_regular_file(path_, kMaxImageBytes, "image");
    return decode_image(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), path_, max_pixels());
  }
  std::string description() const override { return "image " + path_; }
  std::string fingerprint() const override {
    return vitrim::fingerprint({fs::path(path_).filename().string() + " " + std::to_string(bytes_)});
  }

 private:
  std::string path_;
  int64_t bytes_ = 0;
};

/// The concatenation of several sets.
class ImageList final : public Dataset {
 public:
  ImageList(std::vector<std::unique_ptr<Dataset>> parts, int64_t max_pixels)
      : Dataset(max_pixels), parts_(std::move(parts)) {
    for (const auto& part : parts_) ends_.push_back(size() + part->size());
  }
  int64_t size() const override { return ends_.empty() ? 0 : ends_.back(); }
  int64_t label(int64_t) const override { return -1; }
  std::string name(int64_t index) const override {
    const auto [part, inside] = place(index);
    return part->name(inside);
  }
  int64_t num_classes() const override { return 0; }
  Image read(int64_t index) const override {
    const auto [part, inside] = place(index);
    return part->read(inside);
  }
  std::string description() const override {
    return parts_.size() == 1 ? parts_.front()->description()
                              : "list of " + std::to_string(size()) + " images";
  }
  std::string fingerprint() const override {
    std::vector<std::string> lines;
    for (const auto& part : parts_) lines.push_back(part->fingerprint());
    return vitrim::fingerprint(lines);
  }

 private:
  std::pair<const Dataset*, int64_t> place(int64_t index) const {
    const auto part =
        static_cast<size_t>(std::upper_bound(ends_.begin(), ends_.end(), index) - ends_.begin());
    return {parts_.at(part).get(), index - (part == 0 ? 0 : ends_[part - 1])};
  }

  std::vector<std::unique_ptr<Dataset>> parts_;
  std::vector<int64_t> ends_;  // one past the last index of each
};

/// Whether `source` is read as one image: it exists and is nothing that open_dataset() reads.
bool is_image(const std::string& source) {
  std::error_code error;
  const fs::file_status status = fs::status(source, error);
  if (!fs::exists(status) || fs::is_directory(status)) return false;
  const std::string ending = lower_ascii(fs::path(source).extension().string());
  return ending != ".bin" && !is_tar_name(source);
}

}  // namespace

std::unique_ptr<Dataset> open_images(const std::vector<std::string>& sources, const DatasetOptions& options) {
  DatasetOptions unlabelled = options;
  unlabelled.labels = false;
  std::vector<std::unique_ptr<Dataset>> parts;
  for (const std::string& source : sources) {
    if (is_image(source)) {
      parts.push_back(std::make_unique<ImageFile>(source, options.max_pixels));
    } else {
      parts.push_back(open_dataset(source, unlabelled));
    }
  }
  return std::make_unique<ImageList>(std::move(parts), options.max_pixels);
}

}  // namespace vitrim::data
