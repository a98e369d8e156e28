#include "pipeline/candidate_models.h"

#include <ATen/ATen.h>

#include "pipeline/own_model.h"
#include "vitrim/absorb/absorb.h"
#include "vitrim/analysis/distortion.h"
#include "vitrim/merge/schedule.h"
#include "vitrim/pipeline/prune.h"
#include "vitrim/plan/candidates.h"
#include "vitrim/quantize/quantize.h"
#include "vitrim/surgery/make_static.h"
#include "vitrim/surgery/remove_attention.h"

namespace vitrim::pipeline {

CandidateModels::CandidateModels(const model::Model& dense, const data::ImageBatch& fit,
                                 const data::ImageBatch& held_out, int64_t round, int64_t batch_size,
                                 uint64_t seed)
    : dense_(dense), fit_(fit), held_out_(held_out), round_(round), batch_size_(batch_size), seed_(seed) {
  dense_logits_ = analysis::logits_of(dense, held_out, batch_size);
}

const model::Model& CandidateModels::fitted(const PlanRow& row) {
  const std::vector<int>& removed = row.removed;
  const bool prunes = row.width > 0 || row.mlp > 0;
  const bool cuts = !removed.empty() || !row.fixed.empty();
  const std::tuple<std::vector<int>, std::vector<int>, int64_t, int64_t> key{removed, row.fixed, row.width,
                                                                             row.mlp};
  if (const auto known = fitted_.find(key); known != fitted_.end()) return *known->second;
  absorb::AbsorbOptions absorb;
  absorb.ridge = 3;  // few images
  absorb.epochs = 0;
  absorb.flip = false;
  absorb.held_out = 0.02;
  absorb.batch_size = batch_size_;
  absorb.seed = seed_;
  std::unique_ptr<model::Model> model;
  if (prunes) {
    PruneOptions prune;
    prune.width = row.width;
    prune.mlp_width = row.mlp;
    prune.round = round_;
    prune.criterion = "energy_centred";
    prune.indicators.seed = seed_;
    PlanRow unpruned;
    unpruned.removed = removed;
    unpruned.fixed = row.fixed;
    model = prune_channels(cuts ? fitted(unpruned) : dense_, fit_, prune);
  } else if (cuts) {
    surgery::SpecAndWeights parts{dense_.spec(), dense_.parameters()};
    if (!row.fixed.empty()) parts = surgery::make_static(parts, row.fixed);
    model = own_model(surgery::fold_stream_gains(surgery::remove_attention(parts, removed)), dense_);
  } else {
    model = dense_.clone();
  }
  if (prunes || cuts) absorb::absorb(*model, dense_, fit_, absorb);
  return *fitted_.emplace(key, std::move(model)).first->second;
}

std::unique_ptr<model::Model> CandidateModels::make(const PlanRow& row) {
  std::unique_ptr<model::Model> model = fitted(row).clone();
  if (row.merging.pairs > 0) model->set_merging(merge::schedule_of(plan::candidate_spec(dense_.spec(), row)));
  if (row.int8) return quantize::quantize(*model).model;
  return model;
}

double CandidateModels::kl(const model::Model& model) const {
  return analysis::kl_per_image(dense_logits_, analysis::logits_of(model, held_out_, batch_size_))
      .mean()
      .item<double>();
}

double CandidateModels::agreement(const model::Model& model) const {
  return analysis::agreement(dense_logits_, analysis::logits_of(model, held_out_, batch_size_));
}

}  // namespace vitrim::pipeline
