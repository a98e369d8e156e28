#pragma once
// The implementation of Engine, for any element type and any table of kernels.

#include <memory>

#include "runtime/kernels.h"
#include "vitrim/runtime/engine.h"

namespace vitrim::runtime {

class Engine::Implementation {
 public:
  virtual ~Implementation() = default;
  virtual void run(const float* images, int64_t batch, float* out) = 0;
  virtual const ModelSpec& spec() const = 0;
  virtual int threads() const = 0;
  virtual int64_t weight_bytes() const = 0;
  virtual int64_t work_bytes() const = 0;
  Precision precision = Precision::kF32;
  Isa isa{};
};

/// `precision` is kF32 or kBf16. Engine uses the kernels of chosen_isa(); tests use others.
std::unique_ptr<Engine::Implementation> make_implementation(const ModelSpec& spec,
                                                            const checkpoint::Checkpoint& weights,
                                                            int threads, Precision precision,
                                                            const Kernels& kernels);

}  // namespace vitrim::runtime
