#pragma once
// Engines and the LibTorch model on the same images.

#include <atomic>

#include "model/small_models.h"
#include "runtime/implementation.h"
#include "vitrim/model/floats.h"

namespace vitrim::test {

using runtime::Engine;
using runtime::Isa;
using runtime::Precision;

/// Allocations of the whole program (engine_test.cpp counts them).
extern std::atomic<long> allocations;

inline at::Tensor run(runtime::Engine::Implementation& engine, const at::Tensor& images, int64_t outputs) {
  const at::Tensor input = images.contiguous();
  at::Tensor out = at::empty({images.size(0), outputs});
  engine.run(input.const_data_ptr<float>(), images.size(0), out.data_ptr<float>());
  return out;
}

inline at::Tensor run(runtime::Engine& engine, const at::Tensor& images) {
  const at::Tensor input = images.contiguous();
  at::Tensor out = at::empty({images.size(0), engine.outputs()});
  engine.run(model::floats_of(input), images.size(0), model::writable_floats_of(out));
  return out;
}

inline std::unique_ptr<runtime::Engine::Implementation> engine_of(const model::Model& model, int threads,
                                                                  runtime::Precision precision,
                                                                  const runtime::Kernels& kernels) {
  return runtime::make_implementation(model.spec(), model.parameters(), threads, precision, kernels);
}

/// Logits, or features if there is no classifier.
inline at::Tensor reference(const model::Model& model, const at::Tensor& images) {
  const at::NoGradGuard no_grad;
  const model::Output out = model.forward(images);
  return model.spec().num_classes > 0 ? out.logits : out.features;
}

}  // namespace vitrim::test
