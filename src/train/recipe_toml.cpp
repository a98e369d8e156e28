// Reads recipes from TOML files, and the embedded ones.

// The header-only form of the library, so that a program that links vitrim needs no shared library for it.
#define TOML_HEADER_ONLY 1
// A recipe has only sections and keys. Deeper nesting is refused, because the parser's destructors are
// recursive.
#define TOML_MAX_NESTED_VALUES 16
#include <toml++/toml.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include "train/recipe_files.h"
#include "vitrim/core/atomic_file.h"
#include "vitrim/core/error.h"
#include "vitrim/core/suggest.h"
#include "vitrim/train/recipe.h"

namespace vitrim::train {
namespace {

namespace fs = std::filesystem;

struct Source {
  std::string label;  ///< for messages, and to detect files that include each other in a circle
  std::string text;
  bool embedded = false;
};

bool is_plain_name(const std::string& name) {
  return name.find('/') == std::string::npos && name.find('.') == std::string::npos;
}

std::string no_such_recipe(const std::string& name) {
  return "there is no built-in recipe \"" + name + "\"; did you mean \"" + nearest(name, recipe_names()) +
         "\"? Write the name of a file with its suffix or folder";
}

/// The embedded recipe; empty if there is none.
std::optional<Source> embedded(const std::string& name) {
  const EmbeddedText* file = find_text(recipe_files(), name);
  if (!file) return std::nullopt;
  return Source{"recipe " + name, std::string(file->text), true};
}

Source from_file(const fs::path& path) {
  const std::string normal = path.lexically_normal().string();
  return {normal, read_text_file(normal), false};
}

/// The file or recipe that `include = "name"` in `from` means.
Source included(const Source& from, const std::string& where, const std::string& name) {
  if (is_plain_name(name) || from.embedded) {
    const std::string suffix = ".toml";
    const std::string stem = name.ends_with(suffix) ? name.substr(0, name.size() - suffix.size()) : name;
    if (const auto found = embedded(stem)) return *found;
    throw FormatError(from.label, where, no_such_recipe(stem));
  }
  try {
    return from_file(fs::path(from.label).parent_path() / name);
  } catch (const Error& error) {
    throw FormatError(from.label, where, error.what());
  }
}

// Limits far above any recipe. The parser does not limit the parts of a dotted key, each of which is a table
// in the previous one.
constexpr size_t kLongestRecipe = size_t{1} << 20;
constexpr size_t kMostDots = 64;
constexpr size_t kMostProblems = 20;
constexpr size_t kMostIncludes = 16;

void check_size(const Source& source) {
  if (source.text.size() > kLongestRecipe)
    throw FormatError(source.label, "",
                      "it is larger than 1 MB and so not a recipe; name a TOML file of settings");
  size_t number = 1, dots = 0;
  bool comment = false, begins = true;
  for (const char c : source.text) {
    if (c == '\n' || c == '\r') {
      number += c == '\n';
      dots = 0;
      comment = false;
      begins = true;
      continue;
    }
    comment = comment || (begins && c == '#');
    begins = begins && (c == ' ' || c == '\t');
    dots += c == '.' && !comment;
    if (dots > kMostDots)
      throw FormatError(source.label, "line " + std::to_string(number),
                        "has more than " + std::to_string(kMostDots) + " dots; a key is SECTION.NAME");
  }
}

std::string line_of(const toml::source_region& region) { return "line " + std::to_string(region.begin.line); }

/// The node as a value; empty if recipes have no values of this kind.
std::optional<KeyValue> value_in(const toml::node& node) {
  if (const auto* flag = node.as_boolean()) return flag->get();
  if (const auto* whole = node.as_integer()) return whole->get();
  if (const auto* number = node.as_floating_point()) return number->get();
  if (const auto* text = node.as_string()) return text->get();
  return std::nullopt;
}

std::string kind_of(const toml::node& node) {
  if (node.is_table()) return "a table";
  return node.is_array() ? "a list" : "a date or time";
}

/// Sorted by line.
using Problems = std::vector<std::pair<uint32_t, std::string>>;

std::string told(Problems problems) {
  std::stable_sort(problems.begin(), problems.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string list;
  for (const auto& [line, problem] : problems) list += (list.empty() ? "" : "; ") + problem;
  return list;
}

/// Chains of commands are also called recipes; they have steps.
void check_kind(const Source& source, const toml::table& top) {
  const toml::node* const step = top.get("step");
  if (step && step->is_array())
    throw FormatError(source.label, line_of(step->source()),
                      "these are steps of a chain, which vitrim run takes; --recipe takes settings");
}

void read_source(const Keys& keys, const Source& source, std::vector<std::string> above) {
  check_size(source);
  toml::table top;
  try {
    top = toml::parse(std::string_view(source.text), source.label);
  } catch (const toml::parse_error& error) {
    throw FormatError(source.label, line_of(error.source()), std::string(error.description()));
  }
  check_kind(source, top);
  if (const toml::node* base = top.get("include")) {
    const std::string where = line_of(base->source());
    const auto* name = base->as_string();
    if (!name) throw FormatError(source.label, where, "include must be the name of a recipe in quotes");
    above.push_back(source.label);
    if (above.size() > kMostIncludes)
      throw FormatError(source.label, where,
                        "recipes include each other more than " + std::to_string(kMostIncludes) + " deep");
    const Source next = included(source, where, name->get());
    if (std::find(above.begin(), above.end(), next.label) != above.end())
      throw FormatError(source.label, where, "recipes include each other in a circle, through " + next.label);
    read_source(keys, next, std::move(above));
  }

  std::vector<std::string> sections;
  for (const Key& key : keys) {
    if (sections.empty() || sections.back() != key.section()) sections.push_back(key.section());
  }
  // The table is sorted by key, but mistakes are listed in the order of lines.
  Problems problems;
  const auto add = [&](const toml::source_region& region, const std::string& problem) {
    problems.emplace_back(region.begin.line, line_of(region) + ": " + problem);
    if (problems.size() == kMostProblems) throw FormatError(source.label, "", told(problems));
  };
  KeySetter setter(keys);
  for (const auto& [section, node] : top) {
    const std::string section_name(section.str());
    const auto* table = node.as_table();
    if (!table) {
      if (section_name != "include") add(section.source(), unknown_key(keys, section_name));
      continue;
    }
    if (std::find(sections.begin(), sections.end(), section_name) == sections.end()) {
      add(section.source(),
          "unknown section [" + section_name + "]; did you mean [" + nearest(section_name, sections) + "]?");
      continue;
    }
    for (const auto& [name, value] : *table) {
      const std::string full_name = section_name + "." + std::string(name.str());
      const Key* key = find_key(keys, full_name);
      if (!key) {
        add(name.source(), unknown_key(keys, full_name));
      } else if (const auto given = value_in(value); !given) {
        add(name.source(), full_name + " must be " + key->expected() + ", not " + kind_of(value));
      } else if (const auto problem = setter.put(*key, *given)) {
        add(name.source(), *problem);
      }
    }
  }
  if (!problems.empty()) throw FormatError(source.label, "", told(problems));
  setter.finish();
}

void read_embedded(const Keys& keys, const std::string& name) {
  const auto source = embedded(name);
  if (!source) throw std::invalid_argument("[train::named_recipe] " + no_such_recipe(name));
  read_source(keys, *source, {});
}

}  // namespace

void read_keys(const Keys& keys, const std::string& path) {
  if (is_plain_name(path)) return read_embedded(keys, path);
  const std::string name = fs::path(path).stem().string();
  if (embedded(name) && !fs::exists(path))
    throw Error(path + ": no such file; " + name + " is a built-in recipe: --recipe " + name);
  read_source(keys, from_file(path), {});
}

Recipe read_recipe(const std::string& path) {
  Recipe recipe;
  read_keys(keys_of(recipe), path);
  return recipe;
}

Recipe named_recipe(const std::string& name) {
  Recipe recipe;
  read_embedded(keys_of(recipe), name);
  return recipe;
}

std::vector<std::string> recipe_names() { return names_of(recipe_files()); }

}  // namespace vitrim::train
