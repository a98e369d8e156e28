#include "data/brace_names.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "vitrim/core/error.h"

namespace vitrim::data {
namespace {

constexpr int64_t kMaxNames = 1'000'000;
constexpr int kMaxDepth = 32;

[[noreturn]] void fail(const std::string& pattern, const std::string& what) {
  throw Error(pattern + ": " + what + "; write shards as train-{0000..1023}.tar or {a,b}.tar");
}

bool is_number(std::string_view text) {
  // Eighteen digits fit into an int64_t.
  return !text.empty() && text.size() <= 18 && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// The names of "0000..1023"; empty if the text is not a range.
std::optional<std::vector<std::string>> range(const std::string& pattern, std::string_view text) {
  const size_t dots = text.find("..");
  if (dots == std::string_view::npos) return std::nullopt;
  const std::string_view first = text.substr(0, dots), last = text.substr(dots + 2);
  if (!is_number(first) || !is_number(last)) return std::nullopt;
  int64_t begin = 0, end = 0;
  std::from_chars(first.data(), first.data() + first.size(), begin);
  std::from_chars(last.data(), last.data() + last.size(), end);
  if (begin > end) fail(pattern, "the range {" + std::string(text) + "} runs backwards");
  if (end - begin >= kMaxNames) fail(pattern, "more than a million names");
  const bool padded = (first.size() > 1 && first[0] == '0') || (last.size() > 1 && last[0] == '0');
  const size_t width = padded ? std::max(first.size(), last.size()) : 0;
  std::vector<std::string> names;
  for (int64_t number = begin; number <= end; ++number) {
    std::string digits = std::to_string(number);
    if (digits.size() < width) digits.insert(0, width - digits.size(), '0');
    names.push_back(std::move(digits));
  }
  return names;
}

std::vector<std::string> expand(const std::string& pattern, std::string_view text, int depth);

/// The names of the text between two braces.
std::vector<std::string> alternatives(const std::string& pattern, std::string_view inside, int depth) {
  if (auto numbers = range(pattern, inside)) return *numbers;
  std::vector<std::string> names;
  size_t begin = 0, parts = 0;
  int open = 0;
  for (size_t i = 0; i <= inside.size(); ++i) {
    if (i < inside.size() && inside[i] == '{') ++open;
    if (i < inside.size() && inside[i] == '}') --open;
    if (i < inside.size() && (inside[i] != ',' || open > 0)) continue;
    for (std::string& name : expand(pattern, inside.substr(begin, i - begin), depth + 1))
      names.push_back(std::move(name));
    if (static_cast<int64_t>(names.size()) > kMaxNames) fail(pattern, "more than a million names");
    begin = i + 1;
    ++parts;
  }
  if (parts < 2)
    fail(pattern, "{" + std::string(inside) + "} is neither a range of whole numbers nor a list");
  return names;
}

std::vector<std::string> expand(const std::string& pattern, std::string_view text, int depth) {
  if (depth > kMaxDepth) fail(pattern, "braces nest deeper than " + std::to_string(kMaxDepth));
  std::vector<std::string> names{""};
  while (true) {
    const size_t begin = text.find_first_of("{}");
    for (std::string& name : names) name += text.substr(0, begin);
    if (begin == std::string_view::npos) return names;
    size_t end = begin;
    int open = 0;
    do {
      if (end == text.size() || text[begin] == '}') fail(pattern, "braces that do not match");
      open += text[end] == '{' ? 1 : text[end] == '}' ? -1 : 0;
      ++end;
    } while (open > 0);
    const std::vector<std::string> inner =
        alternatives(pattern, text.substr(begin + 1, end - begin - 2), depth);
    if (static_cast<int64_t>(names.size() * inner.size()) > kMaxNames)
      fail(pattern, "more than a million names");
    std::vector<std::string> longer;
    for (const std::string& name : names) {
      for (const std::string& tail : inner) longer.push_back(name + tail);
    }
    names = std::move(longer);
    text.remove_prefix(end);
  }
}

}  // namespace

std::vector<std::string> expand_braces(const std::string& pattern) { return expand(pattern, pattern, 0); }

}  // namespace vitrim::data
