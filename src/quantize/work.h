#pragma once
// The model during calibration: int8 layers, and the float weights that they represent.

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "quantize/units.h"
#include "vitrim/model/model.h"

namespace vitrim::quantize {

/// Everything that the calibration of a block changes, so that a step that did not help can be undone.
struct Snapshot {
  std::map<std::string, at::Tensor> parameters;
  std::map<std::string, at::Tensor> weights;
};

class Work {
 public:
  /// `model` has float weights; the units become int8 without calibration. The second layer of an MLP, if
  /// int8, gets input factors of 1, which can then be changed.
  Work(const model::Model& model, const std::vector<QuantizedUnit>& units);

  const model::Model& student() const { return *student_; }
  const std::vector<QuantizedUnit>& units() const { return units_; }
  /// The unit of a block; null if its layers stay float.
  const QuantizedUnit* unit(int block, bool QuantizedLayers::* member) const;
  /// The float32 weight that an int8 layer represents.
  const at::Tensor& weight(const std::string& layer) const { return weights_.at(layer); }
  /// Quantises `weight` and replaces the layer's weight with it.
  void set_weight(const std::string& layer, const at::Tensor& weight);
  void set_parameter(const std::string& name, const at::Tensor& value) {
    student_->set_parameter(name, value);
  }
  void set_compute_dtype(at::ScalarType dtype) { student_->set_compute_dtype(dtype); }
  /// Saves the state of a block, and restores it.
  Snapshot snapshot(int block) const;
  void restore(const Snapshot& snapshot);

  /// A model in which the layers of the units `int8` are int8 and all others float. Float layers have the
  /// weights that they represent, with the factors on their input folded in.
  std::unique_ptr<model::Model> with_int8(const std::vector<QuantizedUnit>& int8) const;

 private:
  const QuantizedUnit& unit_of(const std::string& layer) const;

  std::vector<QuantizedUnit> units_;
  std::unique_ptr<model::Model> student_;
  std::map<std::string, at::Tensor> weights_;
};

/// The weights of the model, without copies and without gradients.
model::StateDict shared_weights(const model::Model& model);

/// A model with the same weights (not copied) and with its matrix products in `dtype`.
std::unique_ptr<model::Model> computing_in(const model::Model& model, at::ScalarType dtype);

/// Whether a gain is all ones, so that nothing needs to be multiplied.
bool all_ones(const at::Tensor& gain);

}  // namespace vitrim::quantize
