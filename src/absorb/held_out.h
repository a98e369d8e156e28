#pragma once
// Watches a student on images kept out of its fit, and keeps the weights that were best there.

#include <string>
#include <vector>

#include "absorb/closeness.h"
#include "vitrim/absorb/absorb.h"

namespace vitrim::absorb {

class HeldOut {
 public:
  /// Looks at the student as it is. All must outlive it.
  HeldOut(model::Model& student, const model::Model& teacher, const data::ImageBatch& images,
          int64_t batch_size, distributed::Group& group);
  /// Looks again and says what it saw, named `what`; true where it is the best so far.
  bool look(const std::string& what);
  /// The best weights, into a state and out of it; the student is then as the state has it.
  void put(FitState& state) const;
  void take(const FitState& state);
  /// Puts the best weights back. Its plain figures are those of the constructor's look.
  AbsorbReport keep_best();

 private:
  Closeness now() const;
  // What decides: smaller is better.
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
