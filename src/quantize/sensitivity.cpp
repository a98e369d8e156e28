#include "quantize/sensitivity.h"

#include <ATen/ATen.h>

#include "absorb/streams.h"
#include "vitrim/analysis/distortion.h"
#include "vitrim/core/log.h"

namespace vitrim::quantize {

namespace {

// The float model's answers from `x`, the stream before block `from`; the intermediate streams before it are
// those of the run.
at::Tensor finish_from(const model::Model& teacher, const FloatRun& run, int from, at::Tensor x,
                       int64_t batch_size) {
  distributed::Group& alone = distributed::or_alone(nullptr);
  model::Intermediates intermediates;
  const int blocks = teacher.num_blocks();
  for (int i = 0; i + 1 < from; ++i)
    teacher.keep_intermediate(i, run.before[static_cast<size_t>(i) + 1], intermediates);
  if (from > 0) teacher.keep_intermediate(from - 1, x, intermediates);
  for (int i = from; i < blocks; ++i) {
    x = absorb::advance(teacher, i, x, batch_size, alone);
    teacher.keep_intermediate(i, x, intermediates);
  }
  return absorb::finish_all(teacher, x, intermediates, batch_size, alone).logits;
}

}  // namespace

FloatRun run_float(const model::Model& teacher, const data::ImageBatch& images, int64_t count,
                   int64_t batch_size) {
  distributed::Group& alone = distributed::or_alone(nullptr);
  FloatRun run;
  run.before.push_back(absorb::embed_all(teacher, images, batch_size, alone).slice(0, 0, count));
  for (int i = 0; i < teacher.num_blocks(); ++i)
    run.before.push_back(absorb::advance(teacher, i, run.before.back(), batch_size, alone));
  run.answers = finish_from(teacher, run, teacher.num_blocks(), run.before.back(), batch_size);
  return run;
}

std::vector<double> kl_of_units(const Work& work, const model::Model& teacher, const FloatRun& run,
                                int64_t batch_size) {
  distributed::Group& alone = distributed::or_alone(nullptr);
  std::vector<double> out;
  Progress progress("int8 layer by layer", static_cast<int64_t>(work.units().size()), "layers");
  for (const QuantizedUnit& unit : work.units()) {
    const auto one = work.with_int8({unit});
    const at::Tensor x =
        absorb::advance(*one, unit.block, run.before[static_cast<size_t>(unit.block)], batch_size, alone);
    const at::Tensor answers = finish_from(teacher, run, unit.block + 1, x, batch_size);
    out.push_back(analysis::kl_per_image(run.answers, answers, /*temperature=*/1).mean().item<double>());
    progress.advance();
  }
  return out;
}

}  // namespace vitrim::quantize
