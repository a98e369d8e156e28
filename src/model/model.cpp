#include "vitrim/model/model.h"

#include <ATen/ATen.h>

#include <cmath>
#include <map>
#include <mutex>
#include <set>
#include <stdexcept>

#include "model/vit.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/core/error.h"

namespace vitrim::model {

// Weights cast to the compute dtype, made on first use. Shared by const calls from several threads.
struct Model::Cache {
  std::mutex mutex;
  std::map<std::string, at::Tensor> tensors;
};

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
  if (weight.scalar_type() == compute_dtype_) return weight;
  if (weight.requires_grad() && at::GradMode::is_enabled()) return weight.to(compute_dtype_);
  std::lock_guard<std::mutex> lock(cache_->mutex);
  at::Tensor& cached = cache_->tensors[name];
  if (!cached.defined()) cached = weight.detach().to(compute_dtype_);
  return cached;
}

at::Tensor Model::linear(const at::Tensor& x, const std::string& prefix) const {
  return at::linear(x.to(compute_dtype_), compute_weight(prefix + ".weight"), compute_weight(prefix + ".bias"));
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
  for (int i = 0; i < num_blocks(); ++i) x = run_block(i, x, gains.empty() ? kKeep : gains[i], nullptr);
  return finish(x);
}

void Model::set_parameter(const std::string& name, const at::Tensor& value) {
  const at::Tensor& old = parameters_.at(name);
  if (old.sizes() != value.sizes()) {
    throw std::invalid_argument("[model::set_parameter] " + name + ": the new value has another shape");
  }
  parameters_.set(name, value.detach().to(at::kFloat).contiguous().set_requires_grad(old.requires_grad()));
  std::lock_guard<std::mutex> lock(cache_->mutex);
  cache_->tensors.erase(name);
}

void Model::bind_parameter(const std::string& name, const at::Tensor& leaf) {
  if (parameters_.at(name).sizes() != leaf.sizes() || leaf.scalar_type() != at::kFloat) {
    throw std::invalid_argument("[model::bind_parameter] " + name + ": the new tensor has another shape or is not float32");
  }
  parameters_.set(name, leaf);
  std::lock_guard<std::mutex> lock(cache_->mutex);
  cache_->tensors.erase(name);
}

std::vector<std::string> Model::block_parameters(int index) const {
  const std::string prefix = "blocks." + std::to_string(index) + ".";
  std::vector<std::string> names;
  for (const auto& [name, tensor] : parameters_.entries()) {
    if (name.rfind(prefix, 0) == 0) names.push_back(name);
  }
  return names;
}

void Model::set_device(at::Device device) {
  const std::vector<checkpoint::StateDict::Entry> entries = parameters_.entries();
  for (const auto& [name, tensor] : entries) parameters_.set(name, tensor.detach().to(device).set_requires_grad(tensor.requires_grad()));
  forget_casts();
}

void Model::forget_casts() {
  std::lock_guard<std::mutex> lock(cache_->mutex);
  cache_->tensors.clear();
}

at::Device Model::device() const { return parameters_.entries().front().second.device(); }

void Model::set_requires_grad(bool needed) {
  // A loaded parameter may be a view of a read-only mapping; training writes in place, so it gets its own memory.
  const std::vector<checkpoint::StateDict::Entry> entries = parameters_.entries();
  for (const auto& [name, tensor] : entries) {
    parameters_.set(name, tensor.detach().clone().set_requires_grad(needed));
  }
  std::lock_guard<std::mutex> lock(cache_->mutex);
  cache_->tensors.clear();
}

std::unique_ptr<Model> Model::clone() const {
  checkpoint::StateDict copy;
  for (const auto& [name, tensor] : parameters_.entries()) copy.add(name, tensor.detach().clone());
  auto result = make_model(spec_, copy);
  result->set_compute_dtype(compute_dtype_);
  return result;
}

std::vector<ParameterInfo> parameter_layout(const ModelSpec& spec) {
  validate(spec);
  if (spec.family == "vit") return vit_parameter_layout(spec);
  throw std::invalid_argument("[model::parameter_layout] unknown model family '" + spec.family + "'");
}

namespace {

// Buffers that reference implementations register beside their parameters; no error when a file holds them.
bool is_known_buffer(const std::string& name) {
  for (const char* suffix : {"relative_position_index", "attn_mask", "num_batches_tracked", "position_ids"}) {
    const std::string_view s(suffix);
    if (name.size() >= s.size() && name.compare(name.size() - s.size(), s.size(), s) == 0) return true;
  }
  return false;
}

std::string shape_text(at::IntArrayRef shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

}  // namespace

std::unique_ptr<Model> make_model(const ModelSpec& spec, const checkpoint::StateDict& weights) {
  const std::vector<ParameterInfo> layout = parameter_layout(spec);
  checkpoint::Mismatch mismatch;
  checkpoint::StateDict loaded;
  for (const ParameterInfo& info : layout) {
    if (!weights.contains(info.name)) {
      mismatch.missing.push_back(info.name);
      continue;
    }
    at::Tensor tensor = weights.at(info.name);
    if (info.name == "pos_embed") tensor = resize_position_embedding(tensor, spec);
    if (tensor.sizes() != at::IntArrayRef(info.shape)) {
      mismatch.misshaped.push_back(info.name + ": expected " + shape_text(info.shape) + ", found " +
                                   shape_text(tensor.sizes()));
      continue;
    }
    if (!tensor.is_floating_point()) {
      mismatch.misshaped.push_back(info.name + ": expected floating-point values, found " + c10::toString(tensor.scalar_type()));
      continue;
    }
    loaded.add(info.name, tensor.to(at::kFloat).contiguous());
  }
  std::set<std::string> expected;
  for (const ParameterInfo& info : layout) expected.insert(info.name);
  for (const auto& [name, tensor] : weights.entries()) {
    if (!expected.count(name) && !is_known_buffer(name)) mismatch.surplus.push_back(name);
  }
  if (!mismatch.empty()) throw FormatError(weights.path.empty() ? "the weights" : weights.path, "", mismatch.text());
  loaded.path = weights.path;
  checkpoint::check_finite(loaded);
  std::unique_ptr<Model> model = std::make_unique<VitModel>(spec);
  model->parameters_ = std::move(loaded);
  model->set_compute_dtype(at::kFloat);
  return model;
}

std::unique_ptr<Model> make_random_model(const ModelSpec& spec, uint64_t seed) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  checkpoint::StateDict weights;
  for (const ParameterInfo& info : parameter_layout(spec)) {
    const std::string& name = info.name;
    const bool bias = name.ends_with(".bias");
    const bool norm = name.find("norm") != std::string::npos;
    at::Tensor value = at::zeros(info.shape);
    if (name.ends_with(".gamma")) {
      value.fill_(1e-5);
    } else if (norm && !bias) {
      value.fill_(1);
    } else if (info.shape.size() == 2 && name.rfind("head", 0) != 0) {
      // Xavier: small widths learn far sooner than from a fixed 0.02.
      const double limit = std::sqrt(6.0 / static_cast<double>(info.shape[0] + info.shape[1]));
      value.uniform_(-limit, limit, generator);
    } else if (!bias) {
      // Truncated at two standard deviations, as trunc_normal_(std=0.02) practically is.
      value.normal_(0, 0.02, generator).clamp_(-0.04, 0.04);
    }
    weights.add(name, value);
  }
  return make_model(spec, weights);
}

}  // namespace vitrim::model
