// Semantic segmentation in ADE20K's layout (Zhou et al. 2017): `images/NAME.jpg` and `annotations/NAME.png`,
// both possibly in subfolders such as training and validation. In a mask, 0 is no class; 1, 2, ... are the
// classes in order.

#include <algorithm>
#include <optional>
#include <set>
#include <sstream>

#include "data/folder_listing.h"
#include "data/image_format.h"
#include "data/random_access_file.h"
#include "data/sources.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"
#include "vitrim/core/manifest.h"
#include "vitrim/core/suggest.h"
#include "vitrim/data/class_list.h"

namespace vitrim::data {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kUsualClasses = 150;
constexpr const char* kNamesFile = "objectInfo150.txt";

struct Ade20kFolder {
  fs::path root;
  std::string split;  ///< empty: the files are directly in `images` and `annotations`
};

bool holds_both(const fs::path& folder) {
  std::error_code error;
  return fs::is_directory(folder / "images", error) && fs::is_directory(folder / "annotations", error);
}

std::optional<Ade20kFolder> ade20k_folder(const std::string& source) {
  if (holds_both(source)) return Ade20kFolder{source, ""};
  const size_t colon = source.rfind(':');
  if (colon == std::string::npos || colon == 0 || !holds_both(source.substr(0, colon))) return std::nullopt;
  return Ade20kFolder{source.substr(0, colon), source.substr(colon + 1)};
}

std::string first_ten(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < names.size() && i < 10; ++i) text += (i ? ", " : "") + names[i];
  return text + (names.size() > 10 ? ", ..." : "");
}

/// The last column of a table whose first line names the columns.
std::vector<std::string> names_in_table(const std::string& file) {
  std::vector<std::string> names = read_class_list(file);
  names.erase(names.begin());
  for (std::string& name : names) name = name.substr(name.rfind('\t') + 1);
  return names;
}

class Ade20k final : public Dataset {
 public:
  Ade20k(Ade20kFolder place, std::vector<std::string> stems, std::vector<std::string> files,
         std::vector<std::string> names, int64_t classes, int64_t max_pixels)
      : Dataset(max_pixels),
        place_(std::move(place)),
        stems_(std::move(stems)),
        files_(std::move(files)),
        names_(std::move(names)),
        classes_(classes) {}

  int64_t size() const override { return static_cast<int64_t>(files_.size()); }
  int64_t label(int64_t) const override { return -1; }
  std::string name(int64_t index) const override { return (place_.root / image(index)).string(); }
  int64_t num_classes() const override { return classes_; }
  bool has_masks() const override { return true; }
  std::vector<std::string> class_names() const override { return names_; }

  Image read(int64_t index) const override {
    const std::string bytes = read_regular_file(name(index), kMaxImageBytes, "image");
    return decode_image(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), name(index),
                        max_pixels());
  }

  Mask read_mask(int64_t index) const override {
    const std::string path = (place_.root / annotation(index)).string();
    const std::string bytes = read_regular_file(path, kMaxImageBytes, "mask");
    Mask mask = decode_mask(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), path, max_pixels());
    for (uint8_t& value : mask.classes) {
      if (value > classes_) {
        throw FormatError(path, "",
                          "holds class " + std::to_string(value) + ", but there are " +
                              std::to_string(classes_) +
                              "; pass --classes FILE with one class a line, or correct the mask");
      }
      value = value == 0 ? kIgnoredClass : static_cast<uint8_t>(value - 1);
    }
    return mask;
  }

  std::string description() const override {
    return "ADE20K folder " + place_.root.string() + (place_.split.empty() ? "" : ", " + place_.split) +
           ", " + std::to_string(size()) + " images with masks";
  }

  std::string fingerprint() const override {
    std::vector<std::string> lines;
    for (int64_t i = 0; i < size(); ++i) {
      lines.push_back(file_line(place_.root, image(i)));
      lines.push_back(file_line(place_.root, annotation(i)));
    }
    return vitrim::fingerprint(lines);
  }

 private:
  std::string below(const char* folder, const std::string& file) const {
    return (fs::path(folder) / place_.split / file).generic_string();
  }
  std::string image(int64_t index) const { return below("images", files_.at(static_cast<size_t>(index))); }
  std::string annotation(int64_t index) const {
    return below("annotations", stems_.at(static_cast<size_t>(index)) + ".png");
  }

  Ade20kFolder place_;
  std::vector<std::string> stems_, files_, names_;
  int64_t classes_;
};

