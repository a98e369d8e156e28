#include "vitrim/quantize/calibrate.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <stdexcept>

#include "absorb/streams.h"
#include "quantize/calibrate_block.h"
#include "quantize/sensitivity.h"
#include "vitrim/absorb/absorb.h"
#include "vitrim/analysis/distortion.h"
#include "vitrim/architecture/cost.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"

namespace vitrim::quantize {

namespace {

// The limit of multiply-adds for choosing exponents, and for measuring each layer alone; and the number of
// images for each.
constexpr double kChoosing = 2e12, kMeasuring = 3e12;
constexpr int64_t kFewest = 8;
constexpr double kTrials = 17;  // block runs of a calibrated block

int64_t images_within(double budget, double each, int64_t held) {
  return std::min(held, std::max(kFewest, static_cast<int64_t>(budget / each)));
}

struct Distance {
  double kl = 0, agreement = 0;
};

// Measured on images that no fit used, with tokens merged as the spec states.
class HeldOut {
 public:
  HeldOut(const model::Model& model, const data::ImageBatch& images, int64_t batch_size)
      : images_(images),
        batch_size_(batch_size),
        says_(model.spec().num_classes > 0 && !model.spec().segmentation) {
    if (says_) dense_ = analysis::logits_of(model, images_, batch_size_);
  }
  bool says() const { return says_; }
  Distance of(const model::Model& model) const {
    if (!says_) return {};
    const at::Tensor logits = analysis::logits_of(model, images_, batch_size_);
    return {analysis::kl_per_image(dense_, logits, /*temperature=*/1).mean().item<double>(),
            analysis::agreement(dense_, logits)};
  }

 private:
  const data::ImageBatch& images_;
  int64_t batch_size_;
  bool says_;
  at::Tensor dense_;
};

// The model with as few float units as the budget requires: those with the largest KL divergence.
std::unique_ptr<model::Model> within_budget(const Work& work, const std::vector<double>& kl,
                                            const HeldOut& held_out, double budget, Distance& distance) {
  const std::vector<QuantizedUnit>& units = work.units();
  std::vector<size_t> order(units.size());  // the units that stay int8 longest come first
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return kl[a] < kl[b]; });
  const auto with = [&](size_t count) {
    std::vector<QuantizedUnit> int8;
    for (size_t i = 0; i < count; ++i) int8.push_back(units[order[i]]);
    return work.with_int8(int8);
  };
  // The KL divergence grows with their number, apart from noise; the returned choice is measured.
  size_t holds = 0, breaks = units.size() + 1;
  std::unique_ptr<model::Model> best;
  while (breaks - holds > 1) {
    const size_t middle = breaks == units.size() + 1 ? units.size() : (holds + breaks) / 2;
    auto model = with(middle);
    const Distance found = held_out.of(*model);
    if (found.kl <= budget) {
      holds = middle;
      best = std::move(model);
      distance = found;
    } else {
      breaks = middle;
    }
  }
  if (!best)
    throw Error(
        "not even one int8 layer keeps the mean KL within --budget-kl; raise it, or leave the model float");
  return best;
}

}  // namespace

