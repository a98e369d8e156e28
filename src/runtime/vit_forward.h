#pragma once
// Runs some images together through a ViT, block by block, with one thread or several, so that weights are
// read once for all of them.

#include "runtime/forward.h"
#include "runtime/vit_workspace.h"
#include "vitrim/runtime/engine.h"

namespace vitrim::runtime {

template <typename T>
class VitForward : public Forward<T> {
 public:
  VitForward(const ModelSpec& spec, const checkpoint::Checkpoint& weights, int threads,
             const Kernels& kernels);

  const ModelSpec& spec() const override { return weights_.spec; }
  void run(const float* images, int64_t group, int rank, ThreadContext context, float* features) override;
  /// Twice the stream's width with a distillation token, or if the classifier reads token and average.
  int64_t feature_width() const override {
    return (weights_.spec.distillation_token ? 2 : 1) * weights_.spec.feature_dim();
  }
  const Matrix<T>& head() const override { return weights_.head; }
  int64_t weight_bytes() const override { return weights_.bytes; }
  int64_t work_bytes() const override;

 private:
  void embed(const float* image, int64_t index, ThreadContext context, Workspace<T>& shared,
             Workspace<T>& own) const;
  // tokens and queries are counted per image.
  void attend(int block, int64_t group, int64_t tokens, int64_t queries, ThreadContext context,
              Workspace<T>& shared, Workspace<T>& own) const;
  void attend_head(int block, int64_t head, int64_t image, int64_t tokens, int64_t queries,
                   const Left<T>& normed, Workspace<T>& shared, Workspace<T>& own) const;
  void keep_first(int64_t group, int64_t tokens, int64_t kept, ThreadContext context,
                  Workspace<T>& shared) const;
  void project(int block, Rows rows, Workspace<T>& shared, Workspace<T>& own) const;
  void merge(int block, int64_t group, int64_t tokens, ThreadContext context, Workspace<T>& shared) const;
  void mlp(int block, Rows rows, Workspace<T>& shared, Workspace<T>& own) const;
  void finish(int64_t image, int64_t tokens, Workspace<T>& shared, Workspace<T>& own, float* features) const;

  VitWeights<T> weights_;
  const KernelSet<T>& kernels_;
  const KernelSet<float>& float_kernels_;
  std::vector<int64_t> live_;             // architecture::live_tokens()
  std::vector<Workspace<T>> workspaces_;  // one per thread
};

}  // namespace vitrim::runtime
