#include "vitrim/absorb/refine.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <memory>
#include <stdexcept>

#include "absorb/block_fit.h"
#include "absorb/closeness.h"
#include "absorb/fit_state.h"
#include "absorb/held_out.h"
#include "absorb/streams.h"
#include "vitrim/core/log.h"
#include "vitrim/distributed/group.h"
#include "vitrim/train/schedule.h"

namespace vitrim::absorb {

int64_t images_within(const ModelSpec& spec, int64_t bytes) {
  int64_t stream = 0;
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i)
    stream = std::max(stream, spec.block_tokens(i) * spec.blocks[static_cast<size_t>(i)].embed_dim);
  const int64_t pixels = spec.in_channels * spec.image_size[0] * spec.image_size[1];
  return bytes / (pixels + 4 * stream * static_cast<int64_t>(sizeof(float)));
}

namespace {

// One pass of steps over a chunk for every block that may change.
void fit_chunk(model::Model& student, const model::Model& teacher, const data::ImageBatch& images,
               std::vector<std::unique_ptr<BlockFit>>& fits, const std::function<double(int64_t)>& rate,
               const AbsorbOptions& options, distributed::Group& group) {
  at::Tensor teacher_x = embed_all(teacher, images, options.batch_size, group), student_x = teacher_x;
  for (int i = 0; i < student.num_blocks(); ++i) {
    teacher_x = advance(teacher, i, teacher_x, options.batch_size, group);
    if (!fits[static_cast<size_t>(i)]) {
      student_x = teacher_x;
      continue;
    }
    fits[static_cast<size_t>(i)]->run(student_x, teacher_x, 1, rate);
    student_x = advance(student, i, student_x, options.batch_size, group);
  }
}

}  // namespace

AbsorbReport refine(model::Model& student, const model::Model& teacher, const ImageSource& source,
                    const data::ImageBatch& held_out, const AbsorbOptions& absorb,
                    const RefineOptions& options) {
  const int first = first_changed_block(student, teacher);
  if (source.size < 8)
    throw std::invalid_argument("[absorb::refine] needs at least 8 images, got " +
                                std::to_string(source.size));
  if (options.chunk < 8)
    throw std::invalid_argument("[absorb::refine] " + std::to_string(options.chunk) +
                                " images at a time are too few; allow more memory");
  distributed::Group& group = distributed::or_alone(absorb.group);
  HeldOut judge(student, teacher, held_out, absorb.batch_size, group);
  const FitState* begin = beginning(absorb);
  if (begin) judge.take(*begin);
  std::vector<std::unique_ptr<BlockFit>> fits(static_cast<size_t>(student.num_blocks()));
  for (int i = first; i < student.num_blocks(); ++i) {
    auto& block = fits[static_cast<size_t>(i)];
    block = std::make_unique<BlockFit>(student, i, absorb);
    if (begin) block->take(*begin);
  }

  // Chunks have equal sizes up to rounding, so that none is a remainder of a few images.
  const int64_t chunks = (source.size + options.chunk - 1) / options.chunk;
  int64_t steps_a_pass = 0;
  const auto bounds = [&](int64_t c) { return source.size * c / chunks; };
  if (first < student.num_blocks()) {
    for (int64_t c = 0; c < chunks; ++c) steps_a_pass += fits.back()->steps(bounds(c + 1) - bounds(c));
  }
  const int64_t steps = steps_a_pass * options.passes;
  const int64_t warm_up = std::max<int64_t>(1, std::min<int64_t>(10, steps / 10));
  Progress progress("refine", options.passes * source.size, "views");
  const int64_t first_pass = begin ? begin->done : 0;
  for (int64_t pass = first_pass, done = begin ? static_cast<int64_t>(take_number(*begin, "steps")) : 0;
       pass < options.passes; ++pass) {
    const std::vector<int64_t> order = order_of_pass(source.size, absorb.seed, pass);
    for (int64_t c = 0; c < chunks; ++c) {
      const std::vector<int64_t> rows(order.begin() + bounds(c), order.begin() + bounds(c + 1));
      const data::ImageBatch images = source.load(pass, rows);
      fit_chunk(
          student, teacher, images, fits,
          [&](int64_t step) {
            return train::cosine_schedule(std::min(steps - 1, done + step), steps, warm_up,
                                          options.learning_rate);
          },
          absorb, group);
      if (first < student.num_blocks()) done += fits.back()->steps(images.size());
      progress.advance(static_cast<int64_t>(rows.size()));
    }
    judge.look("pass " + std::to_string(pass + 1) + " of " + std::to_string(options.passes));
    if (absorb.keeper) {
      FitState state{pass + 1, {}};
      judge.put(state);
      put_number(static_cast<uint64_t>(done), "steps", state);
      for (const auto& fit : fits) {
        if (fit) fit->put(state);
      }
      absorb.keeper->save(state);
    }
  }
  return judge.keep_best();
}

}  // namespace vitrim::absorb
