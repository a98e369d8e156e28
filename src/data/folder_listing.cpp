#include "data/folder_listing.h"

#include <array>

#include "data/image_format.h"
#include "data/random_access_file.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"

namespace vitrim::data {

namespace fs = std::filesystem;

namespace {

bool hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

/// The format of a file by its first bytes; empty if it can't be read.
std::string_view sniff(const fs::path& path) {
  try {
    std::array<uint8_t, 32> bytes{};
    const RandomAccessFile file(path.string());
    return format_of_content(bytes.data(), file.read(0, bytes.data(), bytes.size()));
  } catch (const Error&) {
    return {};
  }
}

/// Adds an entry that is not a folder to the listing.
void add_file(const fs::directory_entry& entry, Listing& listing) {
  const fs::path& path = entry.path();
  const std::string ending = path.extension().string();
  const Ending kind = kind_of_ending(ending);
  std::error_code error;
  const fs::file_status status = entry.status(error);
  const bool regular = fs::is_regular_file(status);
  // A dangling link is kept; reading it fails with its name.
  if (kind == Ending::kDecoded && (regular || status.type() == fs::file_type::not_found)) {
    listing.images.push_back(path);
  } else if (!regular) {
    if (kind == Ending::kDecoded || kind == Ending::kOtherImage)
      listing.passed_over.add("special files (pipes, devices, sockets)", path);
  } else if (kind == Ending::kOtherImage) {
    if (is_decoded(sniff(path))) {
      listing.images.push_back(path);
    } else {
      listing.passed_over.add(lower_ascii(ending) + " files", path);
    }
  } else if (kind == Ending::kUnknown) {
    const std::string_view format = sniff(path);
    if (!format.empty() && format != "BMP" && format != "icon")  // two bytes are too few to be sure
      listing.passed_over.add(std::string(format) + " images whose names have no image ending", path);
  }
}

}  // namespace

void PassedOver::add(const std::string& kind, const fs::path& path) {
  Kind& one = kinds_[kind];
  if (one.count++ == 0) one.first = path.string();
  // The first example must not depend on the order of the folder.
  one.first = std::min(one.first, path.string());
}

void PassedOver::merge(const PassedOver& other) {
  for (const auto& [name, kind] : other.kinds_) {
    Kind& one = kinds_[name];
    one.first = one.count == 0 ? kind.first : std::min(one.first, kind.first);
    one.count += kind.count;
  }
}

std::string PassedOver::counts() const {
  std::string out;
  for (const auto& [name, kind] : kinds_)
    out += (out.empty() ? "" : ", ") + std::to_string(kind.count) + " " + name;
  return out;
}

std::string PassedOver::text() const {
  std::string out;
  for (const auto& [name, kind] : kinds_) {
    out += (out.empty() ? "" : ", ") + std::to_string(kind.count) + " " + name +
           " (the first: " + kind.first + ")";
  }
  return out;
}

void PassedOver::warn(const fs::path& root) const {
  if (empty()) return;
  log_warning(root.string() + ": passed over " + text() +
              "; convert them to PNG, JPEG or WebP, or give them the right ending, to have them read");
}

Listing list(const fs::path& folder) {
  Listing listing;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (hidden(entry.path())) continue;
    if (entry.is_directory()) {
      listing.folders.push_back(entry.path());
    } else {
      add_file(entry, listing);
    }
  }
  return listing;
}

std::string file_line(const fs::path& root, const std::string& relative) {
  std::error_code error;
  const auto bytes = fs::file_size(root / relative, error);
  if (error) throw Error((root / relative).string() + ": " + error.message() + "; restore the file");
  return relative + " " + std::to_string(bytes);
}

}  // namespace vitrim::data
