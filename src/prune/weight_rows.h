#pragma once
// The weights of channels, one row per channel.

#include <ATen/ATen.h>

#include "vitrim/architecture/channels.h"

namespace vitrim::prune {

/// The weights of a slice as rows, [heads, width, rest] float64; undefined if the parameter has only one
/// dimension or is shared by all heads.
inline at::Tensor weight_rows(const model::Model& model, const architecture::ChannelSlice& slice,
                              int64_t width) {
  const at::Tensor& parameter = model.parameter(slice.parameter);
  if (parameter.dim() < 2 || slice.shared) return {};
  const at::Tensor part =
      parameter.detach().narrow(slice.dim, slice.offset, slice.heads * width).to(at::kDouble).cpu();
  return part.movedim(slice.dim, 0).reshape({slice.heads, width, -1});
}

}  // namespace vitrim::prune
