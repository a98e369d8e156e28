// Tar archives in WebDataset's layout: the members of one sample share their path up to the first dot of the
// base name.

#include <algorithm>
#include <atomic>
#include <charconv>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <unordered_map>

#include "data/brace_names.h"
#include "data/folder_listing.h"
#include "data/for_each_index.h"
#include "data/image_format.h"
#include "data/sources.h"
#include "data/tar_reader.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"
#include "vitrim/core/manifest.h"

namespace vitrim::data {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxOpenFiles = 64;  // a process may have 1024, and sets have thousands of shards
constexpr int32_t kUnlabelled = -1;
constexpr const char* kFirstDot =
    "; WebDataset cuts a member's name at its first dot, and only .jpg, .jpeg, .png, .webp and .cls after "
    "it "
    "are read: write the members under such names";

/// One image in a shard.
struct Entry {
  int64_t offset = 0, size = 0;
  size_t name_begin = 0, name_size = 0;  ///< in Shard::names
  int32_t label = kUnlabelled;
};

struct Shard {
  std::string path;
  std::vector<Entry> entries;  ///< in the order of their bytes
  std::string names;  ///< names of the images, concatenated, because one string each would double the memory

  std::string name(const Entry& entry) const { return names.substr(entry.name_begin, entry.name_size); }
};

enum class Kind { kImage, kClass, kOther };

/// The meaning of a sample's part, by its extension (everything after the base name's first dot, in any
/// case).
Kind kind_of(std::string_view part) {
  if (part.find('.') != std::string_view::npos) return Kind::kOther;
  if (kind_of_ending(part) == Ending::kDecoded) return Kind::kImage;
  return lower_ascii(part) == "cls" ? Kind::kClass : Kind::kOther;
}

/// Counts a member that looks like an image but is not one by WebDataset's rule.
void pass_over(const std::string& path, const TarMember& member, const std::string& sample,
               const std::string& part, PassedOver& passed_over) {
  const std::string ending = fs::path(member.name).extension().string();
  const Ending kind = kind_of_ending(ending);
  const std::string where = path + "/" + member.name;
  if (kind == Ending::kOtherImage) {
    passed_over.add(lower_ascii(ending) + " members", where);
  } else if (kind == Ending::kDecoded && member.link) {
    passed_over.add("links", where);
  } else if (kind == Ending::kDecoded) {
    passed_over.add("images with a dot in their names",
                    where + ", read as part \"" + part + "\" of sample \"" + sample + "\"");
  }
}

/// Parses a class index.
int32_t parse_label(const RandomAccessFile& file, TarReader& reader, const TarMember& member) {
  constexpr int64_t kMaxBytes = 64;
  constexpr const char* kBlank = " \t\r\n";
  const std::string text = member.size <= kMaxBytes ? reader.read(member) : "";
  const size_t begin = std::min(text.find_first_not_of(kBlank), text.size());
  const size_t end = text.find_last_not_of(kBlank) + 1;  // 0 if everything is blank
  int32_t label = -1;
  const char* last = text.data() + std::max(begin, end);
  const auto read = std::from_chars(text.data() + begin, last, label);
  if (read.ec != std::errc() || read.ptr != last || label < 0) {
    throw FormatError(file.path(), "byte " + std::to_string(member.offset),
                      member.name + " contains no class index; write a whole number from 0 upwards as text");
  }
  return label;
}

/// Reads the headers of one shard.
Shard index_shard(const std::string& path, PassedOver& passed_over) {
  const RandomAccessFile file(path);
  TarReader reader(file);
  Shard shard{path, {}, {}};
  constexpr size_t kNone = ~size_t{0};
  struct Sample {
    size_t entry = kNone;
    int32_t label = kUnlabelled;
    int64_t label_at = 0;
  };
  std::unordered_map<std::string, Sample> samples;
  TarMember member;
  while (reader.next(member)) {
    const size_t slash = member.name.rfind('/');
    const size_t base = slash == std::string::npos ? 0 : slash + 1;
    const size_t dot = member.name.find('.', base);
    if (dot == std::string::npos || dot == base) continue;  // no extension; hidden files, as in folders
    const std::string part = member.name.substr(dot + 1);
    const Kind kind = member.link ? Kind::kOther : kind_of(part);
    if (kind == Kind::kOther) {
      pass_over(path, member, member.name.substr(0, dot), part, passed_over);
      continue;
    }
    Sample& sample = samples[member.name.substr(0, dot)];
    const std::string where = "byte " + std::to_string(member.offset);
    if (kind == Kind::kClass) {
      if (sample.label != kUnlabelled)
        throw FormatError(path, where, "a second class for one sample, " + member.name + "; remove one");
      sample.label = parse_label(file, reader, member);
      sample.label_at = member.offset;
      if (sample.entry != kNone) shard.entries[sample.entry].label = sample.label;
      continue;
    }
    if (sample.entry != kNone)
      throw FormatError(path, where, "a second image for one sample, " + member.name + "; remove one");
    if (member.size > kMaxImageBytes)
      throw FormatError(path, where, member.name + " has more than a gigabyte, which no image has");
    sample.entry = shard.entries.size();
    shard.entries.push_back(
        {member.offset, member.size, shard.names.size(), member.name.size(), sample.label});
    shard.names += member.name;
  }
  // An image in a format that is not read must not be dropped silently.
  const std::pair<const std::string, Sample>* lost = nullptr;
  for (const auto& item : samples) {
    if (item.second.entry == kNone && (!lost || item.second.label_at < lost->second.label_at)) lost = &item;
  }
  if (lost) {
    throw FormatError(path, "byte " + std::to_string(lost->second.label_at),
                      lost->first + ".cls has no image (" + kDecodedEndings +
                          ") beside it; convert or remove the sample" +
                          (passed_over.empty() ? "" : ". Left out: " + passed_over.text() + kFirstDot));
  }
  shard.entries.shrink_to_fit();
  shard.names.shrink_to_fit();
  return shard;
}

/// The deepest common folder of all shards, so that names below it do not depend on where the set is.
fs::path common_folder(const std::vector<Shard>& shards) {
  fs::path common = fs::path(shards.front().path).parent_path();
  const auto holds = [&](const Shard& shard) {
    const fs::path folder = fs::path(shard.path).parent_path();
    return std::mismatch(common.begin(), common.end(), folder.begin(), folder.end()).first == common.end();
  };
  while (!common.empty() && common != common.parent_path() &&
         !std::all_of(shards.begin(), shards.end(), holds))
    common = common.parent_path();
  return common;
}

class TarShards final : public Dataset {
 public:
  TarShards(std::string source, std::vector<Shard> shards, int64_t max_pixels)
      : Dataset(max_pixels), source_(std::move(source)), shards_(std::move(shards)), open_(shards_.size()) {
    for (const Shard& shard : shards_) {
      for (const Entry& entry : shard.entries)
        classes_ = std::max<int64_t>(classes_, int64_t{entry.label} + 1);
      ends_.push_back((ends_.empty() ? 0 : ends_.back()) + static_cast<int64_t>(shard.entries.size()));
    }
  }

