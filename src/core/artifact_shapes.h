#pragma once
// Members that the documents show in another form than the structs hold them in.

#include "core/json_fields.h"
#include "vitrim/core/artifacts.h"

namespace vitrim {

/// One number of each Estimate. Figures stand as plain numbers under their names, so that scripts read them
/// without knowing about errors; the standard errors stand beside them in the same shape under NAME_se.
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

/// The two fields of an Estimate, or of a container of them.
void estimate_fields(auto& f, const std::string& name, auto& estimates) {
  for (const Part part : {Part::kValue, Part::kError}) f(name_of(name, part), Figures{estimates, part});
}

/// `correct`, one character per image: a list of numbers would take three times the room and a line each.
template <typename Bytes>
struct Digits {
  Bytes& correct;
  int64_t images;  ///< what a text that is not empty must be as long as
};
template <typename Bytes>
Digits(Bytes&, int64_t) -> Digits<Bytes>;
json::Json write(const Digits<const std::vector<uint8_t>>& digits);
void read(const json::Json& json, const json::Place& place, const Digits<std::vector<uint8_t>>& digits);

/// Pixels by class, one text per image, "CLASS LABELLED PREDICTED BOTH" a class with commas between classes.
template <typename List>
struct PixelCounts {
  List& images;
};
template <typename List>
PixelCounts(List&) -> PixelCounts<List>;
json::Json write(const PixelCounts<const std::vector<std::vector<ClassPixels>>>& counts);
void read(const json::Json& json, const json::Place& place,
          const PixelCounts<std::vector<std::vector<ClassPixels>>>& counts);

/// "dense" and "compressed" are what eval writes; without labelled images only the sizes are known.
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

/// A recipe is a text that is JSON itself: a part of the document.
template <typename Text>
struct RecipeText {
  Text& text;
};
template <typename Text>
RecipeText(Text&) -> RecipeText<Text>;
json::Json write(const RecipeText<const std::string>& recipe);
void read(const json::Json& json, const json::Place& place, const RecipeText<std::string>& recipe);

}  // namespace vitrim
