#include "vitrim/exporter/input_ranges.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "vitrim/architecture/attention.h"
#include "vitrim/architecture/input_gain.h"
#include "vitrim/architecture/parameters.h"
#include "vitrim/architecture/stages.h"
#include "vitrim/core/error.h"
#include "vitrim/model/batches.h"

namespace vitrim::exporter {

namespace {

// The input of layer `name` of block `index`, from the block's intermediate results.
at::Tensor input_of(const model::Model& model, int index, const std::string& name,
                    const model::BlockTrace& trace) {
  const ModelSpec& spec = model.spec();
  const std::string prefix = architecture::block_prefix(spec, index);
  if (name == prefix + "mlp.fc1") return model.layer_norm(trace.after_attention, prefix + "norm2");
  if (name == prefix + "mlp.fc2") return trace.hidden;
  const architecture::AttentionSite site = architecture::attention_site(spec, index);
  if (name == site.names + "proj") return trace.mixed;
  at::Tensor normed = model.layer_norm(trace.input, prefix + "norm1");
  const int64_t ratio = spec.blocks[static_cast<size_t>(index)].sr_ratio;
  if (name != site.names + "kv" || ratio == 1) return normed;
  const Grid grid = spec.block_grid(index);
  const at::Tensor map =
      normed.transpose(1, 2).reshape({normed.size(0), normed.size(2), grid.height, grid.width});
  return model.layer_norm(model.convolution(map, site.names + "sr", ratio, 0).flatten(2).transpose(1, 2),
                          site.names + "norm");
}

void widen(InputRange& range, const at::Tensor& values) {
  const auto [low, high] = at::aminmax(values.to(at::kFloat));
  range.low = std::min(range.low, low.item<float>());
  range.high = std::max(range.high, high.item<float>());
}

// The ranges of one batch.
void add_batch(const model::Model& model, const at::Tensor& images, InputRanges& ranges) {
  at::Tensor x = model.embed(images);
  model::MergedTokens merged;
  for (int i = 0; i < model.num_blocks(); ++i) {
    model::BlockTrace trace;
    x = model.run_block(i, x, model::kKeep, &trace, {{}, &merged});
    for (const architecture::QuantizableLayer& layer : architecture::quantizable_layers(model.spec(), i)) {
      if (!(model.spec().blocks[static_cast<size_t>(i)].int8.*layer.member)) continue;
      at::Tensor values = input_of(model, i, layer.name, trace);
      const std::string gain = layer.name + architecture::kInputGain;
      if (model.has_parameter(gain)) values = values * model.parameter(gain);
      if (!values.isfinite().all().item<bool>())
        throw Error("[exporter::input_ranges] the input of " + layer.name +
                    " is not finite on a calibration image; check the images and the weights");
      widen(ranges[layer.name], values);
    }
  }
}

}  // namespace

std::vector<std::string> int8_layers(const ModelSpec& spec) {
  std::vector<std::string> names;
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i) {
    for (const architecture::QuantizableLayer& layer : architecture::quantizable_layers(spec, i)) {
      if (spec.blocks[static_cast<size_t>(i)].int8.*layer.member) names.push_back(layer.name);
    }
  }
  return names;
}

InputRanges input_ranges(const model::Model& model, const data::ImageBatch& images, int64_t batch_size) {
  if (int8_layers(model.spec()).empty())
    throw std::invalid_argument("[exporter::input_ranges] no layer of the model is int8");
  if (images.size() == 0) throw std::invalid_argument("[exporter::input_ranges] there are no images");
  std::vector<InputRanges> by_worker(static_cast<size_t>(model::num_workers()));
  model::for_each_batch(images.size(), batch_size, [&](int worker, int64_t begin, int64_t end) {
    const at::NoGradGuard no_grad;
    add_batch(model, data::normalized(images, begin, end), by_worker[static_cast<size_t>(worker)]);
  });
  InputRanges out;
  for (const InputRanges& some : by_worker) {
    for (const auto& [name, range] : some) {
      InputRange& whole = out[name];
      whole.low = std::min(whole.low, range.low);
      whole.high = std::max(whole.high, range.high);
    }
  }
  return out;
}

}  // namespace vitrim::exporter
