#include "absorb/closeness.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <stdexcept>

#include "absorb/streams.h"
#include "vitrim/analysis/distortion.h"
#include "vitrim/architecture/parameters.h"

namespace vitrim::absorb {

namespace {

bool gated(const model::ChannelGates& gates) {
  return gates.qk.defined() || gates.v.defined() || gates.mlp.defined();
}

}  // namespace

bool parameters_differ(const model::Model& student, const model::Model& teacher, int index,
                       bool attention_alone) {
  const std::vector<architecture::ParameterInfo> layout = architecture::parameter_layout(student.spec());
  return std::any_of(layout.begin(), layout.end(), [&](const architecture::ParameterInfo& info) {
    if (info.block != index || (attention_alone && info.part != architecture::Part::kAttention)) return false;
    return !teacher.has_parameter(info.name) ||
           !at::equal(student.parameter(info.name), teacher.parameter(info.name));
  });
}

int first_changed_block(const model::Model& student_model, const model::Model& teacher_model) {
  const ModelSpec &student = student_model.spec(), &teacher = teacher_model.spec();
  if (student.blocks.size() != teacher.blocks.size() || student.num_tokens() != teacher.num_tokens() ||
      student.embed_dim != teacher.embed_dim || student.stages != teacher.stages) {
    throw std::invalid_argument(
        "[absorb::absorb] student and teacher differ in more than removed attention and channels");
  }
  for (size_t i = 0; i < student.blocks.size(); ++i) {
    const int index = static_cast<int>(i);
    if (student.blocks[i] != teacher.blocks[i] || gated(student_model.gates(index)) ||
        parameters_differ(student_model, teacher_model, index, /*attention_alone=*/false))
      return index;
  }
  return static_cast<int>(student.blocks.size());
}

void Closeness::tell(AbsorbReport& report) const {
  report.kl = kl;
  report.agreement = agreement;
  report.feature_error = feature_error;
  report.feature_cosine = cosine;
  report.feature_cosine_p05 = cosine_p05;
}

Closeness compare(const model::Output& dense, const model::Output& student) {
  Closeness c;
  c.feature_error = analysis::relative_error(dense.features, student.features);
  const FeatureFigures features = analysis::compare_features(dense.features, student.features);
  c.cosine = features.cosine;
  c.cosine_p05 = features.cosine_p05;
  if (!dense.logits.defined()) return c;
  c.kl = analysis::kl_per_image(dense.logits, student.logits).mean().item<double>();
  c.agreement = analysis::agreement(dense.logits, student.logits);
  return c;
}

model::Output run_all(const model::Model& model, at::Tensor x, int64_t batch_size,
                      distributed::Group& group) {
  model::Intermediates intermediates;
  for (int i = 0; i < model.num_blocks(); ++i) {
    x = advance(model, i, x, batch_size, group);
    model.keep_intermediate(i, x, intermediates);
  }
  return finish_all(model, x, intermediates, batch_size, group);
}

}  // namespace vitrim::absorb
