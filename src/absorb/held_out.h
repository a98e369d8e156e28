#pragma once
// Evaluates a student on images held out from its fit, and keeps the best weights.

#include <string>
#include <vector>

#include "absorb/closeness.h"
#include "vitrim/absorb/absorb.h"

namespace vitrim::absorb {

class HeldOut {
 public:
  /// Evaluates the student as it is. All arguments must outlive the object.
  HeldOut(model::Model& student, const model::Model& teacher, const data::ImageBatch& images,
          int64_t batch_size, distributed::Group& group);
  /// Evaluates again and logs the figures under the name `what`; returns whether they are the best so far.
  bool look(const std::string& what);
  /// Writes the best weights into a state, and reads them back; after reading, the student has the weights of
  /// the state.
  void put(FitState& state) const;
  void take(const FitState& state);
  /// Restores the best weights. The plain figures are those from the constructor.
  AbsorbReport keep_best();

 private:
  Closeness now() const;
  // The figure that decides: smaller is better.
  static double score(const Closeness& c) { return c.kl > 0 ? c.kl : c.feature_error; }
  void remember(const Closeness& c);

  model::Model& student_;
  const data::ImageBatch& images_;
  int64_t batch_size_;
  distributed::Group& group_;
  at::Tensor embedded_;
  model::Output dense_;
  Closeness plain_, best_;
  model::StateDict weights_;
};

}  // namespace vitrim::absorb
