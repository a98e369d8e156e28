#pragma once
// How close the student is to the teacher, and the first block in which they differ.

#include "vitrim/absorb/absorb.h"
#include "vitrim/distributed/group.h"
#include "vitrim/model/model.h"

namespace vitrim::absorb {

struct Closeness {
  double kl = 0, agreement = 0, feature_error = 0, cosine = 0, cosine_p05 = 0;
  /// Copies the figures into the report.
  void tell(AbsorbReport& report) const;
};
Closeness compare(const model::Output& dense, const model::Output& student);

/// The index of the first block that differs; the number of blocks if none does. Throws std::invalid_argument
/// if the models differ in more than their blocks.
int first_changed_block(const model::Model& student, const model::Model& teacher);

/// Whether any parameter of the block, or of its attention only, differs from the teacher's. (Pruning folds
/// its gains also into parts that keep their full width.)
bool parameters_differ(const model::Model& student, const model::Model& teacher, int index,
                       bool attention_alone);

/// Runs the stream before block 0 through all blocks, batch by batch.
model::Output run_all(const model::Model& model, at::Tensor x, int64_t batch_size, distributed::Group& group);

}  // namespace vitrim::absorb
