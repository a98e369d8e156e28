// Writes python/vitrim/spec_fields.py, the fields of a ModelSpec for Python, from the list in
// src/core/model_spec_fields.h.

#include <cstdio>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "core/model_spec_fields.h"
#include "vitrim/architecture/executor.h"
#include "vitrim/architecture/stages.h"

namespace vitrim {
namespace {

// The Python text of a type and of a value.
struct Shown {
  std::string type, value;
  bool shared = false;  ///< a list, of which every instance needs a separate one
};

std::string quoted(const std::string& text) { return '"' + text + '"'; }

Shown shown(bool value) { return {"bool", value ? "True" : "False"}; }
Shown shown(int64_t value) { return {"int", std::to_string(value)}; }
Shown shown(double value) {
  std::ostringstream text;
  text << value;
  std::string number = text.str();
  if (number.find_first_of(".e") == std::string::npos) number += ".0";
  return {"float", number};
}
Shown shown(const std::string& value) { return {"str", quoted(value)}; }
Shown shown(const QuantizedLayers&) { return {"List[str]", "[]", true}; }
Shown shown(const StageSpec&) { return {"StageSpec", ""}; }
Shown shown(const BlockSpec&) { return {"BlockSpec", ""}; }
Shown shown(const PreprocessSpec&) { return {"PreprocessSpec", ""}; }
template <typename Enum>
Shown shown(const Named<Enum>& value) {
  return {"str", quoted(write(value).template get<std::string>())};
}
template <typename T>
Shown shown(const std::optional<T>&) {
  return {"Optional[" + shown(T{}).type + "]", "None"};
}
template <typename List>
Shown shown_list(const List& values) {
  std::string text;
  for (const auto& value : values) text += (text.empty() ? "" : ", ") + shown(value).value;
  return {"List[" + shown(typename List::value_type{}).type + "]", "[" + text + "]", true};
}
template <typename T>
Shown shown(const std::vector<T>& values) {
  return shown_list(values);
}
template <typename T, size_t N>
Shown shown(const std::array<T, N>& values) {
  return shown_list(values);
}

/// Receives the list as json::Writer does, and writes a dataclass.
class Class {
 public:
  template <typename T>
  void operator()(const std::string& name, const T& value) {
    if constexpr (!std::is_same_v<T, SpecVersion>) {
      const Shown field = shown(value);
      line(name, field,
           field.shared ? "dataclasses.field(default_factory=lambda: " + field.value + ")" : field.value);
    }
  }
  template <typename T>
  void unless(const std::string& name, const T&, const T& usual, const std::string& formerly = "") {
    sometimes(name, shown(usual), formerly);
  }
  template <typename T>
  void when(bool, const std::string& name, const T& value) {
    sometimes(name, shown(value));
  }
  template <typename T>
  void if_any(const std::string&, const std::optional<T>&) {}  // Python loads only classifiers
  const std::string& text() const { return text_; }

 private:
  void line(const std::string& name, const Shown& field, const std::string& value) {
    text_ += "    " + name + ": " + field.type + " = " + value + "\n";
  }
  void sometimes(const std::string& name, const Shown& field, const std::string& formerly = "") {
    const std::string old = formerly.empty() ? "" : ", " + quoted(formerly);
    line(name, field, field.shared ? "_sometimes_list()" : "_sometimes(" + field.value + old + ")");
  }
  std::string text_;
};

template <typename Struct>
void write_class(const char* name, const char* about) {
  Class out;
  const Struct usual;
  fields(out, usual);
  std::printf("\n\n@dataclasses.dataclass\nclass %s:\n    \"\"\"%s\"\"\"\n%s", name, about,
              out.text().c_str());
}

template <typename Enum>
void write_names(const char* name, const Names<Enum>& names) {
  std::string text;
  for (const auto& [word, value] : names) text += (text.empty() ? "" : ", ") + quoted(word);
  std::printf("%s = (%s)\n", name, text.c_str());
}

void write_all() {
  std::printf(
      "\"\"\"The fields of a ModelSpec. Made from the C++ library's list (src/core/model_spec_fields.h) by "
      "the program spec_fields when\n"
      "vitrim is built. Change that list, not this file.\"\"\"\n\n"
      "import dataclasses\nfrom typing import List, Optional\n\n");
  std::printf("VERSION = %s\n", json::dump(write(SpecVersion()), -1).c_str());
  write_names("ATTENTION_KINDS", kAttentionNames);
  std::string former;
  for (const auto& [word, value] : kFormerAttentionNames)
    former += (former.empty() ? "" : ", ") + quoted(word) + ": " + quoted(attention_name(value));
  std::printf("FORMER_ATTENTION_KINDS = {%s}\n", former.c_str());
  write_names("ACTIVATIONS", kActivationNames);
  write_names("POOLINGS", kPoolingNames);
  std::string families;
  for (const std::string& family : architecture::families())
    families += (families.empty() ? "" : ", ") + quoted(family);
  std::printf("FAMILIES = (%s)\n", families.c_str());
  std::string common;
  for (const std::string& key : architecture::common_fields()) common += "    " + quoted(key) + ",\n";
  std::printf(
      "# The fields that every executor supports; a spec with any other field needs an executor that "
      "declares it.\nCOMMON = {\n%s}\n",
      common.c_str());
  std::printf(
      "\n\ndef _sometimes(default, formerly=\"\"):\n"
      "    \"\"\"A field that is written only if its value is not `default`; `formerly` is its name in older "
      "files.\"\"\"\n"
      "    return dataclasses.field(default=default, metadata={\"unless\": default, \"formerly\": "
      "formerly})\n"
      "\n\ndef _sometimes_list():\n"
      "    \"\"\"A list that is written only if it is not empty.\"\"\"\n"
      "    return dataclasses.field(default_factory=list, metadata={\"unless\": []})\n");
  write_class<BlockSpec>(
      "BlockSpec",
      "One block: y = stream_gain * x + A(LN1 x), z = y + M(LN2 y), with attention A and MLP M.");
  write_class<StageSpec>(
      "StageSpec", "A stage: `depth` consecutive blocks on one map of tokens with `embed_dim` channels.");
  write_class<PreprocessSpec>(
      "PreprocessSpec",
      "How images are prepared: resize the short side, crop the centre, (x / 255 - mean) / std.");
  write_class<ModelSpec>(
      "ModelFields", "The architecture of a model. Default values are those of timm's VisionTransformer.");
}

}  // namespace
}  // namespace vitrim

int main() { vitrim::write_all(); }
