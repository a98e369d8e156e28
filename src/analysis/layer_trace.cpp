#include "vitrim/analysis/layer_trace.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

#include "vitrim/analysis/spectrum.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"
#include "vitrim/distributed/group.h"

namespace vitrim::analysis {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// The two estimators of one branch of one block.
struct BranchEntropy {
  std::unique_ptr<FeatureEntropy> main, other;

  void add(const at::Tensor& features, int64_t first_image, const LayerTraceOptions& options,
           int64_t images) {
    const int64_t channels = features.size(2);
    const bool diagonal = options.estimator == Estimator::kDiagonal;
    if (!main) main = make_feature_entropy(options.estimator, channels, images);
    if (!other && options.other_estimator) {
      other = make_feature_entropy(diagonal ? Estimator::kFull : Estimator::kDiagonal, channels, images);
    }
    main->add(features, first_image);
    if (other) other->add(features, first_image);
  }

  void merge_ranks(distributed::Group& group) {
    if (main) main->merge_ranks(group);
    if (other) other->merge_ranks(group);
  }

  Estimate estimate(const Resamples& resamples) const {
    if (!main) return {kNaN, kNaN};
    return {main->value(), standard_error(main->replicates(resamples))};
  }

  double other_value() const { return other ? other->value() : kNaN; }
};

}  // namespace

LayerTrace trace_layers(const model::Model& model, const data::ImageBatch& images,
                        const LayerTraceOptions& options) {
  const at::NoGradGuard no_grad;
  distributed::Group& group = distributed::or_alone(options.group);
  if (images.size() < group.size()) {
    throw Error(std::to_string(images.size()) + " images can't be split over " +
                std::to_string(group.size()) + " ranks; use more images or fewer ranks");
  }
  const distributed::Share share = group.share(images.size());
  const int blocks = model.num_blocks();
  std::vector<BranchEntropy> attention(blocks), mlp(blocks);
  std::vector<double> norm(blocks, 0);
  SpectrumAccumulator spectrum(model.spec());
  Progress progress("layer entropies", share.size(), "images");
  for (int64_t begin = share.begin; begin < share.end; begin += options.batch_size) {
    const int64_t end = std::min(share.end, begin + options.batch_size);
    at::Tensor x = model.embed(normalized(images, begin, end));
    for (int i = 0; i < blocks; ++i) {
      model::BlockTrace trace;
      const at::Tensor z = model.run_block(i, x, model::kKeep, &trace);
      if (trace.attention.defined()) {
        attention[i].add(trace.attention, begin, options, images.size());
        const at::Tensor ratio =
            trace.attention.to(at::kFloat).norm(2, -1) / trace.input.norm(2, -1).clamp_min(1e-12);
        norm[i] += ratio.mean().item<double>() * static_cast<double>(end - begin) /
                   static_cast<double>(images.size());
      } else {
        norm[i] = kNaN;
      }
      mlp[i].add(trace.mlp, begin, options, images.size());
      spectrum.add(i, z);
      x = z;
    }
    progress.advance(end - begin);
  }
  for (int i = 0; i < blocks; ++i) {
    attention[i].merge_ranks(group);
    mlp[i].merge_ranks(group);
  }
  group.all_reduce(at::from_blob(norm.data(), {blocks}, at::kDouble));
  spectrum.merge_ranks(group);
  const Resamples resamples = make_resamples(images.size(), options.replicates, options.seed);
  LayerTrace out;
  for (int i = 0; i < blocks; ++i) {
    out.attention.push_back(attention[i].estimate(resamples));
    out.mlp.push_back(mlp[i].estimate(resamples));
    if (options.other_estimator) {
      out.other_attention.push_back(attention[i].other_value());
      out.other_mlp.push_back(mlp[i].other_value());
    }
  }
  out.attention_norm = norm;
  out.spectrum = spectrum.result();
  return out;
}

}  // namespace vitrim::analysis
