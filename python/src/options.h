#pragma once
// Reads options from a Python dict. Python's signatures name them; options that are missing have the
// program's defaults. Which options belong together is checked before (rules.h).

#include <pybind11/pybind11.h>

#include <optional>
#include <string>

#include "vitrim/architecture/infer.h"
#include "vitrim/core/model_spec.h"
#include "vitrim/eval/accuracy.h"
#include "vitrim/pipeline/compress.h"
#include "vitrim/pipeline/merge.h"
#include "vitrim/pipeline/view_images.h"
#include "vitrim/quantize/calibrate.h"
#include "vitrim/quantize/quantize.h"

namespace vitrim::python {

/// Options that every job has.
struct Common {
  std::string command;  ///< for the manifest
  std::string model;    ///< the user's name for it
  std::string precision = "auto";
  uint64_t seed = 0;
  int threads = 0;
  int64_t batch_size = 50;
  int64_t images = 0;  ///< number of the given images to use, spread over all; 0: all
  int64_t max_corrupt = 0;
  PreprocessSpec preprocess, eval_preprocess;
};

/// A dict from which options are removed as they are read. Values of another type, or out of range, throw
/// std::invalid_argument with the option's name.
class Options {
 public:
  explicit Options(pybind11::dict values) : values_(std::move(values)) {}

  /// Moves the value into `target` if there is one that is not None.
  template <typename T>
  bool take(const char* name, T& target) {
    if (!values_.contains(name)) return false;
    const pybind11::object value = values_.attr("pop")(name);
    if (value.is_none()) return false;
    try {
      target = value.cast<T>();
    } catch (const pybind11::cast_error&) {
      throw std::invalid_argument(std::string(name) +
                                  " is of a wrong type: " + pybind11::repr(value).cast<std::string>());
    }
    return true;
  }
  /// The same, between two bounds.
  template <typename T>
  bool take(const char* name, T& target, double low, double high) {
    T value = target;
    if (!take(name, value)) return false;
    const auto number = static_cast<double>(value);
    if (!(number >= low && number <= high))
      throw std::invalid_argument(std::string(name) + " is out of range: " +
                                  pybind11::str(pybind11::cast(value)).cast<std::string>());
    target = value;
    return true;
  }
  /// Throws std::invalid_argument if an option was not read.
  void finish() const;

 private:
  pybind11::dict values_;
};

/// Properties that a checkpoint may not state: num_heads, image_size, stream_gain, activation, norm_eps,
/// pooling, weights.
architecture::LoadHints load_hints(Options& options);
Common common_options(Options& options);
/// `blocks` is the model's depth: "25%" is a share of it.
pipeline::AnalyzeOptions analyze_options(Options& options, const Common& common, int blocks);
pipeline::CompressOptions compress_options(Options& options, const Common& common, int blocks);
pipeline::ViewSettings view_settings(Options& options);
pipeline::MergeOptions merge_options(Options& options, const Common& common);
quantize::QuantizeOptions quantize_options(Options& options);
/// common.precision is that of the fit.
quantize::CalibrateOptions calibrate_options(Options& options, const Common& common);
/// How features are evaluated: by `knn` neighbours among labelled images (0: 20), by a probe, or by whether
/// `neighbours` are those that the model `against` finds.
struct FeatureOptions {
  int64_t knn = 0;
  bool probe = false;
  int64_t neighbours = 10;
  std::string against;
};
FeatureOptions feature_options(Options& options);
eval::AccuracyOptions accuracy_options(const Common& common, const PreprocessSpec& preprocess);

}  // namespace vitrim::python
