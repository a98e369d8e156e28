#pragma once
// The model while it is calibrated: int8 layers, and the float weights that they stand for.

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "quantize/units.h"
#include "vitrim/model/model.h"

namespace vitrim::quantize {

/// Everything that a block's calibration changes, so that a step that did not help can be taken back.
struct Snapshot {
  std::map<std::string, at::Tensor> parameters;
  std::map<std::string, at::Tensor> weights;
};

class Work {
 public:
  /// `model` has float weights; the units become int8 in the plain form. An MLP's second layer, if int8, has
  /// factors of 1 on its input, to be changed.
  Work(const model::Model& model, const std::vector<QuantizedUnit>& units);

  const model::Model& student() const { return *student_; }
  const std::vector<QuantizedUnit>& units() const { return units_; }
  /// The unit of a block; null where its layers stay float.
  const QuantizedUnit* unit(int block, bool QuantizedLayers::* member) const;
  /// What an int8 layer's weight would be as float32.
  const at::Tensor& weight(const std::string& layer) const { return weights_.at(layer); }
  /// Quantises `weight` and puts it in place of the layer's.
  void set_weight(const std::string& layer, const at::Tensor& weight);
  void set_parameter(const std::string& name, const at::Tensor& value) {
    student_->set_parameter(name, value);
  }
  void set_compute_dtype(at::ScalarType dtype) { student_->set_compute_dtype(dtype); }
  /// A block's state, and back.
  Snapshot snapshot(int block) const;
  void restore(const Snapshot& snapshot);

  /// A model in which the layers of the units `int8` are int8 and all others float. What is float has the
  /// weights that it stands for, its input's factors folded in.
  std::unique_ptr<model::Model> with_int8(const std::vector<QuantizedUnit>& int8) const;

 private:
  const QuantizedUnit& unit_of(const std::string& layer) const;

  std::vector<QuantizedUnit> units_;
  std::unique_ptr<model::Model> student_;
  std::map<std::string, at::Tensor> weights_;
};

/// The model's weights, not copied and without gradients.
model::StateDict shared_weights(const model::Model& model);

/// The model of the same weights, which are not copied, with its matrix products in `dtype`.
std::unique_ptr<model::Model> computing_in(const model::Model& model, at::ScalarType dtype);

/// gain of all ones: nothing is multiplied.
bool all_ones(const at::Tensor& gain);

}  // namespace vitrim::quantize
