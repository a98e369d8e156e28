#include "vitrim/eval/accuracy.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "eval/chunks.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"
#include "vitrim/data/class_list.h"
#include "vitrim/distributed/group.h"
#include "vitrim/eval/cost.h"
#include "vitrim/eval/features.h"
#include "vitrim/eval/segmentation.h"
#include "vitrim/eval/statistics.h"
#include "vitrim/model/batches.h"

namespace vitrim::eval {

namespace {

struct Counter {
  int64_t top1 = 0, top5 = 0;
  std::vector<uint8_t> correct;
  int64_t broken = 0;  // number of images with an output that is not finite; they count as wrong
  std::string first_broken{};

  void add(const at::Tensor& logits, const data::ImageBatch& images) {
    const std::vector<int64_t>& labels = images.labels;
    const int64_t k = std::min<int64_t>(5, logits.size(1));
    const at::Tensor finite = logits.isfinite().all(1);
    const auto whole = finite.accessor<bool, 1>();
    const at::Tensor best = std::get<1>(logits.topk(k, 1));
    const auto rows = best.accessor<int64_t, 2>();
    for (int64_t i = 0; i < logits.size(0); ++i) {
      const int64_t label = labels[static_cast<size_t>(i)];
      const bool first = whole[i] && rows[i][0] == label;
      bool any = false;
      for (int64_t j = 0; j < k; ++j) any = any || (whole[i] && rows[i][j] == label);
      if (!whole[i] && broken++ == 0)
        first_broken =
            images.names.empty() ? "image " + std::to_string(i) : images.names[static_cast<size_t>(i)];
      top1 += first;
      top5 += any;
      correct.push_back(first);
    }
  }
};

void check_labels(const model::Model& model, const std::vector<int64_t>& labels,
                  const std::string& description, int64_t data_classes) {
  const int64_t classes = model.spec().num_classes;
  if (classes == 0)
    throw Error(
        "the model has no classifier, so it can't be evaluated on " + description +
        " alone; pass --train DIR with labelled images to evaluate its features by nearest neighbours");
  for (int64_t label : labels) {
    if (label < 0)
      throw Error(description + ": evaluation needs labels; put the images into one folder per class");
  }
  const bool too_many =
      std::any_of(labels.begin(), labels.end(), [&](int64_t label) { return label >= classes; });
  if (too_many || (data_classes > 0 && data_classes != classes)) {
    const std::string found =
        data_classes > 0 ? "has " + std::to_string(data_classes) : "has labels beyond them";
    throw Error("the model has " + std::to_string(classes) + " classes, but the data (" + description + ") " +
                found + "; " + data::classes_remedy(classes) + " (tar shards: correct their .cls members)");
  }
}

void run(const model::Model& model, const data::ImageBatch& images, const AccuracyOptions& options,
         Counter& counter, Progress& progress) {
  const at::NoGradGuard no_grad;
  at::Tensor logits = at::empty({images.size(), model.spec().num_classes});
  for (int64_t begin = 0; options.logits && begin < images.size(); begin += options.batch_size) {
    const int64_t end = std::min(images.size(), begin + options.batch_size);
    logits.slice(0, begin, end).copy_(options.logits(normalized(images, begin, end)));
    progress.advance(end - begin);
  }
  if (!options.logits) {
    model::for_each_batch(images.size(), options.batch_size, [&](int, int64_t begin, int64_t end) {
      logits.slice(0, begin, end).copy_(model.forward(normalized(images, begin, end)).logits);
      progress.advance(end - begin);
    });
  }
  counter.add(logits, images);
}

// Combines the counts of all ranks on every rank; shares are in rank order, so `correct` is in image order.
void add_ranks(distributed::Group& group, Counter& counter, int64_t corrupt, int64_t max_corrupt,
               const std::string& description) {
  if (group.size() == 1) return;
  const at::Tensor sums = at::tensor({counter.top1, counter.top5, corrupt}, at::kLong);
  group.all_reduce(sums);
  counter.top1 = sums[0].item<int64_t>();
  counter.top5 = sums[1].item<int64_t>();
  counter.correct = group.concatenate(counter.correct);
  const int64_t all = sums[2].item<int64_t>();
  const std::string text = description + ": " + std::to_string(all) + " images are corrupt";
  if (all > max_corrupt)
    throw Error(text + " on all ranks together; replace or remove them, or allow them with --max-corrupt " +
                std::to_string(all));
  if (all > corrupt) log_warning(text + " on all ranks together; they are skipped");
}

// Outputs that overflowed are not predictions.
void check_broken(const Counter& counter, const std::string& description) {
  if (counter.broken == 0) return;
  const std::string text = description + ": the model's outputs are not finite for " +
                           std::to_string(counter.broken) + " of " + std::to_string(counter.correct.size()) +
                           " images (the first: " + counter.first_broken + ")";
  const std::string remedy = "correct --mean and --std, pass --precision f32, or use another checkpoint";
  if (counter.broken == static_cast<int64_t>(counter.correct.size())) throw Error(text + "; " + remedy);
  log_warning(text + ", which count as wrong; " + remedy);
}

EvalResult finish(const model::Model& model, Counter counter, const std::string& description) {
  check_broken(counter, description);
  EvalResult result;
  result.data = description;
  result.images = static_cast<int64_t>(counter.correct.size());
  const double n = static_cast<double>(std::max<int64_t>(1, result.images));
  result.top1 = static_cast<double>(counter.top1) / n;
  result.top5 = static_cast<double>(counter.top5) / n;
  result.top1_ci95 = wilson_interval(counter.top1, result.images);
  result.correct = std::move(counter.correct);
  const ModelCost cost = count_cost(model.spec());
  result.params = cost.params;
  result.macs = cost.macs;
  return result;
}

}  // namespace

bool is_gallery(const data::Dataset& images, const AccuracyOptions& options) {
  return options.gallery && options.gallery->fingerprint() == images.fingerprint();
}

void check_evaluable(const model::Model& model, const data::Dataset& dataset,
                     const AccuracyOptions& options) {
  if (options.gallery) return check_gallery(model, dataset, *options.gallery);
  if (model.spec().segmentation && !dataset.has_masks()) {
    throw Error(dataset.description() +
                " has no masks, which evaluating a model for segmentation needs; name an ADE20K folder or "
                "synthetic-masks:SPLIT");
  }
  if (model.spec().segmentation) {
    if (dataset.num_classes() == model.spec().num_classes) return;
    throw Error("the model has " + std::to_string(model.spec().num_classes) + " classes but " +
                dataset.description() + " has " + std::to_string(dataset.num_classes()) +
                "; pass --classes FILE with the model's classes, one per line");
  }
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < dataset.size(); ++i) labels.push_back(dataset.label(i));
  check_labels(model, labels, dataset.description(), dataset.declares_classes() ? dataset.num_classes() : 0);
}

EvalResult evaluate(const model::Model& model, const data::Dataset& dataset, const AccuracyOptions& options) {
  if (options.gallery) return evaluate_features(model, dataset, options);
  if (model.spec().segmentation) return evaluate_segmentation(model, dataset, options);
  check_evaluable(model, dataset);
  distributed::Group& group = distributed::or_alone(options.group);
  const distributed::Share share = group.share(dataset.size());
  Counter counter;
  Progress progress("evaluate", share.size(), "images");
  const int64_t corrupt = for_each_chunk(model, dataset, options, share, [&](const data::ImageBatch& images) {
    run(model, images, options, counter, progress);
  });
  add_ranks(group, counter, corrupt, options.max_corrupt, dataset.description());
  return finish(model, std::move(counter), dataset.description());
}

EvalResult evaluate(const model::Model& model, const data::ImageBatch& images, int64_t batch_size) {
  check_labels(model, images.labels, images.description, 0);
  Counter counter;
  Progress progress("evaluate", images.size(), "images");
  AccuracyOptions options;
  options.batch_size = batch_size;
  run(model, images, options, counter, progress);
  return finish(model, std::move(counter), images.description);
}

}  // namespace vitrim::eval
