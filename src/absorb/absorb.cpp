#include "vitrim/absorb/absorb.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "absorb/block_fit.h"
#include "absorb/closeness.h"
#include "absorb/fit_state.h"
#include "absorb/refit.h"
#include "absorb/static_fit.h"
#include "absorb/streams.h"
#include "vitrim/analysis/distortion.h"
#include "vitrim/core/log.h"
#include "vitrim/distributed/group.h"

namespace vitrim::absorb {

namespace {

// Whether the block has attention that differs from the teacher's, so that its last projection must be
// refitted too.
bool attention_pruned(const model::Model& student, const model::Model& teacher, int index) {
  const BlockSpec& now = student.spec().blocks[static_cast<size_t>(index)];
  const BlockSpec& before = teacher.spec().blocks[static_cast<size_t>(index)];
  if (now.attention == AttentionKind::kNone) return false;
  return now.qk_dim != before.qk_dim || now.v_dim != before.v_dim || student.gates(index).qk.defined() ||
         student.gates(index).v.defined() ||
         parameters_differ(student, teacher, index, /*attention_alone=*/true);
}

}  // namespace

int64_t fit_count(int64_t images, const AbsorbOptions& options) {
  return images - std::clamp<int64_t>(std::llround(options.held_out * static_cast<double>(images)), 1,
                                      std::max<int64_t>(1, images / 2));
}

namespace {

// Positions [begin, end) of the shuffled order, sorted by image.
data::ImageBatch some_images(const data::ImageBatch& images, const AbsorbOptions& options, int64_t begin,
                             int64_t end) {
  const at::Tensor rows =
      std::get<0>(shuffled_order(images.size(), options.seed).slice(0, begin, end).sort());
  return data::select_images(images,
                             {rows.const_data_ptr<int64_t>(), rows.const_data_ptr<int64_t>() + rows.numel()});
}

}  // namespace

data::ImageBatch fit_images(const data::ImageBatch& images, const AbsorbOptions& options) {
  return some_images(images, options, 0, fit_count(images.size(), options));
}

data::ImageBatch held_out_images(const data::ImageBatch& images, const AbsorbOptions& options) {
  return some_images(images, options, fit_count(images.size(), options), images.size());
}

namespace {

// The streams before block 0. The rows are: the images of the fit, mirrored; the same images; and the
// held-out images.
at::Tensor streams_of(const model::Model& teacher, const data::ImageBatch& images,
                      const AbsorbOptions& options) {
  distributed::Group& group = distributed::or_alone(options.group);
  const at::Tensor order = shuffled_order(images.size(), options.seed);
  at::Tensor plain = embed_all(teacher, images, options.batch_size, group).index_select(0, order);
  if (!options.flip) return plain;
  const at::Tensor flipped = embed_all(teacher, images, options.batch_size, group, true)
                                 .index_select(0, order.slice(0, 0, fit_count(images.size(), options)));
  return at::cat({flipped, plain});
}

}  // namespace

AbsorbReport absorb(model::Model& student, const model::Model& teacher, const data::ImageBatch& images,
                    const AbsorbOptions& options) {
  const int first = first_changed_block(student, teacher);
  const int64_t n = images.size();
  if (n < 8)
    throw std::invalid_argument("[absorb::absorb] needs at least 8 images, got " + std::to_string(n));
  const int64_t held = n - fit_count(n, options);
  distributed::Group& group = distributed::or_alone(options.group);
  at::Tensor teacher_x = streams_of(teacher, images, options), student_x = teacher_x;
  model::Intermediates teacher_intermediates, student_intermediates;  // of the held-out images
  const int64_t fit = teacher_x.size(0) - held;

  AbsorbReport report;
  report.fit_images = n - held;
  report.held_out_images = held;
  const model::Output plain = run_all(student, teacher_x.slice(0, fit), options.batch_size, group);
  std::vector<bool> pruned;  // determined before a fit changes the weights
  for (int i = 0; i < student.num_blocks(); ++i) pruned.push_back(attention_pruned(student, teacher, i));
  at::Tensor pair_input;  // with pair_epochs: the student's stream before block i - 1
  const FitState* begin = beginning(options);
  if (begin) take_parameters(*begin, "student", student);
  const int64_t fitted = begin ? begin->done : 0;
  Progress progress("absorb", options.sweeps * student.num_blocks(), "blocks");
  for (int64_t place = 0; place < options.sweeps * student.num_blocks(); ++place) {
    const int i = static_cast<int>(place % student.num_blocks());
    const bool first_sweep = place < student.num_blocks();
    if (i == 0 && !first_sweep) {
      teacher_x = student_x = at::Tensor();
      teacher_x = student_x = streams_of(teacher, images, options);
      teacher_intermediates.clear();
      student_intermediates.clear();
    }
    const bool refits_attention = first_sweep && pruned[static_cast<size_t>(i)];
    const at::Tensor teacher_input =
        refits_attention ? teacher_x : at::Tensor();  // a stream is large, so it is kept only if needed
    teacher_x = advance(teacher, i, teacher_x, options.batch_size, group);
    if (i >= first) {
      const at::Tensor input = student_x.slice(0, 0, fit), target = teacher_x.slice(0, 0, fit);
      if (place >= fitted) {
        if (first_sweep && can_fit_static(student, teacher, i))
          fit_static(student, teacher, i, input, teacher_input.slice(0, 0, fit), options);
        if (refits_attention)
          ridge_projection(student, teacher, i, input, teacher_input.slice(0, 0, fit), options);
        ridge_block(student, i, input, target, options);
        if (options.epochs > 0) fit_block(student, i, input, target, options);
        if (options.pair_epochs > 0 && i > first) {
          fit_pair(student, i - 1, pair_input.slice(0, 0, fit), target, options);
          student_x = advance(student, i - 1, pair_input, options.batch_size, group);
        }
        if (options.keeper) {
          FitState state{place + 1, {}};
          put_parameters(student, "student", state);
          options.keeper->save(state);
        }
      }
      if (options.pair_epochs > 0) pair_input = student_x;
    }
    // The fit of a pair changes the block before this one, so that block's output is final only now.
    if (i > 0) student.keep_intermediate(i - 1, student_x.slice(0, fit), student_intermediates);
    student_x = i < first ? teacher_x : advance(student, i, student_x, options.batch_size, group);
    teacher.keep_intermediate(i, teacher_x.slice(0, fit), teacher_intermediates);
    progress.advance();
  }
  const model::Output dense =
      finish_all(teacher, teacher_x.slice(0, fit), teacher_intermediates, options.batch_size, group);
  const Closeness before = compare(dense, plain);
  const Closeness after = compare(
      dense, finish_all(student, student_x.slice(0, fit), student_intermediates, options.batch_size, group));
  report.plain_kl = before.kl;
  report.plain_agreement = before.agreement;
  after.tell(report);
  return report;
}

}  // namespace vitrim::absorb
