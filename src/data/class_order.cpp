#include "data/class_order.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <unordered_map>

#include "data/unicode.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"
#include "vitrim/core/suggest.h"
#include "vitrim/data/class_list.h"

namespace vitrim::data {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// The digits from `at` on, without leading zeros; moves `at` past them.
std::string_view number_at(std::string_view text, size_t& at) {
  const size_t begin = at;
  while (at < text.size() && is_digit(text[at])) ++at;
  std::string_view digits = text.substr(begin, at - begin);
  digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
  return digits;
}

/// Compares two names in lower case in the natural order: below 0, 0 or above. A run of digits is compared by
/// value, and a name that begins with digits has an empty text before them, as if names were split at digits.
int compare_natural(std::string_view a, std::string_view b) {
  size_t i = 0, j = 0;
  while (i < a.size() || j < b.size()) {
    const size_t text_a = i, text_b = j;
    while (i < a.size() && !is_digit(a[i])) ++i;
    while (j < b.size() && !is_digit(b[j])) ++j;
    const int texts = a.substr(text_a, i - text_a).compare(b.substr(text_b, j - text_b));
    if (texts != 0) return texts;
    if ((i < a.size()) != (j < b.size())) return i < a.size() ? 1 : -1;
    const std::string_view left = number_at(a, i), right = number_at(b, j);
    if (left.size() != right.size()) return left.size() < right.size() ? -1 : 1;
    const int values = left.compare(right);
    if (values != 0) return values;
  }
  return 0;
}

using Order = std::vector<size_t>;  // folders, as indices into the list of their names

Order sorted(const std::vector<std::string>& folders, ClassOrder order) {
  Order out(folders.size());
  std::iota(out.begin(), out.end(), size_t{0});
  std::vector<std::string> lower;
  if (order == ClassOrder::kNatural) {
    for (const std::string& folder : folders) lower.push_back(lower_case(folder));
  }
  std::sort(out.begin(), out.end(), [&](size_t a, size_t b) {
    const int natural = lower.empty() ? 0 : compare_natural(lower[a], lower[b]);
    return natural != 0 ? natural < 0 : folders[a] < folders[b];
  });
  return out;
}

ClassIndices ranks(const std::vector<std::string>& folders, const Order& order) {
  ClassIndices out{std::vector<int64_t>(order.size()), static_cast<int64_t>(order.size()), false};
  for (size_t rank = 0; rank < order.size(); ++rank) {
    out.of_folder[order[rank]] = static_cast<int64_t>(rank);
    out.names.push_back(folders[order[rank]]);
  }
  return out;
}

/// Some names of an order around the first place where it differs from another.
std::string shown(const std::vector<std::string>& folders, const Order& order, size_t first_difference) {
  constexpr size_t kShown = 5;
  const size_t begin = first_difference < kShown ? 0 : first_difference - 1;
  const size_t end = std::min(order.size(), begin + kShown);
  std::string text = begin > 0 ? "..., " : "";
  for (size_t i = begin; i < end; ++i) text += (i > begin ? ", " : "") + folders[order[i]];
  return text + (end < order.size() ? ", ..." : "");
}

ClassIndices agreed(const std::vector<std::string>& folders, const std::string& root) {
  const Order characters = sorted(folders, ClassOrder::kLexicographic);
  const Order natural = sorted(folders, ClassOrder::kNatural);
  if (characters == natural) return ranks(folders, characters);
  const auto first = static_cast<size_t>(
      std::mismatch(characters.begin(), characters.end(), natural.begin()).first - characters.begin());
  throw Error(
      root +
      ": the names of the class folders do not determine which class is which: in lexicographic order "
      "(torchvision) they are " +
      shown(folders, characters, first) + ", in natural order (timm) " + shown(folders, natural, first) +
      "; pass --class-order lexicographic or --class-order natural, as the model was trained, or a "
      "class list with --classes FILE");
}

// --- by a class list

/// Class indices by name; a name that occurs twice has kTwice.
using Index = std::unordered_map<std::string, int64_t>;
constexpr int64_t kTwice = -2;

void enter(Index& index, const std::string& name, int64_t value) {
  const auto [place, fresh] = index.emplace(name, value);
  if (!fresh && place->second != value) place->second = kTwice;
}

std::string first_word(const std::string& line) { return line.substr(0, line.find_first_of(" \t")); }

/// " (the nearest one: NAME)"; empty if the search would take long.
std::string nearest_of(const std::string& name, const std::vector<std::string>& names) {
  constexpr size_t kMostNames = 2000, kLongest = 255;
  std::vector<std::string> candidates;
  for (const std::string& one : names) {
    if (one.size() <= kLongest && candidates.size() < kMostNames) candidates.push_back(one);
  }
  return candidates.empty() ? "" : " (the nearest one: " + nearest(name, candidates) + ")";
}

ClassIndices by_list(const std::vector<std::string>& folders, const std::string& file,
                     const std::string& root) {
  const std::vector<std::string> lines = read_class_list(file);
  std::unordered_map<std::string, size_t> whole;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (!whole.emplace(lines[i], i).second) {
      throw FormatError(file, "line " + std::to_string(i + 1),
                        "class " + lines[i] + " occurs twice; remove one");
    }
  }
  // A line that equals a folder's name stands only for that folder.
  std::vector<bool> taken(lines.size());
  for (const std::string& folder : folders) {
    const auto line = whole.find(composed(folder));
    if (line != whole.end()) taken[line->second] = true;
  }
  bool by_word = false;
  Index words;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (!taken[i]) enter(words, first_word(lines[i]), static_cast<int64_t>(i));
  }
  ClassIndices out{{}, static_cast<int64_t>(lines.size()), true};
  for (const std::string& folder : folders) {
    const std::string name = composed(folder);
    if (const auto line = whole.find(name); line != whole.end()) {
      out.of_folder.push_back(static_cast<int64_t>(line->second));
      continue;
    }
    const auto word = words.find(name);
    if (word == words.end()) {
      throw Error(root + "/" + folder + ": folder " + folder + " is not in the class list " + file +
                  nearest_of(folder, lines) + "; add or remove it");
    }
    if (word->second == kTwice) {
      throw FormatError(file, "",
                        "class " + folder +
                            " occurs twice: several lines begin with this word, and none consists of it "
                            "alone; remove all but one");
    }
    out.of_folder.push_back(word->second);
    by_word = true;
  }
  for (size_t i = 0; i < lines.size(); ++i)
    out.names.push_back(by_word && !taken[i] ? first_word(lines[i]) : lines[i]);
  return out;
}