Quantized calibrate(const model::Model& model, const data::ImageBatch& images, const QuantizeOptions& options,
                    const CalibrateOptions& calibrate) {
  require_float_weights(model.spec(), "quantising");
  const at::NoGradGuard no_grad;
  const ModelSpec& spec = model.spec();
  if (images.size() < kFewest)
    throw std::invalid_argument("calibration needs at least 8 images, but there are " +
                                std::to_string(images.size()));
  absorb::AbsorbOptions split;
  split.held_out = calibrate.held_out;
  split.seed = calibrate.seed;
  const data::ImageBatch fitting = absorb::fit_images(images, split),
                         kept = absorb::held_out_images(images, split);
  const auto measured = computing_in(model, at::kFloat),
             fitted_to = computing_in(model, calibrate.fit_dtype.value_or(model.compute_dtype()));
  const HeldOut held_out(*measured, kept, calibrate.batch_size);
  if (calibrate.budget_kl && !held_out.says())
    throw std::invalid_argument("--budget-kl compares class probabilities, but this model has no classifier");

  Quantized out;
  Quantized plain = quantize(*measured, options);
  const Distance plain_distance = held_out.of(*plain.model);
  out.figures = plain.figures;
  out.figures.fit_images = fitting.size();
  out.figures.held_out_images = kept.size();
  out.figures.plain_kl = plain_distance.kl;
  out.figures.plain_agreement = plain_distance.agreement;
  out.figures.budget_kl = calibrate.budget_kl;

  const double macs = static_cast<double>(architecture::total_macs(spec));
  Work work(*fitted_to, units_to_quantize(spec, options));
  distributed::Group& alone = distributed::or_alone(nullptr);
  BlockStreams streams;
  streams.teacher = at::cat({absorb::embed_all(*fitted_to, fitting, calibrate.batch_size, alone),
                             absorb::embed_all(*fitted_to, kept, calibrate.batch_size, alone)});
  streams.student = streams.teacher;
  streams.fit = fitting.size();
  streams.choose = images_within(kChoosing, macs * kTrials, kept.size());
  Notes notes;
  {
    Progress progress("calibrating", model.num_blocks(), "blocks");
    for (int i = 0; i < model.num_blocks(); ++i) {
      streams = calibrate_block(work, *fitted_to, i, streams, calibrate, notes);
      progress.advance();
    }
  }
  streams = {};
  work.set_compute_dtype(at::kFloat);
  out.model = work.with_int8(work.units());
  Distance distance = held_out.of(*out.model);
  if (held_out.says() && !(distance.kl < plain_distance.kl)) {
    log_info(
        "calibration did not bring the model closer to the float model, so the uncalibrated weights are "
        "kept");
    notes = {};
    work = Work(*measured, work.units());
    out.model = std::move(plain.model);
    distance = plain_distance;
  }
  std::map<std::string, double> kl;
  if (spec.num_classes > 0) {
    const int64_t count =
        images_within(kMeasuring, macs * static_cast<double>(work.units().size()) / 2, kept.size());
    const FloatRun run = run_float(*measured, kept, count, calibrate.batch_size);
    // For one layer alone, nothing is refitted, because refits compensate for the losses of earlier layers.
    std::vector<Snapshot> fitted;
    for (int i = 0; i < model.num_blocks(); ++i) fitted.push_back(work.snapshot(i));
    for (const Snapshot& block : notes.equalised) work.restore(block);
    const std::vector<double> each = kl_of_units(work, *measured, run, calibrate.batch_size);
    for (const Snapshot& block : fitted) work.restore(block);
    for (size_t i = 0; i < each.size(); ++i) {
      for (const std::string& layer : work.units()[i].layers) kl[layer] = each[i];
    }
    if (calibrate.budget_kl && distance.kl > *calibrate.budget_kl)
      out.model = within_budget(work, each, held_out, *calibrate.budget_kl, distance);
  }
  out.model->set_compute_dtype(model.compute_dtype());
  out.figures.kl = distance.kl;
  out.figures.agreement = distance.agreement;
  out.figures.layers = list_layers(*out.model);
  out.figures.bytes_after = bytes_of(written(*out.model));
  for (QuantizedLayer& layer : out.figures.layers) {
    if (const auto found = kl.find(layer.name); found != kl.end()) layer.kl = found->second;
    if (const auto found = notes.units.find(layer.name); found != notes.units.end()) {
      layer.alpha = found->second.alpha;
      layer.refitted = found->second.refitted;
    }
    if (layer.int8)
      layer.weight_error = relative_error(
          work.weight(layer.name),
          {out.model->parameter(layer.name + ".weight"), out.model->parameter(layer.name + ".weight_scale")});
  }
  return out;
}

}  // namespace vitrim::quantize