  int64_t size() const override { return ends_.back(); }
  int64_t label(int64_t index) const override { return find(index).second->label; }
  int64_t num_classes() const override { return classes_; }
  bool declares_classes() const override { return false; }

  std::string name(int64_t index) const override {
    const auto [shard, entry] = find(index);
    return shards_[shard].path + "/" + shards_[shard].name(*entry);
  }

  Image read(int64_t index) const override {
    const auto [shard, entry] = find(index);
    const std::shared_ptr<const RandomAccessFile> file = open(shard);
    std::vector<uint8_t> bytes(static_cast<size_t>(entry->size));
    if (file->read(entry->offset, bytes.data(), bytes.size()) < bytes.size()) {
      throw FormatError(file->path(), "byte " + std::to_string(entry->offset),
                        "the archive became shorter while it was in use; restore it");
    }
    return decode_image(bytes.data(), bytes.size(), name(index), max_pixels());
  }

  std::string description() const override {
    return "tar shards " + source_ + ", " + std::to_string(shards_.size()) +
           (shards_.size() == 1 ? " shard, " : " shards, ") + std::to_string(size()) + " images" +
           (classes_ == 0 ? " without labels" : "");
  }

  std::string fingerprint() const override {
    const fs::path common = common_folder(shards_);
    std::vector<std::string> lines;
    lines.reserve(static_cast<size_t>(size()));
    for (const Shard& shard : shards_) {
      const std::string folder = fs::path(shard.path).lexically_relative(common).generic_string() + "/";
      for (const Entry& entry : shard.entries) {
        lines.push_back(folder + shard.name(entry) + " " + std::to_string(entry.size) + " " +
                        std::to_string(entry.label));
      }
    }
    return vitrim::fingerprint(lines);
  }

  std::vector<int64_t> shard_ends() const override {
    std::vector<int64_t> ends = ends_;
    ends.erase(std::unique(ends.begin(), ends.end()), ends.end());  // shards without images
    if (ends.front() == 0) ends.erase(ends.begin());
    return ends;
  }

 private:
  std::pair<size_t, const Entry*> find(int64_t index) const {
    if (index < 0 || index >= size())
      throw std::out_of_range("[data::TarShards] no image " + std::to_string(index));
    const auto shard =
        static_cast<size_t>(std::upper_bound(ends_.begin(), ends_.end(), index) - ends_.begin());
    const int64_t begin = shard == 0 ? 0 : ends_[shard - 1];
    return {shard, &shards_[shard].entries[static_cast<size_t>(index - begin)]};
  }

