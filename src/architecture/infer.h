#pragma once
// Infers architectures from the names and shapes of tensors: shared functions, and one function per family.

#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "vitrim/architecture/infer.h"
#include "vitrim/core/assumption.h"

namespace vitrim::architecture {

/// Values that most models under a naming scheme have.
struct UsualValues {
  double norm_eps = 1e-6;
  Activation activation = Activation::kGelu;
  std::string why;
  bool guess = false;  ///< other models under this naming have other values
};

/// The evidence for an architecture, in addition to names and shapes of tensors.
struct Evidence {
  LoadHints hints;           ///< values from flags and from the files in the checkpoint's folder
  std::string architecture;  ///< timm's name, if known
  std::vector<int64_t>
      image_sizes;              ///< sides that flags or files state; the tensors need not have all of them
  bool bare_positions = false;  ///< the names imply that the position table covers patches only
  std::optional<UsualValues> usual;   ///< set if the names of tensors determine them
  std::optional<double> stream_gain;  ///< gain of blocks without attention, if the file's writer is known
  std::vector<Assumption>* assumed = nullptr;  ///< receives assumed values; may be null

  void assume(Assumption one) const {
    if (assumed) assumed->push_back(std::move(one));
  }
};

/// The same as the public infer_spec().
ModelSpec infer_spec(const TensorTable& state, const Evidence& evidence);

/// The value of the first of these keys that the file's metadata has; else empty.
std::string metadata_value(const TensorTable& state, std::initializer_list<const char*> keys);
std::optional<double> as_number(const std::string& text);
/// The same for an integer from 1 to 2^20; throws FormatError on another value.
std::optional<int64_t> metadata_count(const TensorTable& state, std::initializer_list<const char*> keys);
/// Throws FormatError at `where` in the file.
[[noreturn]] void refuse(const TensorTable& state, const std::string& where, const std::string& what);
/// A tensor that must exist, with this number of dimensions, none of them empty.
const TensorInfo& need(const TensorTable& state, const std::string& name, int64_t dims);
/// The epsilon of the norms: the stated one, else `evidence.usual`, else `usual`, which is then assumed (as a
/// guess if `guess` is set).
double infer_norm_eps(const TensorTable& state, const Evidence& evidence, double usual, bool guess);
/// Preprocessing from metadata (mean, std, resize, interpolation); other values as in timm's models.
std::optional<PreprocessSpec> infer_preprocess(const TensorTable& state, const Evidence& evidence,
                                               int64_t image_size);
/// Matches a ViT's position embedding, prefix tokens and image size: sets embed_prefix_tokens and image_size.
/// Throws FormatError if the number of positions fits no square image, or fits two kinds of models.
void infer_positions(const TensorTable& state, const Evidence& evidence, ModelSpec& spec);
/// The side of a square with this many tokens; 0 if there is none.
int64_t side_of(int64_t tokens);
/// How many of `prefix`0`suffix`, `prefix`1`suffix`, ... have any tensor.
int64_t count_numbered(const TensorTable& state, const std::string& prefix, const std::string& suffix,
                       int64_t first = 0);

/// The architecture of a foreign checkpoint, one function per family; empty if the checkpoint belongs to
/// another family.
std::optional<ModelSpec> infer_vit(const TensorTable& state, const Evidence& evidence);
std::optional<ModelSpec> infer_swin(const TensorTable& state, const Evidence& evidence, bool flatten);
std::optional<ModelSpec> infer_pvt(const TensorTable& state, const Evidence& evidence, bool second);
std::optional<ModelSpec> infer_cswin(const TensorTable& state, const Evidence& evidence);

}  // namespace vitrim::architecture
