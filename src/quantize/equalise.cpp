#include "quantize/equalise.h"

#include <ATen/ATen.h>

#include "vitrim/architecture/channels.h"
#include "vitrim/architecture/input_gain.h"
#include "vitrim/architecture/stages.h"

namespace vitrim::quantize {

namespace {

using architecture::ChannelGroup;
using architecture::ChannelSlice;

// The slices of parameters that compute v, without proj's columns.
std::vector<ChannelSlice> value_rows(const ModelSpec& spec, const QuantizedUnit& unit) {
  std::vector<ChannelSlice> out;
  for (const ChannelSlice& slice : architecture::channel_slices(spec, unit.block)) {
    if (slice.group == ChannelGroup::kV && slice.dim == 0) out.push_back(slice);
  }
  return out;
}

void divide(Work& work, const std::string& name, const at::Tensor& by) {
  work.set_parameter(name, work.student().parameter(name) / by);
}

// Rows [offset, offset + n) of a weight or a bias, divided by [n].
void divide_rows(Work& work, const ChannelSlice& slice, const at::Tensor& by) {
  const model::Model& student = work.student();
  const std::string layer = slice.parameter.substr(0, slice.parameter.rfind('.'));
  const bool int8 = student.parameter(slice.parameter).scalar_type() == at::kChar;
  const at::Tensor rows = (int8 ? work.weight(layer) : student.parameter(slice.parameter)).clone();
  rows.narrow(0, slice.offset, by.size(0)).div_(rows.dim() == 1 ? by : by.unsqueeze(1));
  if (int8) {
    work.set_weight(layer, rows);
  } else {
    work.set_parameter(slice.parameter, rows);
  }
}

}  // namespace

bool can_equalise(const ModelSpec& spec, const QuantizedUnit& unit) {
  const BlockSpec& block = spec.blocks[static_cast<size_t>(unit.block)];
  if (unit.member == &QuantizedLayers::qkv) return block.sr_ratio == 1;
  if (unit.member == &QuantizedLayers::proj)
    return block.attention == AttentionKind::kSoftmax || block.attention == AttentionKind::kWindow;
  return true;
}

at::Tensor equalising_factors(const Work& work, const QuantizedUnit& unit, const at::Tensor& largest,
                              double exponent) {
  at::Tensor columns = at::zeros_like(largest);
  for (const std::string& layer : unit.layers)
    columns = at::maximum(columns, work.weight(layer).abs().amax(0));
  const at::Tensor used = (largest > 0).logical_and(columns > 0);
  const at::Tensor logarithm = at::where(
      used, largest.clamp_min(1e-20).log() * exponent - columns.clamp_min(1e-20).log() * (1 - exponent),
      at::zeros_like(largest));
  const at::Tensor middle = logarithm.sum() / used.sum().clamp_min(1);
  // Far above useful factors; it keeps a nearly empty channel from overflowing.
  const at::Tensor s = (logarithm - middle).clamp_(-9, 9).exp();
  return at::where(used, s, at::ones_like(s));
}

void equalise(Work& work, const QuantizedUnit& unit, const at::Tensor& factors) {
  const std::string prefix = architecture::block_prefix(work.student().spec(), unit.block);
  for (const std::string& layer : unit.layers) work.set_weight(layer, work.weight(layer) * factors);
  if (unit.member == &QuantizedLayers::fc2) {
    divide(work, unit.layers.front() + architecture::kInputGain, factors);
  } else if (unit.member == &QuantizedLayers::proj) {
    for (const ChannelSlice& slice : value_rows(work.student().spec(), unit))
      divide_rows(work, slice, factors);
  } else {
    const std::string norm = prefix + (unit.member == &QuantizedLayers::qkv ? "norm1" : "norm2");
    divide(work, norm + ".weight", factors);
    divide(work, norm + ".bias", factors);
  }
}

}  // namespace vitrim::quantize
