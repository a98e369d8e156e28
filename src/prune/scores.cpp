#include "vitrim/prune/scores.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <array>
#include <cmath>
#include <stdexcept>

#include "prune/trace_units.h"
#include "prune/weight_rows.h"
#include "vitrim/architecture/channels.h"
#include "vitrim/architecture/stages.h"
#include "vitrim/core/log.h"
#include "vitrim/core/random.h"
#include "vitrim/core/suggest.h"
#include "vitrim/model/query_keys.h"

namespace vitrim::prune {

using architecture::ChannelGroup;
using architecture::ChannelSlice;

namespace {

const std::vector<std::string> kChannelCriterionNames = {"magnitude",      "taylor", "energy",
                                                         "energy_centred", "random", "difference",
                                                         "absence"};  // in the order of the enum

}  // namespace

ChannelCriterion parse_channel_criterion(const std::string& name) {
  const auto found = std::find(kChannelCriterionNames.begin(), kChannelCriterionNames.end(), name);
  if (found != kChannelCriterionNames.end())
    return static_cast<ChannelCriterion>(found - kChannelCriterionNames.begin());
  throw std::invalid_argument("unknown criterion '" + name + "'; did you mean '" +
                              nearest(name, kChannelCriterionNames) + "'?");
}

std::string to_string(ChannelCriterion criterion) {
  return kChannelCriterionNames[static_cast<size_t>(criterion)];
}

namespace {

std::vector<at::Tensor> magnitudes(const model::Model& model, const std::vector<Unit>& units) {
  std::vector<at::Tensor> out;
  for (const Unit& unit : units) {
    at::Tensor sum = at::zeros({unit.heads, unit.width}, at::kDouble);
    for (const ChannelSlice& slice : architecture::channel_slices(model.spec(), unit.block)) {
      if (slice.group != unit.group) continue;
      const at::Tensor rows = weight_rows(model, slice, unit.width);
      if (rows.defined()) sum.narrow(0, slice.head_begin, slice.heads).add_(rows.abs().sum(2));
    }
    out.push_back(sum);
  }
  return out;
}

// |column|^2 of the matrix that reads the channels: the last projection, or fc2.
at::Tensor column_energy(const model::Model& model, const Unit& unit) {
  const std::string name = unit.group == ChannelGroup::kMlp
                               ? architecture::block_prefix(model.spec(), unit.block) + "mlp.fc2.weight"
                               : architecture::projection_name(model.spec(), unit.block) + ".weight";
  return model.parameter(name)
      .detach()
      .to(at::kDouble)
      .cpu()
      .square()
      .sum(0)
      .reshape({unit.heads, unit.width});
}

// Sums over images of the quantities of a unit's score.
class Measure {
 public:
  Measure(const Unit& unit, ChannelCriterion criterion) : unit_(unit), criterion_(criterion) {}

  // x: the block's input; mixed and hidden as in BlockTrace.
  void add(const model::Model& model, const at::Tensor& x, const model::BlockTrace& trace) {
    if (unit_.group == ChannelGroup::kQk) {
      for (const model::QueryKeys& part : model::query_keys(model, unit_.block, x))
        add_query_keys(part, is_linear_attention(kind(model)));
      return;
    }
    const at::Tensor& read = unit_.group == ChannelGroup::kV ? trace.mixed : trace.hidden;
    at::Tensor t = read.to(at::kFloat);
    if (criterion_ == ChannelCriterion::kEnergyCentred) t = t - t.mean(1, true);
    accumulate(first_, t.square().sum(at::IntArrayRef{0, 1}).reshape({unit_.heads, unit_.width}), 0);
  }

