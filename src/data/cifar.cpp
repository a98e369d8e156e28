// CIFAR's binary layouts (https://www.cs.toronto.edu/~kriz/cifar.html): records without a header, 32 x 32
// pixels, channel planes. CIFAR-10: label, pixels. CIFAR-100: coarse label, fine label, pixels; the fine
// label is used.

#include <filesystem>
#include <mutex>

#include "data/random_access_file.h"
#include "data/sources.h"
#include "vitrim/core/error.h"
#include "vitrim/core/manifest.h"

namespace vitrim::data {
namespace {

constexpr int64_t kCifarSide = 32, kPlane = kCifarSide * kCifarSide, kPixels = 3 * kPlane;

struct Layout {
  const char* name;
  int64_t label_bytes;  ///< the last one is the class
  int64_t classes;
  int64_t record() const { return label_bytes + kPixels; }
};

constexpr Layout kCifar10{"cifar10", 1, 10}, kCifar100{"cifar100", 2, 100};
constexpr int64_t kCoarseClasses = 20;
constexpr int64_t kMostCifarBytes = int64_t{1} << 33;  // 2.8 million images; the published files have 50000

/// Index of the first record whose labels are out of range, or -1; `bytes` consists of whole records.
int64_t first_bad_label(const Layout& layout, const std::string& bytes) {
  const int64_t records = static_cast<int64_t>(bytes.size()) / layout.record();
  for (int64_t i = 0; i < records; ++i) {
    const auto* labels = reinterpret_cast<const uint8_t*>(bytes.data()) + i * layout.record();
    if (labels[layout.label_bytes - 1] >= layout.classes) return i;
    if (layout.label_bytes == 2 && labels[0] >= kCoarseClasses) return i;
  }
  return -1;
}

class Cifar final : public Dataset {
 public:
  Cifar(std::string file, const Layout& layout, std::string bytes)
      : file_(std::move(file)), layout_(layout), bytes_(std::move(bytes)) {}

  int64_t size() const override { return static_cast<int64_t>(bytes_.size()) / layout_.record(); }
  int64_t label(int64_t index) const override { return record(index)[layout_.label_bytes - 1]; }
  int64_t num_classes() const override { return layout_.classes; }

  std::string name(int64_t index) const override {
    return std::string(layout_.name) + ":" + stem() + ":" + std::to_string(index);
  }

  Image read(int64_t index) const override {
    const uint8_t* planes = record(index) + layout_.label_bytes;
    Image image{kCifarSide, kCifarSide, std::vector<uint8_t>(kPixels)};
    for (int64_t i = 0; i < kPlane; ++i) {
      for (int64_t c = 0; c < 3; ++c) image.pixels[i * 3 + c] = planes[c * kPlane + i];
    }
    return image;
  }

  std::string description() const override {
    return std::string(layout_.name) + " file " + file_ + ", " + std::to_string(size()) + " images";
  }

  std::string fingerprint() const override {
    const std::string name = std::filesystem::path(file_).filename().string();
    std::call_once(hashed_, [&] { hash_ = sha256_hex(bytes_); });  // all files of one split have one size
    return vitrim::fingerprint({name + " " + hash_});
  }

 private:
  std::string stem() const { return std::filesystem::path(file_).stem().string(); }

  const uint8_t* record(int64_t index) const {
    if (index < 0 || index >= size())
      throw std::out_of_range("[data::Cifar] no image " + std::to_string(index));
    return reinterpret_cast<const uint8_t*>(bytes_.data()) + index * layout_.record();
  }

  std::string file_;
  Layout layout_;
  std::string bytes_;
  mutable std::once_flag hashed_;
  mutable std::string hash_;
};

}  // namespace

std::unique_ptr<Dataset> open_cifar(const std::string& file) {
  std::string bytes = read_regular_file(file, kMostCifarBytes, "CIFAR binary");
  const int64_t count = static_cast<int64_t>(bytes.size());
  if (count == 0) throw FormatError(file, "", "empty file; a CIFAR binary has 3073 or 3074 bytes an image");
  // Sizes that are multiples of both record sizes are rare but possible; then the labels decide.
  std::string problem = "size " + std::to_string(count) +
                        " is not a multiple of 3073 (CIFAR-10) or 3074 (CIFAR-100) bytes; the file is cut "
                        "off or not a CIFAR binary";
  for (const Layout& layout : {kCifar100, kCifar10}) {
    if (count % layout.record() != 0) continue;
    const int64_t bad = first_bad_label(layout, bytes);
    if (bad < 0) return std::make_unique<Cifar>(file, layout, std::move(bytes));
    problem = "record " + std::to_string(bad) + " has a label that " + layout.name +
              " does not have; the file is not a CIFAR binary";
  }
  throw FormatError(file, "", problem);
}

}  // namespace vitrim::data