// --- by the model's names

/// The form in which names are compared if they are not identical: "Golden_Retriever" and "golden retriever".
std::string folded(const std::string& name) {
  std::string out = lower_case(name);
  std::replace(out.begin(), out.end(), '_', ' ');
  return out;
}

/// The classes that folders are named after; -1 if a folder has no class's name, or names of several classes.
std::vector<int64_t> match(const std::vector<std::string>& folders, const std::vector<std::string>& names) {
  Index exact, alike, first_names;
  for (size_t i = 0; i < names.size(); ++i) {
    const auto value = static_cast<int64_t>(i);
    enter(exact, composed(names[i]), value);
    enter(alike, folded(names[i]), value);
    enter(first_names, folded(names[i].substr(0, names[i].find(','))), value);
  }
  std::vector<int64_t> out;
  for (const std::string& folder : folders) {
    int64_t found = -1;
    for (const auto& [index, key] : {std::pair(&exact, composed(folder)), std::pair(&alike, folded(folder)),
                                     std::pair(&first_names, folded(folder))}) {
      if (const auto place = index->find(key); found < 0 && place != index->end()) found = place->second;
    }
    out.push_back(std::max<int64_t>(found, -1));
  }
  return out;
}

/// Empty if no folder has the name of a class.
std::optional<ClassIndices> by_names(const std::vector<std::string>& folders,
                                     const std::vector<std::string>& names, const std::string& root) {
  const std::vector<int64_t> found = match(folders, names);
  const auto missing = static_cast<size_t>(std::find(found.begin(), found.end(), -1) - found.begin());
  const auto matched = std::count_if(found.begin(), found.end(), [](int64_t i) { return i >= 0; });
  if (matched == 0) return std::nullopt;
  constexpr const char* kMend =
      "; rename the folder, pass a class list with --classes FILE, or pass --class-order if the folders' "
      "names "
      "have nothing to do with the model's";
  if (missing < folders.size()) {
    throw Error(root + ": " + std::to_string(matched) + " of " + std::to_string(folders.size()) +
                " class folders are named after one of the model's " + std::to_string(names.size()) +
                " classes, but folder " + folders[missing] + " is not" + nearest_of(folders[missing], names) +
                kMend);
  }
  std::map<int64_t, size_t> seen;
  for (size_t i = 0; i < found.size(); ++i) {
    const auto [place, fresh] = seen.emplace(found[i], i);
    if (fresh) continue;
    throw Error(root + ": folders " + folders[place->second] + " and " + folders[i] +
                " are both named after the model's class " + names[static_cast<size_t>(found[i])] + kMend);
  }
  const ClassIndices out{found, static_cast<int64_t>(names.size()), true, names};
  if (out.of_folder != ranks(folders, sorted(folders, ClassOrder::kLexicographic)).of_folder)
    log_info(root + ": class folders are ordered by the model's class names");
  return out;
}

}  // namespace

bool natural_less(const std::string& a, const std::string& b) {
  const int natural = compare_natural(lower_case(a), lower_case(b));
  return natural != 0 ? natural < 0 : a < b;
}

ClassOrder parse_class_order(const std::string& name) {
  if (name == "lexicographic") return ClassOrder::kLexicographic;
  if (name == "natural") return ClassOrder::kNatural;
  throw std::invalid_argument("[data::parse_class_order] '" + name +
                              "' is neither lexicographic nor natural");
}

ClassIndices class_indices(const std::vector<std::string>& folders, const DatasetOptions& options,
                           const std::string& root) {
  if (!options.classes_file.empty()) return by_list(folders, options.classes_file, root);
  if (options.class_order != ClassOrder::kUnsaid) return ranks(folders, sorted(folders, options.class_order));
  if (const auto out = by_names(folders, options.class_names, root)) return *out;
  return agreed(folders, root);
}

}  // namespace vitrim::data
