#include "vitrim/pipeline/merge.h"

#include <ATen/ATen.h>

#include "pipeline/describe_models.h"
#include "pipeline/stopwatch.h"
#include "pipeline/subset.h"
#include "vitrim/analysis/distortion.h"
#include "vitrim/architecture/cost.h"
#include "vitrim/core/log.h"
#include "vitrim/core/macs_target.h"
#include "vitrim/data/encode.h"
#include "vitrim/merge/schedule.h"

namespace vitrim::pipeline {

namespace {

int64_t target_macs(const ModelSpec& plain, const MergeOptions& options) {
  return parse_macs(options.target, architecture::total_macs(plain));
}

// Half of the images: those at even or at odd positions.
data::ImageBatch every_other(const data::ImageBatch& images, int64_t first) {
  std::vector<int64_t> indices;
  for (int64_t i = first; i < images.size(); i += 2) indices.push_back(i);
  if (indices.empty())
    throw std::invalid_argument(
        "a schedule is chosen on one half of the images and evaluated on the other; pass at least two "
        "images");
  return data::select_images(images, indices);
}

// The schedule, if it needs no images.
ModelSpec planned(const ModelSpec& plain, const MergeOptions& options, bool quiet) {
  if (!options.schedule.empty())
    return merge::with_schedule(plain, merge::parse_schedule(options.schedule, plain), quiet);
  return merge::within_macs(plain, options.start, target_macs(plain, options));
}

// The final token of every patch, for a few images.
std::vector<MergedPicture> take_pictures(const model::Model& model, const data::ImageBatch& images) {
  const at::NoGradGuard no_grad;
  std::vector<MergedPicture> out;
  const int64_t prefix = model.spec().prefix_tokens();
  for (int64_t i = 0; i < images.size(); ++i) {
    model::MergedTokens merged;
    at::Tensor x = model.embed(data::normalized(images, i, i + 1));
    for (int b = 0; b < model.num_blocks(); ++b)
      x = model.run_block(b, x, model::kKeep, nullptr, {{}, &merged});
    if (!merged.any()) return {};
    MergedPicture picture;
    picture.name = images.names[static_cast<size_t>(i)];
    picture.image = data::jpeg_data_url(images.pixels[i]);
    const at::Tensor place = merged.place[0].slice(0, prefix).contiguous();
    picture.place.assign(place.const_data_ptr<int64_t>(), place.const_data_ptr<int64_t>() + place.numel());
    out.push_back(std::move(picture));
  }
  return out;
}

}  // namespace

void check_merge(const ModelSpec& spec, const MergeOptions& options) {
  planned(merge::unmerged(spec), options, /*quiet=*/true);
}

Merged merge(const model::Model& model, const data::ImageBatch* calibration, const data::Dataset* evaluation,
             const eval::AccuracyOptions& accuracy, const MergeOptions& options) {
  Merged out;
  CompressResult& result = out.result;
  Stopwatch watch(result.seconds);
  const std::unique_ptr<model::Model> plain = model.clone();
  const ModelSpec plain_spec = merge::unmerged(model.spec());
  plain->set_merging(merge::schedule_of(plain_spec));
  std::vector<int64_t> pairs;
  if (options.choose) {
    if (!calibration) throw std::invalid_argument("[pipeline::merge] a schedule is chosen on images");
    const data::ImageBatch choosing = every_other(*calibration, 0);
    every_other(*calibration, 1);  // throws before the long search
    pairs =
        merge::choose_schedule(*plain, choosing, target_macs(plain_spec, options), options.choosing).pairs;
    watch.lap("choose");
  } else {
    pairs = merge::schedule_of(planned(plain_spec, options, /*quiet=*/false));
  }
  out.model = plain->clone();
  out.model->set_merging(pairs);
  result.reason = merge::describe_schedule(out.model->spec());
  log_info(result.reason);
  describe_models(plain_spec, out.model->spec(), result);
  if (calibration) {
    // Images on which a schedule was chosen can't evaluate it.
    const data::ImageBatch held_out = options.choose ? every_other(*calibration, 1) : *calibration;
    if (plain_spec.num_classes > 0)
      result.held_out_kl =
          merge::measure_schedules(*plain, held_out, {pairs}, options.choosing.batch_size).front();
    const int64_t batch = options.choosing.batch_size;
    if (plain_spec.num_classes == 0)
      result.features =
          analysis::compare_features(analysis::outputs_of(*plain, held_out, batch).features,
                                     analysis::outputs_of(*out.model, held_out, batch).features);
    if (options.pictures > 0)
      result.pictures = take_pictures(*out.model, subset(*calibration, options.pictures));
    watch.lap("measure");
  }
  if (evaluation) {
    evaluate_models(*plain, *out.model, *evaluation, accuracy, result);
    watch.lap("evaluate");
  }
  return out;
}

}  // namespace vitrim::pipeline
