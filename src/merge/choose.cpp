#include "vitrim/merge/choose.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "vitrim/analysis/distortion.h"
#include "vitrim/architecture/cost.h"
#include "vitrim/core/log.h"
#include "vitrim/core/macs_target.h"
#include "vitrim/merge/schedule.h"

namespace vitrim::merge {

namespace {

// A separate model whose schedule can be changed, and its outputs without merging.
class Trials {
 public:
  Trials(const model::Model& model, const data::ImageBatch& images, int64_t batch_size)
      : model_(model.clone()), images_(images), batch_size_(batch_size) {
    model_->set_merging(std::vector<int64_t>(static_cast<size_t>(model.num_blocks()), 0));
    plain_ = analysis::logits_of(*model_, images, batch_size);
  }
  const ModelSpec& plain_spec() const { return model_->spec(); }
  double kl(const std::vector<int64_t>& pairs) {
    const std::vector<int64_t> none(pairs.size(), 0);
    model_->set_merging(pairs);
    const at::Tensor merged = analysis::logits_of(*model_, images_, batch_size_);
    model_->set_merging(none);
    return analysis::kl_per_image(plain_, merged, /*temperature=*/1).mean().item<double>();
  }

 private:
  std::unique_ptr<model::Model> model_;
  const data::ImageBatch& images_;
  int64_t batch_size_;
  at::Tensor plain_;
};

}  // namespace

std::vector<double> measure_schedules(const model::Model& model, const data::ImageBatch& images,
                                      const std::vector<std::vector<int64_t>>& schedules,
                                      int64_t batch_size) {
  Trials trials(model, images, batch_size);
  std::vector<double> out;
  for (const std::vector<int64_t>& pairs : schedules) out.push_back(trials.kl(pairs));
  return out;
}

Chosen choose_schedule(const model::Model& model, const data::ImageBatch& images, int64_t macs,
                       const ChooseOptions& options) {
  Trials trials(model, images, options.batch_size);
  const ModelSpec plain = trials.plain_spec();
  within_macs(plain, 0, macs);  // throws if the target can't be reached
  const std::vector<int> blocks = merging_blocks(plain);
  Chosen out{schedule_of(plain), 0};
  const int64_t dense = architecture::total_macs(plain);
  Progress progress("merging schedule", dense - macs, "MACs");
  for (int64_t now = dense; now > macs;) {
    Chosen best;
    int64_t best_macs = now;
    double best_price = std::numeric_limits<double>::infinity();
    for (const int block : blocks) {
      std::vector<int64_t> wanted = out.pairs;
      wanted[static_cast<size_t>(block)] += options.step;
      const ModelSpec spec =
          with_schedule(plain, wanted, /*quiet=*/true);  // a later block may then have fewer pairs to merge
      const int64_t saved = now - architecture::total_macs(spec);
      if (saved <= 0) continue;
      check_cancelled();
      const double kl = trials.kl(schedule_of(spec)), price = (kl - out.kl) / static_cast<double>(saved);
      if (price >= best_price) continue;
      best_price = price;
      best = {schedule_of(spec), kl};
      best_macs = now - saved;
    }
    if (best.pairs.empty())
      throw std::invalid_argument("merging can't bring the model below " + giga(now) + " MACs; " +
                                  giga(macs) + " were requested");
    progress.advance(now - std::max(best_macs, macs));
    now = best_macs;
    out = std::move(best);
  }
  return out;
}

}  // namespace vitrim::merge
