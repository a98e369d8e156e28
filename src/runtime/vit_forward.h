#pragma once
// Some images through a ViT, block by block together, by one thread or by several: weights are then read once for all of them.

#include "runtime/team.h"
#include "runtime/vit_workspace.h"
#include "vitrim/runtime/engine.h"

namespace vitrim::runtime {

template <typename T>
class VitForward {
 public:
  VitForward(const VitWeights<T>& weights, const Kernels& kernels, int64_t tile_rows);

  /// images [group, in_channels, H, W] -> features [group, feature_width()]. Called by every member; `shared` is the first member's workspace, `own` the
  /// member's. `group` is at most what the workspaces were made for.
  void run(const float* images, int64_t group, Member member, Workspace<T>& shared, Workspace<T>& own, float* features) const;
  /// Width of the classifier's input: twice the stream's with a distillation token.
  int64_t feature_width() const { return (weights_.spec.distillation_token ? 2 : 1) * weights_.spec.embed_dim; }

 private:
  struct Rows {
    int64_t begin, end;
    int64_t count() const { return end - begin; }
  };
  static Rows share(int64_t rows, Member member);
  void embed(const float* image, int64_t index, Member member, Workspace<T>& shared, Workspace<T>& own) const;
  // tokens, queries: of one image.
  void attend(int block, int64_t group, int64_t tokens, int64_t queries, Member member, Workspace<T>& shared, Workspace<T>& own) const;
  void attend_head(int block, int64_t head, int64_t image, int64_t tokens, int64_t queries, Workspace<T>& shared, Workspace<T>& own) const;
  void keep_first(int64_t group, int64_t tokens, int64_t kept, Member member, Workspace<T>& shared) const;
  void project(int block, Rows rows, Workspace<T>& shared, Workspace<T>& own) const;
  void merge(int block, int64_t group, int64_t tokens, Member member, Workspace<T>& shared, Workspace<T>& own) const;
  void mlp(int block, Rows rows, Workspace<T>& shared, Workspace<T>& own) const;
  void finish(int64_t image, int64_t tokens, Workspace<T>& shared, Workspace<T>& own, float* features) const;
  Gemm<T> product(const Matrix<T>& matrix, const T* a, int64_t lda, int64_t rows, Workspace<T>& own) const;

  const VitWeights<T>& weights_;
  const KernelSet<T>& kernels_;
  const KernelSet<float>& float_kernels_;
  int64_t tile_rows_;
  std::vector<int64_t> live_;  // rows_read()
};

}  // namespace vitrim::runtime
