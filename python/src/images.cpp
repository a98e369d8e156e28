#include "images.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "vitrim/core/error.h"
#include "vitrim/core/manifest.h"

namespace vitrim::python {

namespace {

class Labelled : public data::Dataset {
 public:
  Labelled(int64_t size, const std::vector<int64_t>& labels, int64_t max_pixels = data::kMaxPixels)
      : Dataset(max_pixels), size_(size), labels_(labels) {
    if (size == 0) throw std::invalid_argument("there are no images");
    if (!labels.empty() && static_cast<int64_t>(labels.size()) != size) {
      throw std::invalid_argument(std::to_string(labels.size()) + " labels for " + std::to_string(size) +
                                  " images");
    }
    for (const int64_t label : labels) {
      if (label < 0) throw std::invalid_argument("label " + std::to_string(label) + " is not a class index");
    }
  }
  int64_t size() const override { return size_; }
  int64_t label(int64_t index) const override {
    return labels_.empty() ? -1 : labels_.at(static_cast<size_t>(index));
  }
  int64_t num_classes() const override { return 0; }

 private:
  int64_t size_;
  std::vector<int64_t> labels_;
};

class ArrayImages : public Labelled {
 public:
  ArrayImages(const at::Tensor& pixels, const std::vector<int64_t>& labels)
      : Labelled(pixels.size(0), labels), pixels_(pixels) {
    const std::string_view bytes(reinterpret_cast<const char*>(pixels.const_data_ptr<uint8_t>()),
                                 static_cast<size_t>(pixels.numel()));
    fingerprint_ = std::to_string(size()) + " images, sha256 " + sha256_hex(bytes);
  }
  std::string name(int64_t index) const override { return "images[" + std::to_string(index) + "]"; }
  data::Image read(int64_t index) const override {
    data::Image image{pixels_.size(1), pixels_.size(2), {}};
    const int64_t bytes = image.height * image.width * 3;
    const uint8_t* begin = pixels_.const_data_ptr<uint8_t>() + index * bytes;
    image.pixels.assign(begin, begin + bytes);
    return image;
  }
  std::string description() const override { return "array of " + std::to_string(size()) + " images"; }
  std::string fingerprint() const override { return fingerprint_; }

 private:
  at::Tensor pixels_;
  std::string fingerprint_;
};

class FileImages : public Labelled {
 public:
  FileImages(const std::vector<std::string>& files, const std::vector<int64_t>& labels, int64_t max_pixels)
      : Labelled(static_cast<int64_t>(files.size()), labels, max_pixels), files_(files) {
    for (const std::string& file : files) {
      if (!std::filesystem::is_regular_file(file)) throw Error(file + ": there is no such file");
    }
  }
  std::string name(int64_t index) const override { return files_.at(static_cast<size_t>(index)); }
  data::Image read(int64_t index) const override {
    const std::string& file = files_.at(static_cast<size_t>(index));
    std::ifstream in(file, std::ios::binary);
    const std::vector<char> bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    if (!in) throw Error(file + ": the file could not be read");
    return data::decode_image(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), file,
                              max_pixels());
  }
  std::string description() const override { return "list of " + std::to_string(size()) + " files"; }
  std::string fingerprint() const override {
    std::vector<std::string> entries;
    for (const std::string& file : files_) {
      entries.push_back(std::filesystem::path(file).filename().string() + " " +
                        std::to_string(std::filesystem::file_size(file)));
    }
    return vitrim::fingerprint(entries);
  }

 private:
  std::vector<std::string> files_;
};

}  // namespace

std::unique_ptr<data::Dataset> array_images(const at::Tensor& pixels, const std::vector<int64_t>& labels) {
  if (pixels.scalar_type() != at::kByte || pixels.dim() != 4 || pixels.size(3) != 3 || !pixels.is_cpu() ||
      !pixels.is_contiguous() || pixels.numel() == 0) {
    throw std::invalid_argument(
        "images must be contiguous uint8 [n, height, width, 3] in main memory, at least one");
  }
  return std::make_unique<ArrayImages>(pixels, labels);
}

std::unique_ptr<data::Dataset> file_images(const std::vector<std::string>& files,
                                           const std::vector<int64_t>& labels,
                                           const data::DatasetOptions& options) {
  return std::make_unique<FileImages>(files, labels, options.max_pixels);
}

}  // namespace vitrim::python
