#pragma once
// The closed-form fit of static attention: filters and shares, channel by channel.

#include <ATen/core/Tensor.h>

#include "vitrim/absorb/absorb.h"
#include "vitrim/model/model.h"

namespace vitrim::absorb {

/// Whether block `index` of the student has static attention and the teacher's block another kind with the
/// same widths, so that the filters can be fitted.
bool can_fit_static(const model::Model& student, const model::Model& teacher, int index);

/// Fits filters and shares of the student's block `index`, so that the input of its last projection is
/// closest to that of the teacher's, by least squares over the prefix tokens and options.ridge_patches random
/// patches of every image. `input` and `teacher_input` are the two streams before the block, [n, N, C]. Every
/// rank takes a share of the images, and all get the same result. Throws Error if the normal equations can't
/// be solved. Memory: 4 (filter^2 + 1 + prefix tokens) N num_heads v_dim bytes for each of eight images per
/// core.
void fit_static(model::Model& student, const model::Model& teacher, int index, const at::Tensor& input,
                const at::Tensor& teacher_input, const AbsorbOptions& options);

}  // namespace vitrim::absorb
