#include "vitrim/model/model.h"

#include <ATen/ATen.h>

#include <cmath>
#include <map>
#include <mutex>
#include <stdexcept>

#include "model/attention.h"
#include "model/derive.h"
#include "model/executor.h"
#include "model/family.h"
#include "model/projections.h"
#include "model/segmentation.h"
#include "vitrim/architecture/input_gain.h"
#include "vitrim/architecture/parameters.h"
#include "vitrim/architecture/stages.h"
#include "vitrim/model/after_fork.h"
#include "vitrim/model/quantized.h"

namespace vitrim::model {

// Weights cast to the compute dtype on first use. Const calls from several threads share them.
struct Model::Cache {
  std::mutex mutex;
  std::map<std::string, at::Tensor> tensors;
};

Model::Model(ModelSpec spec)
    : spec_(std::move(spec)), family_(family_of(spec_)), gates_(spec_.blocks.size()) {
  for (int i = 0; i < num_blocks(); ++i) prefixes_.push_back(architecture::block_prefix(spec_, i));
}

void Model::set_compute_dtype(at::ScalarType dtype) {
  if (dtype != at::kFloat && dtype != at::kBFloat16) {
    throw std::invalid_argument("[model::set_compute_dtype] only float32 and bfloat16 are supported");
  }
  compute_dtype_ = dtype;
  cache_ = std::make_shared<Cache>();
}

at::Tensor Model::optional_parameter(const std::string& name) const {
  return parameters_.contains(name) ? parameters_.at(name) : at::Tensor();
}

at::Tensor Model::compute_weight(const std::string& name) const {
  if (!parameters_.contains(name)) return {};
  const at::Tensor& weight = parameters_.at(name);
  // Products of int8 are sums of integers, which float32 represents exactly.
  const at::ScalarType dtype = weight.scalar_type() == at::kChar ? at::kFloat : compute_dtype_;
  if (weight.scalar_type() == dtype) return weight;
  if (weight.requires_grad() && at::GradMode::is_enabled()) return weight.to(dtype);
  std::lock_guard<std::mutex> lock(cache_->mutex);
  at::Tensor& cached = cache_->tensors[name];
  if (!cached.defined()) cached = weight.detach().to(dtype);
  return cached;
}

at::Tensor Model::linear(const at::Tensor& x, const std::string& prefix, int64_t begin, int64_t end) const {
  const auto rows = [&](const at::Tensor& t) { return t.defined() && end >= 0 ? t.slice(0, begin, end) : t; };
  const at::Tensor& held = parameter(prefix + ".weight");
  if (held.scalar_type() != at::kChar)
    return at::linear(x.to(compute_dtype_), rows(compute_weight(prefix + ".weight")),
                      rows(compute_weight(prefix + ".bias")));
  const at::Tensor weight = multiplies_bytes() ? held : compute_weight(prefix + ".weight");
  const at::Tensor gain = optional_parameter(prefix + architecture::kInputGain), values = x.to(at::kFloat);
  return quantized_linear(gain.defined() ? values * gain : values, rows(weight),
                          rows(parameter(prefix + ".weight_scale")),
                          rows(optional_parameter(prefix + ".bias")))
      .to(compute_dtype_);
}

at::Tensor Model::convolution(const at::Tensor& maps, const std::string& prefix, int64_t stride,
                              int64_t padding, int64_t groups) const {
  return at::conv2d(maps.to(compute_dtype_), compute_weight(prefix + ".weight"),
                    compute_weight(prefix + ".bias"), {stride, stride}, {padding, padding}, {1, 1}, groups);
}

at::Tensor Model::layer_norm(const at::Tensor& x, const std::string& prefix) const {
  const at::Tensor weight = parameter(prefix + ".weight");
  const at::Tensor bias = optional_parameter(prefix + ".bias");
  return at::layer_norm(x, {weight.size(0)}, weight.to(x.scalar_type()),
                        bias.defined() ? bias.to(x.scalar_type()) : bias, spec_.norm_eps);
}

Output Model::forward(const at::Tensor& images, const std::vector<BlockGain>& gains) const {
  if (!gains.empty() && static_cast<int>(gains.size()) != num_blocks()) {
    throw std::invalid_argument("[model::forward] " + std::to_string(gains.size()) + " gains for " +
                                std::to_string(num_blocks()) + " blocks");
  }
  at::Tensor x = embed(images);
  MergedTokens merged;
  Intermediates intermediates;
  for (int i = 0; i < num_blocks(); ++i) {
    x = run_block(i, x, gains.empty() ? kKeep : gains[i], nullptr, {{}, &merged});
    keep_intermediate(i, x, intermediates);
  }
  return finish(x, merged, intermediates);
}

at::Tensor Model::embed(const at::Tensor& images) const {
  settle_after_fork();
  if (images.dim() != 4 || images.size(1) != spec_.in_channels || images.size(2) != spec_.image_size[0] ||
      images.size(3) != spec_.image_size[1]) {
    throw std::invalid_argument(
        "[model::embed] the model takes images of [B, " + std::to_string(spec_.in_channels) + ", " +
        std::to_string(spec_.image_size[0]) + ", " + std::to_string(spec_.image_size[1]) + "]");
  }
  return family_.embed(*this, images);
}

at::Tensor Model::enter(int index, const at::Tensor& x) const {
  const ModelSpec::Position at = spec_.position(index);
  return at.index == 0 && at.stage > 0 ? family_.transition(*this, at.stage, x) : x;
}

// The attention branch; keys and values come from all of x. The gate on q and k is set here.
at::Tensor Model::attention(int index, const at::Tensor& x, const AttendRequest& request,
                            BlockTrace* trace) const {
  const BlockSpec& block = spec_.blocks[static_cast<size_t>(index)];
  const std::string& prefix = prefixes_[static_cast<size_t>(index)];
  const ChannelGates& gate = gates(index);
  const AttentionSite site = attention_site(spec_, index);
  const at::Tensor normed = layer_norm(x, prefix + "norm1").to(compute_dtype_);
  AttendRequest gated = request;
  gated.qk_gate = gate.qk;
  at::Tensor mixed = attention_of(block.attention).attend(*this, site, normed, gated);
  if (gate.v.defined())
    mixed = mixed *
            flat_gate(
                gate.v,
                mixed);  // attention mixes v over tokens within each channel, so the gate can be applied here
  if (trace) trace->mixed = mixed;
  at::Tensor out = linear(mixed, site.names + "proj");
  if (spec_.layer_scale) out = out * parameter(prefix + "ls1.gamma");
  return out;
}

at::Tensor Model::run_block(int index, const at::Tensor& input, BlockGain gain, BlockTrace* trace,
                            const BlockContext& context) const {
  const BlockSpec& block = spec_.blocks[static_cast<size_t>(index)];
  const at::Tensor x = enter(index, input);
  if (trace) trace->input = x;
  const double stream = gain.stream * block.stream_gain;
  at::Tensor y = stream == 1 ? x : x * stream;
  MergedTokens* const merged = block.merge > 0 && gain.branch == 1 ? context.merged : nullptr;
  at::Tensor keys;
  if (gain.branch != 0 && block.attention != AttentionKind::kNone) {
    AttendRequest request;
    if (context.merged && context.merged->any()) request.log_sizes = context.merged->sizes.log();
    if (merged) request.mean_keys = &keys;
    const at::Tensor branch = attention(index, x, request, trace);
    if (trace) trace->attention = branch;
    y = at::add(y, context.drop.attention.defined() ? branch * context.drop.attention : branch, gain.branch);
  }
  if (trace) trace->after_attention = y;
  if (merged) y = merge_tokens(y, keys, spec_.prefix_tokens(), block.merge, *merged);
  return run_mlp(index, y, trace, context.drop);
}

at::Tensor Model::run_block_at(int index, const at::Tensor& input, const at::Tensor& tokens,
                               BlockTrace* trace) const {
  if (architecture::has_mlp_convolution(spec_)) {  // the MLP needs all tokens too
    const at::Tensor z = run_block(index, input, kKeep, trace);
    if (trace) {
      for (at::Tensor* t : {&trace->input, &trace->mixed, &trace->attention, &trace->after_attention,
                            &trace->hidden, &trace->mlp}) {
        if (t->defined()) *t = t->index_select(1, tokens);
      }
    }
    return z.index_select(1, tokens);
  }
  const BlockSpec& block = spec_.blocks[static_cast<size_t>(index)];
  const at::Tensor x = enter(index, input);
  at::Tensor y = x.index_select(1, tokens);
  if (trace) trace->input = y;
  if (block.stream_gain != 1) y = y * block.stream_gain;
  if (block.attention != AttentionKind::kNone) {
    AttendRequest request;
    request.tokens = tokens;
    const at::Tensor branch = attention(index, x, request, trace);
    if (trace) trace->attention = branch;
    y = at::add(y, branch);
  }
  if (trace) trace->after_attention = y;
  return run_mlp(index, y, trace, {});
}

namespace {

at::Tensor activated(Activation kind, const at::Tensor& x) {
  switch (kind) {
    case Activation::kGelu:
      return at::gelu(x);
    case Activation::kGeluTanh:
      return at::gelu(x, "tanh");
    case Activation::kQuickGelu:
      return x * at::sigmoid(x * 1.702);
    case Activation::kRelu:
      return at::relu(x);
    case Activation::kSilu:
      break;
  }
  return at::silu(x);
}

// The output of fc1 -> the input of fc2.
at::Tensor activate(const ModelSpec& spec, const at::Tensor& hidden) {
  if (!spec.gated_mlp) return activated(spec.activation, hidden);
  const std::vector<at::Tensor> halves = hidden.chunk(2, -1);
  return activated(spec.activation, halves[0]) * halves[1];
}

}  // namespace

at::Tensor Model::run_mlp(int index, const at::Tensor& y, BlockTrace* trace, const DropPath& drop) const {
  const std::string& prefix = prefixes_[static_cast<size_t>(index)];
  at::Tensor hidden = linear(layer_norm(y, prefix + "norm2"), prefix + "mlp.fc1");
  if (architecture::has_mlp_convolution(spec_)) {
    hidden = convolution(to_planes(hidden, spec_.block_grid(index)), prefix + "mlp.dwconv.dwconv", 1, 1,
                         hidden.size(2))
                 .flatten(2)
                 .transpose(1, 2);
  }
  hidden = activate(spec_, hidden);
  if (gates(index).mlp.defined()) hidden = hidden * flat_gate(gates(index).mlp, hidden);
  at::Tensor branch = linear(hidden, prefix + "mlp.fc2");
  if (spec_.layer_scale) branch = branch * parameter(prefix + "ls2.gamma");
  if (trace) {
    trace->hidden = hidden;
    trace->mlp = branch;
  }
  return at::add(y, drop.mlp.defined() ? branch * drop.mlp : branch);
}

void Model::keep_intermediate(int index, const at::Tensor& x, Intermediates& intermediates) const {
  if (!spec_.segmentation || index + 1 == num_blocks()) return;
  // A head may read a shallow model twice after the same block.
  for (const int64_t block : spec_.segmentation->blocks) {
    if (block == index) intermediates.push_back(x);
  }
}

Output Model::finish(const at::Tensor& x, const MergedTokens& merged,
                     const Intermediates& intermediates) const {
  if (spec_.segmentation) return segment(*this, x, intermediates);
  Output out = family_.finish(*this, x, merged);
  // Without any norm the features would have the stream's scale, which masking changes; an affine-free
  // LayerNorm removes it.
  if (!spec_.final_norm && !spec_.fc_norm)
    out.features = at::layer_norm(out.features, {spec_.feature_dim()}, {}, {}, spec_.norm_eps);
  return out;
}

void Model::set_gates(int index, const ChannelGates& gates) {
  const BlockSpec& block = spec_.blocks.at(static_cast<size_t>(index));
  auto check = [&](const at::Tensor& gate, const std::vector<int64_t>& shape, const char* name) {
    if (gate.defined() && gate.sizes() != at::IntArrayRef(shape)) {
      throw std::invalid_argument("[model::set_gates] block " + std::to_string(index) + ": the gates on " +
                                  name + " have another shape");
    }
  };
  check(gates.qk, {block.num_heads, block.qk_dim}, "q and k");
  check(gates.v, {block.num_heads, block.v_dim}, "v");
  check(gates.mlp, {block.mlp_dim}, "the MLP");
  if (gates.qk.defined() && spec_.qk_norm)
    throw std::invalid_argument("[model::set_gates] query-key channels before a q/k norm can't be pruned");
  gates_[static_cast<size_t>(index)] = gates;
}

void Model::set_merging(const std::vector<int64_t>& pairs) {
  ModelSpec spec = spec_;
  for (size_t i = 0; i < spec.blocks.size(); ++i) spec.blocks[i].merge = pairs.at(i);
  validate(spec);
  spec_ = std::move(spec);
}

void Model::set_parameter(const std::string& name, const at::Tensor& value) {
  const at::Tensor& old = parameters_.at(name);
  if (old.sizes() != value.sizes()) {
    throw std::invalid_argument("[model::set_parameter] " + name + ": the new value has another shape");
  }
  parameters_.set(name,
                  value.detach().to(old.scalar_type()).contiguous().set_requires_grad(old.requires_grad()));
  std::lock_guard<std::mutex> lock(cache_->mutex);
  cache_->tensors.erase(name);
}

void Model::bind_parameter(const std::string& name, const at::Tensor& leaf) {
  if (parameters_.at(name).sizes() != leaf.sizes() || leaf.scalar_type() != at::kFloat) {
    throw std::invalid_argument("[model::bind_parameter] " + name +
                                ": the new tensor has another shape or is not float32");
  }
  parameters_.set(name, leaf);
  std::lock_guard<std::mutex> lock(cache_->mutex);
  cache_->tensors.erase(name);
}

std::vector<std::string> Model::block_parameters(int index) const {
  const std::string& prefix = prefixes_[static_cast<size_t>(index)];
  std::vector<std::string> names;
  for (const auto& [name, tensor] : parameters_.entries()) {
    if (name.rfind(prefix, 0) == 0) names.push_back(name);
  }
  return names;
}

void Model::set_device(at::Device device) {
  const std::vector<StateDict::Entry> entries = parameters_.entries();
  for (const auto& [name, tensor] : entries)
    parameters_.set(name, tensor.detach().to(device).set_requires_grad(tensor.requires_grad()));
  forget_casts();
}

void Model::forget_casts() {
  std::lock_guard<std::mutex> lock(cache_->mutex);
  cache_->tensors.clear();
}

at::Device Model::device() const { return parameters_.entries().front().second.device(); }

void Model::set_requires_grad(bool needed) {
  if (needed) require_float_weights(spec_, "training");
  // A loaded parameter may be a view of a read-only mapping; training writes in place, so each parameter gets
  // its own memory.
  const std::vector<StateDict::Entry> entries = parameters_.entries();
  for (const auto& [name, tensor] : entries) {
    parameters_.set(name, tensor.detach().clone().set_requires_grad(needed));
  }
  std::lock_guard<std::mutex> lock(cache_->mutex);
  cache_->tensors.clear();
}

std::unique_ptr<Model> Model::clone() const {
  StateDict copy;
  for (const auto& [name, tensor] : parameters_.entries()) copy.add(name, tensor.detach().clone());
  auto result = make_model(spec_, copy);
  result->set_compute_dtype(compute_dtype_);
  return result;
}

std::unique_ptr<Model> make_model(const ModelSpec& spec, const StateDict& weights) {
  settle_after_fork();
  const StateDict found = derive(architecture::matched(spec, describe(weights)), weights);
  architecture::check_declared(executor(), spec, "[model::make_model] ");
  StateDict loaded;
  for (const auto& [name, tensor] : found.entries()) {
    const bool int8 = tensor.scalar_type() == at::kChar;  // matched() accepts int8 only if the spec has it
    loaded.add(name, int8 ? tensor.contiguous() : tensor.to(at::kFloat).contiguous());
  }
  loaded.path = weights.path;
  check_finite(loaded);
  std::unique_ptr<Model> model(new Model(spec));  // its constructor is private
  model->parameters_ = std::move(loaded);
  model->set_compute_dtype(at::kFloat);
  return model;
}

std::unique_ptr<Model> make_random_model(const ModelSpec& spec, uint64_t seed) {
  settle_after_fork();
  require_float_weights(spec, "drawing random weights");
  at::Generator generator = at::detail::createCPUGenerator(seed);
  StateDict weights;
  for (const architecture::ParameterInfo& info : architecture::parameter_layout(spec)) {
    const std::string& name = info.name;
    const bool bias = name.ends_with(".bias");
    const bool norm = info.shape.size() == 1 && name.ends_with(".weight");
    at::Tensor value = at::zeros(info.shape);
    if (name.ends_with(".gamma")) {
      value.fill_(1e-5);
    } else if (norm && !bias) {
      value.fill_(1);
    } else if (info.shape.size() == 2 && info.part != architecture::Part::kClassifier &&
               name.ends_with(".weight")) {
      // Xavier-uniform, because small widths learn far sooner than with a fixed 0.02.
      const double limit = std::sqrt(6.0 / static_cast<double>(info.shape[0] + info.shape[1]));
      value.uniform_(-limit, limit, generator);
    } else if (info.shape.size() == 4 && name != "patch_embed.proj.weight") {
      const double limit = 1 / std::sqrt(static_cast<double>(info.shape[1] * info.shape[2] * info.shape[3]));
      value.uniform_(-limit, limit, generator);
    } else if (name.ends_with(".scale") || name.ends_with(".positional_encoding")) {
      // zeros, as in the reference
    } else if (!bias) {
      // Truncated at two standard deviations, which is practically trunc_normal_(std=0.02).
      value.normal_(0, 0.02, generator).clamp_(-0.04, 0.04);
    }
    weights.add(name, value);
  }
  return make_model(spec, weights);
}

}  // namespace vitrim::model