  at::Tensor result(const model::Model& model) const {
    if (unit_.group == ChannelGroup::kQk) return of_attention() ? first_ : first_ * second_;
    if (!of_attention() || unit_.group == ChannelGroup::kMlp) return first_ * column_energy(model, unit_);
    // For v, in the head's own channels: its output without channel i's part, sqrt(1 - share of the energy);
    // or channel i's part.
    const at::Tensor share = first_ / first_.sum(1, true).clamp_min(1e-30);
    return criterion_ == ChannelCriterion::kAbsence ? share.sqrt() : -(1 - share).clamp_min(0).sqrt();
  }

 private:
  bool of_attention() const {
    return criterion_ == ChannelCriterion::kDifference || criterion_ == ChannelCriterion::kAbsence;
  }
  AttentionKind kind(const model::Model& model) const {
    return model.spec().blocks[static_cast<size_t>(unit_.block)].attention;
  }

  void accumulate(at::Tensor& sum, const at::Tensor& values, int64_t head_begin) {
    if (!sum.defined()) sum = at::zeros({unit_.heads, unit_.width}, at::kDouble);
    sum.narrow(0, head_begin, values.size(0)).add_(values.to(at::kDouble).cpu());
  }

  void add_query_keys(const model::QueryKeys& part, bool linear) {
    constexpr std::array<int64_t, 2> over = {0, 2};
    if (of_attention()) {
      accumulate(first_, linear ? linear_difference(part) : softmax_difference(part), part.head_begin);
      return;
    }
    const at::Tensor k =
        criterion_ == ChannelCriterion::kEnergyCentred ? part.k - part.k.mean(2, true) : part.k;
    accumulate(first_, part.q.square().sum(over), part.head_begin);
    accumulate(second_, k.square().sum(over), part.head_begin);
  }

  // Minus the distance to the attention of channel i alone, or the distance to that of the other channels,
  // summed over regions. A_h = phi(q) phi(k)^T is the sum of its channels' terms, so norms follow from two
  // Gram matrices.
  at::Tensor linear_difference(const model::QueryKeys& part) const {
    const at::Tensor gram = at::matmul(part.q.transpose(2, 3), part.q) *
                            at::matmul(part.k.transpose(2, 3), part.k);  // [R, heads, d, d]: <a_i, a_j>
    const at::Tensor whole = gram.sum(at::IntArrayRef{2, 3}).unsqueeze(2).clamp_min(1e-30);
    const at::Tensor own = gram.diagonal(0, 2, 3), with_all = gram.sum(3);
    if (criterion_ == ChannelCriterion::kAbsence) return (own / whole).sqrt().sum(0);
    return -((whole - 2 * with_all + own).clamp_min(0) / whole).sqrt().sum(0);
  }

  at::Tensor softmax_difference(const model::QueryKeys& part) const {
    const double scale = 1 / std::sqrt(static_cast<double>(part.q.size(3)));
    const at::Tensor scores = at::matmul(part.q * scale, part.k.transpose(2, 3)),
                     whole = at::softmax(scores, -1);
    const at::Tensor norm = whole.square().sum(at::IntArrayRef{2, 3}).sqrt();
    std::vector<at::Tensor> channels;
    for (int64_t i = 0; i < part.q.size(3); ++i) {
      const at::Tensor term = part.q.slice(3, i, i + 1) * scale * part.k.slice(3, i, i + 1).transpose(2, 3);
      const at::Tensor other =
          at::softmax(criterion_ == ChannelCriterion::kAbsence ? scores - term : term, -1);
      const at::Tensor distance = ((whole - other).square().sum(at::IntArrayRef{2, 3}).sqrt() / norm).sum(0);
      channels.push_back(criterion_ == ChannelCriterion::kAbsence ? distance : -distance);
    }
    return at::stack(channels, 1);
  }

