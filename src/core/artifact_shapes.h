#pragma once
// Members whose form in the documents differs from that in the structs.

#include "core/json_fields.h"
#include "vitrim/core/artifacts.h"

namespace vitrim {

/// One number of each Estimate. Figures are plain numbers under their names, so that scripts can read them
/// without handling errors; standard errors have the same shape under NAME_se.
enum class Part { kValue, kError };
template <typename T>
struct Figures {
  T& estimates;
  Part part;
};
template <typename T>
Figures(T&, Part) -> Figures<T>;
json::Json write(const Figures<const Estimate>& figures);
json::Json write(const Figures<const std::vector<Estimate>>& figures);
json::Json write(const Figures<const std::map<int, Estimate>>& figures);
void read(const json::Json& json, const json::Place& place, const Figures<Estimate>& figures);
void read(const json::Json& json, const json::Place& place, const Figures<std::vector<Estimate>>& figures);
void read(const json::Json& json, const json::Place& place, const Figures<std::map<int, Estimate>>& figures);

/// NAME or NAME_se.
inline std::string name_of(const std::string& name, Part part) {
  return part == Part::kValue ? name : name + "_se";
}

/// The two fields of an Estimate, or of a container of Estimates.
void estimate_fields(auto& f, const std::string& name, auto& estimates) {
  for (const Part part : {Part::kValue, Part::kError}) f(name_of(name, part), Figures{estimates, part});
}

/// `correct`, one character per image, because a list of numbers would be three times as long and take one
/// line per image.
template <typename Bytes>
struct Digits {
  Bytes& correct;
  int64_t images;  ///< required length of a text that is not empty
};
template <typename Bytes>
Digits(Bytes&, int64_t) -> Digits<Bytes>;
json::Json write(const Digits<const std::vector<uint8_t>>& digits);
void read(const json::Json& json, const json::Place& place, const Digits<std::vector<uint8_t>>& digits);

/// Pixels by class, one text per image: "CLASS LABELLED PREDICTED BOTH" for each class, separated by commas.
template <typename List>
struct PixelCounts {
  List& images;
};
template <typename List>
PixelCounts(List&) -> PixelCounts<List>;
json::Json write(const PixelCounts<const std::vector<std::vector<ClassPixels>>>& counts);
void read(const json::Json& json, const json::Place& place,
          const PixelCounts<std::vector<std::vector<ClassPixels>>>& counts);

/// "dense" and "compressed" are the documents of eval; without labelled images they contain only the sizes.
template <typename Eval, typename Size>
struct ModelResult {
  Eval& eval;
  Size& params;
  Size& macs;
};
template <typename Eval, typename Size>
ModelResult(Eval&, Size&, Size&) -> ModelResult<Eval, Size>;
json::Json write(const ModelResult<const std::optional<EvalResult>, const int64_t>& result);
void read(const json::Json& json, const json::Place& place,
          const ModelResult<std::optional<EvalResult>, int64_t>& result);

/// Seconds per phase: an object in the phases' order. A phase that ran twice is one key: its times add up.
template <typename List>
struct Phases {
  List& seconds;
};
template <typename List>
Phases(List&) -> Phases<List>;
json::Json write(const Phases<const std::vector<std::pair<std::string, double>>>& phases);
void read(const json::Json& json, const json::Place& place,
          const Phases<std::vector<std::pair<std::string, double>>>& phases);

/// A recipe: a text that is JSON itself and becomes a part of the document.
template <typename Text>
struct RecipeText {
  Text& text;
};
template <typename Text>
RecipeText(Text&) -> RecipeText<Text>;
json::Json write(const RecipeText<const std::string>& recipe);
void read(const json::Json& json, const json::Place& place, const RecipeText<std::string>& recipe);

}  // namespace vitrim