  /// The shard's file. It stays open until kMaxOpenFiles others were opened after it and no thread reads it
  /// any more.
  std::shared_ptr<const RandomAccessFile> open(size_t shard) const {
    {
      const std::lock_guard lock(mutex_);
      if (open_[shard]) return open_[shard];
    }
    // Outside the lock, because opening may take long on a network; two threads may open the same file.
    auto file = std::make_shared<const RandomAccessFile>(shards_[shard].path);
    const std::lock_guard lock(mutex_);
    if (open_[shard]) return open_[shard];
    if (order_.size() == kMaxOpenFiles) {
      open_[order_.front()].reset();
      order_.pop_front();
    }
    order_.push_back(shard);
    open_[shard] = file;
    return file;
  }

  std::string source_;
  std::vector<Shard> shards_;
  std::vector<int64_t> ends_;  // per shard, one past its last image
  int64_t classes_ = 0;
  mutable std::mutex mutex_;
  mutable std::vector<std::shared_ptr<const RandomAccessFile>> open_;  // per shard
  mutable std::deque<size_t> order_;                                   // of opening
};

[[noreturn]] void fail_twice(const std::string& source, const std::string& path) {
  throw Error(source + ": names " + path + " twice; name every shard once");
}

void check_names(const std::string& source, const std::vector<std::string>& paths) {
  std::set<std::string> seen;
  std::vector<std::string> missing;
  for (const std::string& path : paths) {
    if (!is_tar_name(path))
      throw Error(path +
                  ": shards are plain .tar files (compressed ones can't be read at random places); unpack or "
                  "name those");
    if (!seen.insert(path).second) fail_twice(source, path);
    std::error_code error;
    if (!fs::exists(path, error)) missing.push_back(path);
  }
  if (missing.empty()) return;
  std::string list;
  for (size_t i = 0; i < missing.size() && i < 10; ++i) list += (i == 0 ? "" : ", ") + missing[i];
  if (missing.size() > 10) list += ", ...";
  throw Error(source + ": " + std::to_string(missing.size()) + " of " + std::to_string(paths.size()) +
              " shards " + (missing.size() == 1 ? "is" : "are") + " missing: " + list +
              "; restore or leave out");
}

/// Either all images have labels or none.
void check_labels(const std::vector<Shard>& shards) {
  int64_t labelled = 0, unlabelled = 0;
  std::string first;
  for (const Shard& shard : shards) {
    for (const Entry& entry : shard.entries) {
      ++(entry.label == kUnlabelled ? unlabelled : labelled);
      if (entry.label == kUnlabelled && first.empty()) first = shard.path + "/" + shard.name(entry);
    }
  }
  if (labelled == 0 || unlabelled == 0) return;
  throw Error(first + ": no .cls member beside this image and " + std::to_string(unlabelled - 1) +
              " others, while " + std::to_string(labelled) + " have one; add the missing classes");
}

}  // namespace

bool is_tar_name(const std::string& name) {
  const std::string extension = fs::path(name).extension().string();
  return extension == ".tar" || extension == ".TAR";
}

std::unique_ptr<Dataset> open_tar_shards(const std::string& source, const DatasetOptions& options) {
  if (!options.classes_file.empty()) {
    throw std::invalid_argument("[data::open_dataset] the class list " + options.classes_file +
                                " can't be used with tar shards (" + source +
                                "), whose .cls members are class indices already; omit it");
  }
  const std::vector<std::string> paths = expand_braces(source);
  check_names(source, paths);
  std::vector<Shard> shards(paths.size());
  std::vector<PassedOver> each_passed_over(paths.size());
  const auto count = static_cast<int64_t>(paths.size());
  // The threads mostly wait for the disk, so more threads than cores keep more requests in flight.
  const auto threads =
      static_cast<int>(std::min<int64_t>(count, std::max(8u, std::thread::hardware_concurrency())));
  {
    Progress progress("index", count, "shards");
    for_each_index(count, threads, [&](int64_t i) {
      shards[static_cast<size_t>(i)] =
          index_shard(paths[static_cast<size_t>(i)], each_passed_over[static_cast<size_t>(i)]);
      progress.advance();
    });
  }
  PassedOver passed_over;
  for (const PassedOver& one : each_passed_over) passed_over.merge(one);
  check_labels(shards);
  auto set = std::make_unique<TarShards>(source, std::move(shards), options.max_pixels);
  if (set->size() == 0) {
    throw Error(
        source + ": no image (" + kDecodedEndings + ") in these shards" +
        (passed_over.empty() ? "; name shards with images" : ", but " + passed_over.text() + kFirstDot));
  }
  if (!passed_over.empty()) log_warning(source + ": left out " + passed_over.text() + kFirstDot);
  return set;
}

}  // namespace vitrim::data