  Unit unit_;
  ChannelCriterion criterion_;
  at::Tensor first_, second_;
};

std::vector<at::Tensor> measured(const model::Model& model, const std::vector<Unit>& units,
                                 ChannelCriterion criterion, const data::ImageBatch& images,
                                 int64_t batch_size) {
  const at::NoGradGuard no_grad;
  std::vector<Measure> measures;
  for (const Unit& unit : units) measures.emplace_back(unit, criterion);
  trace_units(model, units, images, batch_size, "channel scores",
              [&](size_t u, const model::BlockTrace& trace) { measures[u].add(model, trace.input, trace); });
  std::vector<at::Tensor> out;
  for (const Measure& measure : measures) out.push_back(measure.result(model));
  return out;
}

std::vector<at::Tensor> slopes(const model::Model& model, const std::vector<Unit>& units,
                               const data::ImageBatch& images, int64_t batch_size) {
  if (model.spec().num_classes == 0)
    throw std::invalid_argument("[prune::score_channels] taylor needs a classifier");
  const at::AutoGradMode with_gradients(true);
  const auto own = model.clone();
  own->set_compute_dtype(model.compute_dtype());
  std::vector<at::Tensor> gates, sums;
  for (const Unit& unit : units) {
    gates.push_back(at::ones({unit.heads, unit.width}).requires_grad_(true));
    sums.push_back(at::zeros({unit.heads, unit.width}, at::kDouble));
  }
  const std::vector<model::ChannelGates> by_block = as_gates(model.spec(), units, gates);
  for (int i = 0; i < own->num_blocks(); ++i) own->set_gates(i, by_block[static_cast<size_t>(i)]);
  Progress progress("channel slopes", images.size(), "images");
  for (int64_t begin = 0; begin < images.size(); begin += batch_size) {
    const int64_t end = std::min(images.size(), begin + batch_size);
    const at::Tensor logits = model::answers(own->spec(), own->forward(normalized(images, begin, end)));
    const at::Tensor loss = at::cross_entropy_loss(logits, logits.detach().argmax(1));
    const auto gradients = torch::autograd::grad({loss}, gates);
    for (size_t u = 0; u < units.size(); ++u) sums[u] += gradients[u].to(at::kDouble).square();
    progress.advance(end - begin);
  }
  return sums;
}

}  // namespace

std::vector<at::Tensor> score_channels(const model::Model& model, const std::vector<Unit>& units,
                                       ChannelCriterion criterion, const data::ImageBatch& images,
                                       const ScoreOptions& options) {
  switch (criterion) {
    case ChannelCriterion::kMagnitude:
      return magnitudes(model, units);
    case ChannelCriterion::kTaylor:
      return slopes(model, units, images, options.batch_size);
    case ChannelCriterion::kRandom: {
      Random random(options.seed, /*stream=*/0x70726e);
      std::vector<at::Tensor> out;
      for (const Unit& unit : units) {
        std::vector<double> values(static_cast<size_t>(unit.heads * unit.width));
        for (double& value : values) value = random.uniform();
        out.push_back(at::tensor(values, at::kDouble).reshape({unit.heads, unit.width}));
      }
      return out;
    }
    case ChannelCriterion::kEnergy:
    case ChannelCriterion::kEnergyCentred:
    case ChannelCriterion::kDifference:
    case ChannelCriterion::kAbsence:
      break;
  }
  return measured(model, units, criterion, images, options.batch_size);
}

std::vector<at::Tensor> best_channels(const std::vector<Unit>& units, const std::vector<at::Tensor>& scores,
                                      const std::vector<int64_t>& widths, bool per_head) {
  std::vector<at::Tensor> out;
  for (size_t u = 0; u < units.size(); ++u) {
    const at::Tensor score = per_head ? scores[u] : scores[u].reshape({1, -1});
    const at::Tensor order = at::argsort(score, /*stable=*/true, /*dim=*/1, /*descending=*/true);
    const at::Tensor chosen = order.slice(1, 0, per_head ? widths[u] : widths[u] * units[u].heads);
    out.push_back(at::zeros(score.sizes(), at::kFloat)
                      .scatter(1, chosen, 1.0)
                      .reshape({units[u].heads, units[u].width}));
  }
  return out;
}

}  // namespace vitrim::prune
