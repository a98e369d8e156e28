#pragma once
// Runs some images together through a model with stages (Swin, PVT, CSwin and FLatten's variants of them),
// block by block, with one thread or several.

#include "runtime/forward.h"
#include "runtime/stage_memory.h"

namespace vitrim::runtime {

template <typename T>
class StageForward : public Forward<T> {
 public:
  StageForward(const ModelSpec& spec, const checkpoint::Checkpoint& weights, int threads,
               const Kernels& kernels);

  const ModelSpec& spec() const override { return weights_.spec; }
  void run(const float* images, int64_t group, int rank, ThreadContext context, float* features) override;
  int64_t feature_width() const override { return weights_.spec.feature_dim(); }
  const Matrix<T>& head() const override { return weights_.head; }
  int64_t weight_bytes() const override { return weights_.bytes; }
  int64_t work_bytes() const override;

 private:
  // The state of one call.
  struct CallContext {
    int64_t group;
    ThreadContext context;
    StageMemory<T>& shared;
    StageMemory<T>& own;
  };
  // Computes the stream before the first block of a stage from images (stage 0) or from the stream at the end
  // of the previous stage.
  void begin_stage(int stage, const float* images, const CallContext& call) const;
  void run_block(const StageBlock<T>& block, const CallContext& call) const;
  void first_half(const StageBlock<T>& block, Rows rows, const CallContext& call) const;
  void convolved_mlp(const StageBlock<T>& block, const CallContext& call) const;
  void finish(int64_t image, const CallContext& call, float* features) const;

  StageWeights<T> weights_;
  const KernelSet<T>& kernels_;
  const KernelSet<float>& floats_;
  float eps_;
  std::vector<StageMemory<T>> memories_;  // one per thread
};

}  // namespace vitrim::runtime
