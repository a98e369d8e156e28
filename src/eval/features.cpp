#include "vitrim/eval/features.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "eval/chunks.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"
#include "vitrim/core/random.h"
#include "vitrim/eval/cost.h"
#include "vitrim/eval/statistics.h"
#include "vitrim/model/batches.h"

namespace vitrim::eval {

namespace {

// Number of rows of the similarity matrix that are held at a time.
constexpr int64_t kRows = 256;

at::Tensor unit(const at::Tensor& features) {
  return features / features.norm(2, 1, /*keepdim=*/true).clamp_min(1e-12);
}

// Similarities of the queries [begin, end) to all images, with their own removed.
at::Tensor to_others(const at::Tensor& units, int64_t begin, int64_t end) {
  at::Tensor out = at::matmul(units.slice(0, begin, end), units.t());
  out.diagonal(begin).fill_(-2);  // below every cosine
  return out;
}

at::Tensor one_hot(const std::vector<int64_t>& labels, int64_t classes) {
  const auto n = static_cast<int64_t>(labels.size());
  at::Tensor out = at::zeros({n, classes}, at::kDouble);
  auto rows = out.accessor<double, 2>();
  for (int64_t i = 0; i < n; ++i) rows[i][labels[static_cast<size_t>(i)]] = 1;
  return out;
}

EvalResult counted(const at::Tensor& scores, const std::vector<int64_t>& labels) {
  EvalResult out;
  const int64_t k = std::min<int64_t>(5, scores.size(1));
  const at::Tensor best = std::get<1>(scores.topk(k, 1)).contiguous();
  const auto rows = best.accessor<int64_t, 2>();
  int64_t first = 0, any = 0;
  for (int64_t i = 0; i < scores.size(0); ++i) {
    const int64_t label = labels[static_cast<size_t>(i)];
    const bool right = rows[i][0] == label;
    bool among = false;
    for (int64_t j = 0; j < k; ++j) among = among || rows[i][j] == label;
    out.correct.push_back(right);
    first += right;
    any += among;
  }
  out.images = scores.size(0);
  const double n = static_cast<double>(std::max<int64_t>(1, out.images));
  out.top1 = static_cast<double>(first) / n;
  out.top5 = static_cast<double>(any) / n;
  out.top1_ci95 = wilson_interval(first, out.images);
  return out;
}

void describe(const model::Model& model, const data::Dataset& dataset, EvalResult& result) {
  result.data = dataset.description();
  const ModelCost cost = count_cost(model.spec());
  result.params = cost.params;
  result.macs = cost.macs;
}

void require_labels(const data::Dataset& dataset) {
  for (int64_t i = 0; i < dataset.size(); ++i) {
    if (dataset.label(i) < 0)
      throw Error(dataset.description() +
                  ": evaluation needs labels; put the images into one folder per class");
  }
}

}  // namespace

LabelledFeatures features_of(const model::Model& model, const data::Dataset& dataset,
                             const AccuracyOptions& options) {
  const at::NoGradGuard no_grad;
  const ModelSpec& spec = model.spec();
  if (options.logits && spec.num_classes > 0)
    throw Error("the native engine returns logits, not features; use --engine libtorch");
  LabelledFeatures out;
  std::vector<at::Tensor> parts;
  Progress progress("features", dataset.size(), "images");
  for_each_chunk(model, dataset, options, {0, dataset.size()}, [&](const data::ImageBatch& images) {
    at::Tensor features = at::empty({images.size(), spec.feature_dim()});
    const auto run = [&](int64_t first, int64_t last) {
      const at::Tensor pixels = normalized(images, first, last);
      features.slice(0, first, last)
          .copy_(options.logits ? options.logits(pixels) : model.forward(pixels).features);
      progress.advance(last - first);
    };
    if (options.logits) {
      for (int64_t first = 0; first < images.size(); first += options.batch_size)
        run(first, std::min(images.size(), first + options.batch_size));
    } else {
      model::for_each_batch(images.size(), options.batch_size,
                            [&](int, int64_t first, int64_t last) { run(first, last); });
    }
    parts.push_back(std::move(features));
    out.labels.insert(out.labels.end(), images.labels.begin(), images.labels.end());
  });
  out.features = at::cat(parts);
  return out;
}

at::Tensor knn_votes(const at::Tensor& queries, const LabelledFeatures& gallery, int64_t neighbours,
                     int64_t classes, bool leave_out_own) {
  const int64_t others = gallery.features.size(0) - (leave_out_own ? 1 : 0);
  if (neighbours < 1 || neighbours > others)
    throw std::invalid_argument("[eval::knn_votes] " + std::to_string(neighbours) + " neighbours of " +
                                std::to_string(others) + " images; request fewer (--knn)");
  const at::Tensor units = unit(queries), known = unit(gallery.features);
  const at::Tensor labels = at::tensor(gallery.labels, at::kLong);
  at::Tensor votes = at::zeros({queries.size(0), classes});
  for (int64_t begin = 0; begin < queries.size(0); begin += kRows) {
    const int64_t end = std::min(queries.size(0), begin + kRows);
    at::Tensor cosines = at::matmul(units.slice(0, begin, end), known.t());
    if (leave_out_own) cosines.diagonal(begin).fill_(-2);
    const auto [nearest, places] = cosines.topk(neighbours, 1);
    const at::Tensor weights = ((nearest - 1) / kVoteTemperature).exp();  // at most 1
    votes.slice(0, begin, end).scatter_add_(1, labels.take(places), weights);
  }
  return votes;
}

at::Tensor probe_scores(const at::Tensor& queries, const LabelledFeatures& gallery, int64_t classes) {
  const at::Tensor x = gallery.features.to(at::kDouble);
  const int64_t n = x.size(0);
  const at::Tensor mean = x.mean(0);
  const at::Tensor deviation = (x - mean).square().mean(0).sqrt();
  const at::Tensor scale =
      at::where(deviation > 1e-12, 1 / deviation.clamp_min(1e-12), at::zeros_like(deviation));
  const at::Tensor standard = (x - mean) * scale;
  const at::Tensor y = one_hot(gallery.labels, classes);
  const at::Tensor prior = y.mean(0);
  const at::Tensor centred = y - prior;
  const auto [eigenvalues, vectors] = at::linalg_eigh(at::matmul(standard.t(), standard) / n);
  const at::Tensor s = eigenvalues.clamp_min(0), z = at::matmul(standard, vectors),
                   b = at::matmul(z.t(), centred) / n, z2 = z.square();
  const double unit_penalty = std::max(s.mean().item<double>(), 1e-30);
  double best = -1, chosen = 0;
  for (const double factor : {1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0}) {
    const at::Tensor inverse = 1 / (s + factor * unit_penalty);
    const at::Tensor leverage = at::mv(z2, inverse) / n + 1.0 / static_cast<double>(n);
    const at::Tensor residual = centred - at::matmul(z, b * inverse.unsqueeze(1));
    const double error =
        (residual / (1 - leverage).clamp_min(1e-9).unsqueeze(1)).square().mean().item<double>();
    if (best < 0 || error < best) {
      best = error;
      chosen = factor;
    }
  }
  const at::Tensor weights = at::matmul(vectors, b / (s + chosen * unit_penalty).unsqueeze(1));
  return at::matmul((queries.to(at::kDouble) - mean) * scale, weights) + prior;
}

Retrieval retrieve(const at::Tensor& features, const at::Tensor& reference, int64_t neighbours) {
  const int64_t n = features.size(0);
  if (reference.size(0) != n)
    throw std::invalid_argument("[eval::retrieve] the two models were run on different numbers of images");
  if (neighbours < 1 || neighbours >= n)
    throw std::invalid_argument("[eval::retrieve] " + std::to_string(neighbours) + " neighbours of " +
                                std::to_string(n - 1) + " other images; request fewer (--neighbours)");
  const at::Tensor own = unit(features), right = unit(reference);
  Retrieval out{at::empty({n}, at::kDouble), at::empty({n}, at::kDouble), at::empty({n}, at::kLong)};
  const at::Tensor places = at::arange(1, n + 1, at::kLong).unsqueeze(0);
  const at::Tensor counts = at::arange(1, neighbours + 1, at::kDouble).unsqueeze(0);
  for (int64_t begin = 0; begin < n; begin += kRows) {
    const int64_t end = std::min(n, begin + kRows);
    const at::Tensor wanted = std::get<1>(to_others(right, begin, end).topk(neighbours, 1));
    const at::Tensor order = to_others(own, begin, end).argsort(/*stable=*/true, 1, /*descending=*/true);
    const at::Tensor rank_of =
        at::empty_like(order).scatter_(1, order, places.expand({end - begin, n}).contiguous());
    const at::Tensor ranks = rank_of.gather(1, wanted);
    out.rank.slice(0, begin, end).copy_(ranks.select(1, 0));
    out.recall.slice(0, begin, end).copy_((ranks <= neighbours).to(at::kDouble).mean(1));
    const at::Tensor sorted = std::get<0>(ranks.sort(1));
    out.average_precision.slice(0, begin, end).copy_((counts / sorted.to(at::kDouble)).mean(1));
  }
  return out;
}

std::pair<double, double> bootstrap_mean(const at::Tensor& figures, uint64_t seed) {
  const at::Tensor values = figures.contiguous();
  const double* const data = values.const_data_ptr<double>();
  const int64_t n = values.size(0);
  constexpr int kResamples = 2000;
  Random random(seed, /*stream=*/0x66656174);
  std::vector<double> means(kResamples);
  for (double& mean : means) {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += data[random.below(n)];
    mean = sum / static_cast<double>(n);
  }
  std::sort(means.begin(), means.end());
  return {means[kResamples / 40], means[kResamples - 1 - kResamples / 40]};
}

void check_gallery(const model::Model& model, const data::Dataset& dataset, const data::Dataset& gallery) {
  if (model.spec().segmentation)
    throw Error("nearest neighbours and linear probes evaluate features of images; this model labels pixels");
  require_labels(dataset);
  require_labels(gallery);
  const std::vector<std::string> names = dataset.class_names(), known = gallery.class_names();
  if (names.empty() || known.empty() || names == known) return;
  throw Error(gallery.description() + " has other class folders than " + dataset.description() +
              "; give both the same, or pass --classes FILE with the names of all");
}

EvalResult evaluate_features(const model::Model& model, const data::Dataset& dataset,
                             const AccuracyOptions& options) {
  check_gallery(model, dataset, *options.gallery);
  const bool same = is_gallery(dataset, options);
  if (same && options.probe)
    throw Error(
        "--train and --data are the same images; a probe must be evaluated on images that it was "
        "not fitted to");
  if (!same && options.neighbours > options.gallery->size() && !options.probe)
    throw Error(options.gallery->description() + " has fewer images than the " +
                std::to_string(options.neighbours) + " requested neighbours; pass a smaller --knn");
  const LabelledFeatures known = features_of(model, *options.gallery, options);
  const LabelledFeatures asked = same ? known : features_of(model, dataset, options);
  int64_t classes = 0;
  for (const std::vector<int64_t>* labels : {&known.labels, &asked.labels}) {
    for (const int64_t label : *labels) classes = std::max(classes, label + 1);
  }
  const at::Tensor scores = options.probe
                                ? probe_scores(asked.features, known, classes)
                                : knn_votes(asked.features, known, options.neighbours, classes, same);
  EvalResult result = counted(scores, asked.labels);
  describe(model, dataset, result);
  result.protocol =
      options.probe ? "linear probe" : std::to_string(options.neighbours) + " nearest neighbours";
  result.gallery = options.gallery->description();
  return result;
}

EvalResult evaluate_retrieval(const model::Model& model, const model::Model& reference,
                              const data::Dataset& dataset, const AccuracyOptions& options,
                              const PreprocessSpec& reference_preprocess, int64_t neighbours,
                              const std::string& name) {
  if (neighbours >= dataset.size())
    throw Error(dataset.description() + " has too few images for " + std::to_string(neighbours) +
                " neighbours; pass a smaller --neighbours");
  AccuracyOptions other = options;
  other.logits = nullptr;
  other.preprocess = reference_preprocess;
  const LabelledFeatures right = features_of(reference, dataset, other),
                         own = features_of(model, dataset, options);
  const Retrieval found = retrieve(own.features, right.features, neighbours);
  EvalResult result;
  describe(model, dataset, result);
  result.images = found.rank.size(0);
  const at::Tensor first = found.rank == 1;
  for (int64_t i = 0; i < result.images; ++i) result.correct.push_back(first[i].item<bool>());
  result.top1 = first.to(at::kDouble).mean().item<double>();
  result.top5 = (found.rank <= 5).to(at::kDouble).mean().item<double>();
  result.top1_ci95 = wilson_interval(first.sum().item<int64_t>(), result.images);
  result.protocol = "retrieval";
  result.retrieval = RetrievalFigures{name,
                                      neighbours,
                                      found.recall.mean().item<double>(),
                                      bootstrap_mean(found.recall),
                                      found.average_precision.mean().item<double>(),
                                      bootstrap_mean(found.average_precision)};
  return result;
}

}  // namespace vitrim::eval
