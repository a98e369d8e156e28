#include "absorb/held_out.h"

#include <ATen/ATen.h>

#include <cstdio>

#include "absorb/fit_state.h"
#include "absorb/streams.h"
#include "vitrim/core/log.h"

namespace vitrim::absorb {

HeldOut::HeldOut(model::Model& student, const model::Model& teacher, const data::ImageBatch& images,
                 int64_t batch_size, distributed::Group& group)
    : student_(student),
      images_(images),
      batch_size_(batch_size),
      group_(group),
      embedded_(embed_all(teacher, images, batch_size, group)),
      dense_(run_all(teacher, embedded_, batch_size, group)) {
  plain_ = now();
  remember(plain_);
}

Closeness HeldOut::now() const { return compare(dense_, run_all(student_, embedded_, batch_size_, group_)); }

void HeldOut::remember(const Closeness& c) {
  best_ = c;
  weights_ = {};
  for (const auto& [name, tensor] : student_.parameters().entries())
    weights_.add(name, tensor.detach().clone());
}

bool HeldOut::look(const std::string& what) {
  const Closeness c = now();
  char text[96];
  std::snprintf(text, sizeof text, ": mean KL %.4g nats, feature error %.4g, on %lld held-out images", c.kl,
                c.feature_error, static_cast<long long>(images_.size()));
  log_info(what + text);
  if (!(score(c) < score(best_))) return false;
  remember(c);
  return true;
}

void HeldOut::put(FitState& state) const {
  put_parameters(student_, "student", state);
  for (const auto& [name, tensor] : weights_.entries()) state.tensors.add("best." + name, tensor);
}

void HeldOut::take(const FitState& state) {
  take_parameters(state, "best", student_);
  remember(now());
  take_parameters(state, "student", student_);
}

AbsorbReport HeldOut::keep_best() {
  for (const auto& [name, tensor] : weights_.entries()) student_.set_parameter(name, tensor);
  AbsorbReport report;
  report.held_out_images = images_.size();
  best_.tell(report);
  report.plain_kl = plain_.kl;
  report.plain_agreement = plain_.agreement;
  return report;
}

}  // namespace vitrim::absorb
