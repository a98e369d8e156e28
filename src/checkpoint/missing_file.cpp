// The nearest existing names for a path that does not exist.

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/mapped_file.h"

namespace vitrim::checkpoint {
namespace {

constexpr size_t kMostEntries = 10000;  // only this many entries of a huge folder are compared
constexpr size_t kMostNames = 3;

/// Levenshtein distance.
size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

bool looks_like_checkpoint(const std::filesystem::path& name) {
  const auto extension = name.extension();
  return extension == ".safetensors" || extension == ".pth" || extension == ".pt" || extension == ".bin";
}

}  // namespace

std::string missing_file_hint(const std::string& path) {
  namespace fs = std::filesystem;
  const fs::path wanted(path);
  const fs::path folder = wanted.has_parent_path() ? wanted.parent_path() : fs::path(".");
  std::error_code failed;
  if (!fs::is_directory(folder, failed)) return "the folder " + folder.string() + " does not exist either";
  const std::string name = wanted.filename().string();
  // The distance comes first, so that sorting puts the nearest names first; names that have only the kind of
  // file in common come last.
  std::vector<std::pair<size_t, std::string>> candidates;
  size_t seen = 0;
  for (fs::directory_iterator entry(folder, failed), end; !failed && entry != end && seen < kMostEntries;
       entry.increment(failed), ++seen) {
    const std::string other = entry->path().filename().string();
    const size_t distance = edit_distance(name, other);
    if (distance <= std::max<size_t>(2, name.size() / 3))
      candidates.emplace_back(distance, other);
    else if (looks_like_checkpoint(entry->path()))
      candidates.emplace_back(distance + 1000, other);
  }
  std::sort(candidates.begin(), candidates.end());
  if (candidates.empty()) return "nothing in " + folder.string() + " has a similar name";
  std::string hint = "the nearest names in " + folder.string() + " are ";
  for (size_t i = 0; i < std::min(candidates.size(), kMostNames); ++i)
    hint += (i ? ", " : "") + candidates[i].second;
  return hint;
}

}  // namespace vitrim::checkpoint
