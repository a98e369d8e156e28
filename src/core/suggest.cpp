#include "vitrim/core/suggest.h"

#include <algorithm>
#include <cctype>
#include <limits>

namespace vitrim {
namespace {

char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

// Optimal string alignment distance: three rows are enough, because a swap looks back two rows.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const bool same = lower(a[i - 1]) == lower(b[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1])) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
    std::swap(before_last, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string>& valid) {
  // A key from a broken file can be megabytes long; text beyond this length changes no suggestion.
  word = word.substr(0, 256);
  const std::string* best = nullptr;
  size_t best_distance = std::numeric_limits<size_t>::max();
  for (const std::string& candidate : valid) {
    const size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = &candidate;
    }
  }
  return best ? *best : std::string();
}

std::string close_to(std::string_view word, const std::vector<std::string>& valid) {
  std::string best = nearest(word, valid);
  const std::string_view letters = word.substr(std::min(word.find_first_not_of('-'), word.size()));
  if (edit_distance(word.substr(0, 256), best) <= std::max<size_t>(1, letters.size() / 3)) return best;
  const std::string part = "-" + std::string(letters) + "-";
  for (const std::string& candidate : valid) {
    if (!letters.empty() && ("-" + candidate + "-").find(part) != std::string::npos) return candidate;
  }
  return {};
}

}  // namespace vitrim
