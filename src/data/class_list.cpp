#include "vitrim/data/class_list.h"

#include <algorithm>
#include <filesystem>
#include <string_view>

#include "core/join.h"
#include "data/class_list_files.h"
#include "data/random_access_file.h"
#include "data/unicode.h"
#include "vitrim/core/error.h"

namespace vitrim::data {
namespace {

constexpr int64_t kMostListBytes = int64_t{1} << 24;

std::string_view trimmed(std::string_view line) {
  constexpr const char* kBlank = " \t\v\f";
  const size_t begin = line.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return line.substr(begin, line.find_last_not_of(kBlank) - begin + 1);
}

/// The text as UTF-8, without a byte order mark.
std::string decoded(std::string_view text, const std::string& file) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  const bool big = text.starts_with("\xFE\xFF"), little = text.starts_with("\xFF\xFE");
  // Without a mark, UTF-16 is recognised by the zero byte of its first character.
  const bool big_unmarked = text.size() >= 2 && text[0] == '\0' && text[1] != '\0';
  const bool little_unmarked = text.size() >= 2 && text[0] != '\0' && text[1] == '\0';
  if (!big && !little && !big_unmarked && !little_unmarked) {
    const size_t zero = text.find('\0');
    if (zero == std::string_view::npos) return std::string(text);
    throw FormatError(file, "byte " + std::to_string(zero),
                      "a zero byte, so this is not text; name a text file with one class per line");
  }
  if (big || little) text.remove_prefix(2);
  const auto out = from_utf16(text, big || big_unmarked);
  if (!out || out->find('\0') != std::string::npos)
    throw FormatError(file, "", "damaged UTF-16 text; save the class list as UTF-8");
  return *out;
}

}  // namespace

std::vector<std::string> parse_class_list(const std::string& text, const std::string& file) {
  const std::string whole = decoded(text, file);
  std::vector<std::string> lines;
  int64_t first_empty = -1;
  const std::string_view rest = whole;
  for (size_t begin = 0; begin < rest.size();) {
    const size_t end = std::min(rest.find_first_of("\r\n", begin), rest.size());
    const std::string_view line = trimmed(rest.substr(begin, end - begin));
    begin = end + (rest.substr(end).starts_with("\r\n") ? 2 : 1);
    if (line.empty()) {
      if (first_empty < 0) first_empty = static_cast<int64_t>(lines.size()) + 1;
      continue;
    }
    if (first_empty > 0) {
      throw FormatError(file, "line " + std::to_string(first_empty),
                        "empty line between classes would shift their indices; remove it");
    }
    lines.push_back(composed(line));
  }
  if (lines.empty())
    throw FormatError(file, "", "no class in the class list; write one folder name per line");
  return lines;
}

std::vector<std::string> read_class_list(const std::string& file) {
  std::error_code failed;
  if (const EmbeddedText* list = find_text(class_list_files(), file)) {
    if (std::filesystem::exists(file, failed))
      throw Error(file + ": there is a file of this name, and it is a built-in class list; name the file ./" +
                  file + ", or rename it to use the built-in list");
    return parse_class_list(std::string(list->text), file);
  }
  if (file.find_first_of("/.") == std::string::npos && !std::filesystem::exists(file, failed))
    throw Error(file + ": there is no such file and no built-in class list of this name (" +
                join(names_of(class_list_files())) + "); name a file with one class a line");
  return parse_class_list(read_regular_file(file, kMostListBytes, "class list"), file);
}

std::string classes_remedy(int64_t classes) {
  for (const EmbeddedText& list : class_list_files()) {
    if (std::count(list.text.begin(), list.text.end(), '\n') == classes)
      return "pass --classes " + std::string(list.name) +
             " (the ids of ILSVRC2012), or --classes FILE with the model's class folders in index order, one "
             "a line";
  }
  return "pass --classes FILE with the model's class folders in index order, one per line";
}

}  // namespace vitrim::data
