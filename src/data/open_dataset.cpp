#include <filesystem>
#include <stdexcept>

#include "data/sources.h"
#include "vitrim/core/error.h"

namespace vitrim::data {
namespace {

constexpr const char* kKinds =
    "name a folder of class folders, a folder of images, a CIFAR .bin file, "
    "tar shards (train-{0000..1023}.tar), synthetic:SPLIT[:COUNT], an ADE20K folder or "
    "synthetic-masks:SPLIT[:COUNT]";

bool is_synthetic(const std::string& source) {
  return source == "synthetic" || source.starts_with("synthetic:");
}

bool is_synthetic_masks(const std::string& source) {
  return source == "synthetic-masks" || source.starts_with("synthetic-masks:");
}

}  // namespace

void check_source(const std::string& source) {
  if (source.empty()) throw Error(std::string("no data set was named; ") + kKinds);
  if (is_synthetic(source) || is_synthetic_masks(source) || is_ade20k(source) ||
      source.find_first_of("{}") != std::string::npos)
    return;
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(source, error);
  if (std::filesystem::exists(status)) return;
  const bool missing = status.type() == std::filesystem::file_type::not_found;
  throw Error(source + ": " + (missing ? "no such file or folder" : error.message()) + "; " + kKinds);
}

std::unique_ptr<Dataset> open_dataset(const std::string& source, const DatasetOptions& options) {
  namespace fs = std::filesystem;
  if (!options.classes_file.empty() && options.class_order != ClassOrder::kUnsaid) {
    throw std::invalid_argument("[data::open_dataset] the class list " + options.classes_file +
                                " already determines the order of the classes; omit the class order");
  }
  if (options.max_pixels < 1)
    throw std::invalid_argument("[data::open_dataset] max_pixels must be at least 1");
  check_source(source);
  if (is_synthetic(source)) return open_synthetic(source);
  if (is_synthetic_masks(source)) return open_synthetic_masks(source);
  if (is_ade20k(source)) return open_ade20k(source, options);
  std::error_code error;
  const fs::file_status status = fs::status(source, error);
  if (fs::is_directory(status)) return open_image_folder(source, options);
  if (!fs::exists(status)) return open_tar_shards(source, options);  // a pattern with braces
  std::string extension = fs::path(source).extension().string();
  if (extension == ".bin" || extension == ".BIN") return open_cifar(source);
  if (is_tar_name(source)) return open_tar_shards(source, options);
  throw Error(source + ": a file, but neither a CIFAR .bin file nor a .tar file; " + kKinds);
}

}  // namespace vitrim::data
