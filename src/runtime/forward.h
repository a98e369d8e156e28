#pragma once
// The interface between the engine and a family: from images to the classifier's input. An implementation
// holds the family's packed weights and the memory of every thread.

#include <memory>

#include "runtime/matrix.h"
#include "runtime/team.h"
#include "vitrim/checkpoint/tensor_view.h"
#include "vitrim/core/model_spec.h"

namespace vitrim::runtime {

template <typename T>
class Forward {
 public:
  virtual ~Forward() = default;
  virtual const ModelSpec& spec() const = 0;
  /// images [group, in_channels, H, W], group at most kGroup -> features [group, feature_width()]. It is
  /// called by thread `rank` alone (context {}), or by all threads together.
  virtual void run(const float* images, int64_t group, int rank, ThreadContext context, float* features) = 0;
  /// Width of the classifier's input.
  virtual int64_t feature_width() const = 0;
  /// Features -> logits; empty if the model has no classifier.
  virtual const Matrix<T>& head() const = 0;
  virtual int64_t weight_bytes() const = 0;
  virtual int64_t work_bytes() const = 0;
};

/// The family's forward pass; throws FormatError for missing weights.
template <typename T>
std::unique_ptr<Forward<T>> make_vit(const ModelSpec& spec, const checkpoint::Checkpoint& weights,
                                     int threads, const Kernels& kernels);
template <typename T>
std::unique_ptr<Forward<T>> make_stages(const ModelSpec& spec, const checkpoint::Checkpoint& weights,
                                        int threads, const Kernels& kernels);

}  // namespace vitrim::runtime
