#include <charconv>
#include <stdexcept>

#include "data/sources.h"
#include "vitrim/core/error.h"
#include "vitrim/core/manifest.h"
#include "vitrim/data/synthetic.h"

namespace vitrim::data {
namespace {

class Synthetic final : public Dataset {
 public:
  Synthetic(SyntheticSplit split, int64_t count) : split_(split), count_(count) {}

  int64_t size() const override { return count_; }
  int64_t num_classes() const override { return kSyntheticClasses; }
  int64_t label(int64_t index) const override { return synthetic_label(split_, checked(index)); }
  Image read(int64_t index) const override { return draw_synthetic(split_, checked(index)); }

  std::string name(int64_t index) const override {
    return "synthetic:" + to_string(split_) + ":" + std::to_string(checked(index));
  }

  std::string description() const override {
    return "synthetic set, " + to_string(split_) + ", " + std::to_string(count_) + " images";
  }

  std::string fingerprint() const override {
    std::vector<std::string> names;
    const std::string version = " version " + std::to_string(kSyntheticVersion);
    for (int64_t i = 0; i < count_; ++i) names.push_back(name(i) + version);
    return vitrim::fingerprint(names);
  }

 private:
  int64_t checked(int64_t index) const {
    if (index >= 0 && index < count_) return index;
    throw std::out_of_range("[data::Synthetic] no image " + std::to_string(index));
  }

  SyntheticSplit split_;
  int64_t count_;
};

/// The same images with masks instead of labels.
class SyntheticMasks final : public Dataset {
 public:
  SyntheticMasks(SyntheticSplit split, int64_t count) : images_(split, count), split_(split) {}
  int64_t size() const override { return images_.size(); }
  int64_t num_classes() const override { return kSyntheticMaskClasses; }
  int64_t label(int64_t) const override { return -1; }
  Image read(int64_t index) const override { return images_.read(index); }
  bool has_masks() const override { return true; }
  Mask read_mask(int64_t index) const override {
    images_.name(index);  // throws if there is no such image
    return draw_synthetic_mask(split_, index).mask;
  }
  std::vector<std::string> class_names() const override { return synthetic_mask_class_names(); }
  std::string name(int64_t index) const override { return images_.name(index); }
  std::string description() const override { return images_.description() + " with masks"; }
  std::string fingerprint() const override { return images_.fingerprint() + ", masks"; }

 private:
  Synthetic images_;
  SyntheticSplit split_;
};

struct Part {
  SyntheticSplit split;
  int64_t count;
};

/// SET:SPLIT[:COUNT]
Part parse_part(const std::string& source) {
  const std::string set = source.substr(0, source.find(':'));
  constexpr int64_t kMost = 10'000'000;
  const auto fail = [&](const std::string& what) -> Error {
    return Error(source + ": " + what + "; write " + set +
                 ":SPLIT[:COUNT] with train, calib, val or test and 1 to " + std::to_string(kMost) +
                 " images");
  };
  const size_t split_begin = source.find(':');
  if (split_begin == std::string::npos) throw fail("no split was named");
  const size_t split_end = source.find(':', split_begin + 1);
  const std::string name = source.substr(
      split_begin + 1, split_end == std::string::npos ? split_end : split_end - split_begin - 1);
  SyntheticSplit split;
  try {
    split = parse_synthetic_split(name);
  } catch (const std::invalid_argument&) {
    throw fail("the synthetic set has no split \"" + name + "\"");
  }
  int64_t count = synthetic_default_count(split);
  if (split_end != std::string::npos) {
    const char* first = source.data() + split_end + 1;
    const char* last = source.data() + source.size();
    const auto parsed = std::from_chars(first, last, count);
    if (parsed.ec != std::errc() || parsed.ptr != last || count < 1 || count > kMost) {
      throw fail("\"" + std::string(first, last) + "\" is not a number of images");
    }
  }
  return {split, count};
}

}  // namespace

std::unique_ptr<Dataset> open_synthetic(const std::string& source) {
  const Part part = parse_part(source);
  return std::make_unique<Synthetic>(part.split, part.count);
}

std::unique_ptr<Dataset> open_synthetic_masks(const std::string& source) {
  const Part part = parse_part(source);
  return std::make_unique<SyntheticMasks>(part.split, part.count);
}

}  // namespace vitrim::data
