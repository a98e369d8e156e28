#pragma once
// Reading architectures off the names and shapes of tensors: the shared pieces, and one function a family.

#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "vitrim/architecture/infer.h"
#include "vitrim/core/assumption.h"

namespace vitrim::architecture {

/// What models under some naming compute most of the time.
struct UsualValues {
  double norm_eps = 1e-6;
  Activation activation = Activation::kGelu;
  std::string why;
  bool guess = false;  ///< others under this naming compute something else
};

/// What an architecture is read off beside names and shapes of tensors.
struct Evidence {
  LoadHints hints;                    ///< flags, and what the files beside the checkpoint say
  std::string architecture;           ///< timm's name, where one is known
  std::vector<int64_t> image_sizes;   ///< sides that flags or files state; not all need be the tensors'
  bool bare_positions = false;        ///< the names say that the position table covers patches only
  std::optional<UsualValues> usual;   ///< where the names of tensors tell it
  std::optional<double> stream_gain;  ///< of blocks without attention, where the file's writer is known
  std::vector<Assumption>* assumed = nullptr;  ///< takes what nothing says; may be null

  void assume(Assumption one) const {
    if (assumed) assumed->push_back(std::move(one));
  }
};

/// As the public infer_spec.
ModelSpec infer_spec(const TensorTable& state, const Evidence& evidence);

/// The first of these keys in the file's metadata, else empty.
std::string metadata_value(const TensorTable& state, std::initializer_list<const char*> keys);
std::optional<double> as_number(const std::string& text);
/// The same of a whole number from 1 to 2^20; FormatError where it is another number.
std::optional<int64_t> metadata_count(const TensorTable& state, std::initializer_list<const char*> keys);
/// FormatError at `where` of the file.
[[noreturn]] void refuse(const TensorTable& state, const std::string& where, const std::string& what);
/// A tensor that must be there, with so many dimensions, none of them empty.
const TensorInfo& need(const TensorTable& state, const std::string& name, int64_t dims);
/// The epsilon of the norms: what is stated, else `evidence.usual`, else `usual`, which is assumed (a guess
/// where `guess` is set).
double infer_norm_eps(const TensorTable& state, const Evidence& evidence, double usual, bool guess);
/// Preprocessing from metadata (mean, std, resize, interpolation); the rest as timm's models have it.
std::optional<PreprocessSpec> infer_preprocess(const TensorTable& state, const Evidence& evidence,
                                               int64_t image_size);
/// How a ViT's position embedding, prefix tokens and image size hang together: sets embed_prefix_tokens and
/// image_size. FormatError where the positions are those of no square image, or of two kinds of models.
void infer_positions(const TensorTable& state, const Evidence& evidence, ModelSpec& spec);
/// Side of a square with so many tokens; 0 where there is none.
int64_t side_of(int64_t tokens);
/// How many of `prefix`0`suffix`, `prefix`1`suffix`, ... hold any tensor.
int64_t count_numbered(const TensorTable& state, const std::string& prefix, const std::string& suffix,
                       int64_t first = 0);

/// The architecture of a foreign checkpoint of a family; nothing where it is another's.
std::optional<ModelSpec> infer_vit(const TensorTable& state, const Evidence& evidence);
std::optional<ModelSpec> infer_swin(const TensorTable& state, const Evidence& evidence, bool flatten);
std::optional<ModelSpec> infer_pvt(const TensorTable& state, const Evidence& evidence, bool second);
std::optional<ModelSpec> infer_cswin(const TensorTable& state, const Evidence& evidence);

}  // namespace vitrim::architecture