Listing listing_of(const Ade20kFolder& place) {
  const fs::path folder = place.root / "images" / place.split;
  std::vector<std::string> parts;
  for (const fs::path& part : list(place.root / "images").folders) parts.push_back(part.filename().string());
  std::sort(parts.begin(), parts.end());
  if (!fs::is_directory(folder)) {
    throw Error(folder.string() + ": the set has no such part" +
                (parts.empty() ? "" : "; did you mean " + nearest(place.split, parts) + "?"));
  }
  Listing out = list(folder);
  if (!out.images.empty()) return out;
  std::string choices;
  for (const std::string& part : parts)
    choices += (choices.empty() ? "" : " or ") + place.root.string() + ":" + part;
  throw Error(folder.string() + ": no image (" + kDecodedEndings + ") here" +
              (out.passed_over.empty() ? "" : ", but " + out.passed_over.text()) +
              (place.split.empty() && !choices.empty() ? "; name a part of the set, " + choices : ""));
}

std::unique_ptr<Dataset> scan(const Ade20kFolder& place, const DatasetOptions& options) {
  const Listing listing = listing_of(place);
  listing.passed_over.warn(place.root / "images" / place.split);
  std::vector<fs::path> images = listing.images;
  std::sort(images.begin(), images.end());
  const fs::path masks = place.root / "annotations" / place.split;
  std::vector<std::string> stems, files, without;
  std::set<std::string> twice;
  for (const fs::path& image : images) {
    stems.push_back(image.stem().string());
    files.push_back(image.filename().string());
    if (!fs::exists(masks / (stems.back() + ".png"))) without.push_back(image.filename().string());
    if (!twice.insert(stems.back()).second)
      throw Error(
          image.string() +
          ": another image has the same name and another ending, and masks go by the name; remove one");
  }
  if (!without.empty()) {
    throw Error(std::to_string(without.size()) + " images of " +
                (place.root / "images" / place.split).string() + " have no mask (NAME.png) in " +
                masks.string() + ": " + first_ten(without) + "; add the masks or remove the images");
  }
  std::vector<std::string> names;
  if (!options.classes_file.empty()) {
    names = read_class_list(options.classes_file);
  } else if (fs::exists(place.root / kNamesFile)) {
    names = names_in_table((place.root / kNamesFile).string());
  }
  const int64_t classes = names.empty() ? kUsualClasses : static_cast<int64_t>(names.size());
  if (classes < 2 || classes >= kIgnoredClass) {
    throw Error((options.classes_file.empty() ? (place.root / kNamesFile).string() : options.classes_file) +
                ": names " + std::to_string(classes) + " classes; masks hold 2 to 254");
  }
  return std::make_unique<Ade20k>(place, std::move(stems), std::move(files), std::move(names), classes,
                                  options.max_pixels);
}

}  // namespace

bool is_ade20k(const std::string& source) { return ade20k_folder(source).has_value(); }

std::unique_ptr<Dataset> open_ade20k(const std::string& source, const DatasetOptions& options) {
  Ade20kFolder place = ade20k_folder(source).value();
  place.root = place.root.lexically_normal();
  if (!place.root.has_filename()) place.root = place.root.parent_path();
  try {
    return scan(place, options);
  } catch (const fs::filesystem_error& error) {
    throw Error(error.path1().string() + ": " + error.code().message() + "; make the folder readable");
  }
}

}  // namespace vitrim::data
