#pragma once
// The closed form of static attention: filters and shares, channel by channel.

#include <ATen/core/Tensor.h>

#include "vitrim/absorb/absorb.h"
#include "vitrim/model/model.h"

namespace vitrim::absorb {

/// Whether block `index` of the student has static attention where the teacher has another kind of the same
/// widths, so that its filters can be fitted.
bool can_fit_static(const model::Model& student, const model::Model& teacher, int index);

/// Sets filters and shares of the student's block `index` so that what its last projection reads is nearest
/// to what the teacher's reads, by least squares over the prefix tokens and options.ridge_patches drawn
/// patches of every image; `input` and `teacher_input` are the two streams before the block, [n, N, C]. Every
/// rank takes a share of the images and all get the same result. Error where the normal equations can't be
/// solved. Memory: 4 (filter^2 + 1 + prefix tokens) N num_heads v_dim bytes for each of eight images a core.
void fit_static(model::Model& student, const model::Model& teacher, int index, const at::Tensor& input,
                const at::Tensor& teacher_input, const AbsorbOptions& options);

}  // namespace vitrim::absorb
