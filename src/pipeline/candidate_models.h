#pragma once
// Builds candidates of a plan cheaply: closed-form fits on few images, channels by centred activation energy.

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include "vitrim/core/plan_artifacts.h"
#include "vitrim/data/loader.h"
#include "vitrim/model/model.h"

namespace vitrim::pipeline {

class CandidateModels {
 public:
  /// Fits on `fit` and measures on `held_out`; model and images must outlive the object.
  CandidateModels(const model::Model& dense, const data::ImageBatch& fit, const data::ImageBatch& held_out,
                  int64_t round, int64_t batch_size, uint64_t seed);
  /// Removal, closed-form absorption, pruning, another absorption, merging, int8 in its plain form. Fitted
  /// models are cached: candidates that differ only in merging or int8 share them.
  std::unique_ptr<model::Model> make(const PlanRow& row);
  /// Mean KL divergence of the softened logits from the dense model's on the held-out images, nats.
  double kl(const model::Model& model) const;
  /// Share of the held-out images on which it predicts the same class as the dense model.
  double agreement(const model::Model& model) const;
  double kl(const PlanRow& row) { return kl(*make(row)); }

 private:
  // The model of the row without its merging; other members of the row are ignored.
  const model::Model& fitted(const PlanRow& row);

  const model::Model& dense_;
  const data::ImageBatch& fit_;
  const data::ImageBatch& held_out_;
  int64_t round_, batch_size_;
  uint64_t seed_;
  at::Tensor dense_logits_;
  std::map<std::tuple<std::vector<int>, std::vector<int>, int64_t, int64_t>, std::unique_ptr<model::Model>>
      fitted_;
};

}  // namespace vitrim::pipeline
