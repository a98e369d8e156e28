#include "vitrim/prune/indicators.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <stdexcept>

#include "vitrim/architecture/channels.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"
#include "vitrim/core/random.h"
#include "vitrim/core/suggest.h"
#include "vitrim/model/batches.h"
#include "vitrim/prune/scores.h"
#include "vitrim/train/adamw.h"
#include "vitrim/train/gradients.h"
#include "vitrim/train/schedule.h"

namespace vitrim::prune {

namespace {

constexpr double kFirstShare = 0.98;  // initial proportion of every unit
constexpr double kTargetPhase = 0.6;  // share of the steps in which the target falls
constexpr double kAjar =
    0.2;  // gate of focused attention's masked channels while indicators learn; it counts as 0.2^3
constexpr double kLimit = 50;  // offsets beyond it no longer change any sigmoid

at::Tensor standardised(const at::Tensor& values) {
  const at::Tensor spread = values.std();
  if (!(spread.item<double>() > 0)) return at::zeros_like(values);
  return (values - values.mean()) / spread;
}

// The learned parameters of one unit.
struct Learned {
  at::Tensor indicator;  // m [heads, width]
  at::Tensor offset;     // b, scalar
  at::Tensor gain;       // [heads, width]
  at::Tensor log_similarity;

  at::Tensor effective() const { return indicator + log_similarity; }
  at::Tensor soft(double temperature) const { return at::sigmoid((effective() + offset) / temperature); }
};

double share_at(const at::Tensor& effective, double offset, double temperature) {
  return kept_share(effective + offset, Truncation::kShare, temperature);
}

// The offset at which a unit keeps a given share.
double offset_for(const at::Tensor& effective, double share, double temperature) {
  double low = -kLimit, high = kLimit;
  for (int step = 0; step < 60; ++step) {
    const double middle = (low + high) / 2;
    (share_at(effective, middle, temperature) < share ? low : high) = middle;
  }
  return high;
}

class Fit {
 public:
  Fit(const model::Model& dense, const ChannelBudget& budget, const data::ImageBatch& images,
      const IndicatorOptions& options)
      : dense_(dense), budget_(budget), images_(images), options_(options), student_(dense.clone()) {
    student_->set_compute_dtype(dense.compute_dtype());
    begin();
    answer();
  }

  Indicators run() {
    const int64_t n = images_.size(), batch = std::min(options_.fit_batch, n), an_epoch = n / batch,
                  steps = an_epoch * options_.epochs;
    std::vector<at::Tensor> leaves;
    for (Learned& l : learned_) {
      leaves.push_back(l.indicator);
      leaves.push_back(l.offset);
    }
    std::vector<at::Tensor> gains;
    for (Learned& l : learned_) gains.push_back(l.gain);
    train::AdamW adam(leaves, {0.9, 0.99, 1e-8, 0.0}), gain_adam(gains, {0.9, 0.99, 1e-8, 0.0});
    Random random(options_.seed, /*stream=*/0x696e64);
    const double dense_macs =
        budget_.macs(at::ones({static_cast<int64_t>(learned_.size())}, at::kDouble)).item<double>();
    const auto wanted = static_cast<double>(budget_.target().macs);
    Progress progress("indicators", steps * batch, "images");
    Indicators out;
    std::vector<int64_t> order;
    for (int64_t step = 0; step < steps; ++step) {
      check_cancelled();
      if (step % an_epoch == 0) {
        order = permutation(n, random);
        out.distillation = 0;
      }
      const double done =
          std::min(1.0, static_cast<double>(step + 1) / (kTargetPhase * static_cast<double>(steps)));
      const double target = dense_macs * std::pow(wanted / dense_macs, done);
      const at::Tensor rows =
          at::from_blob(order.data() + (step % an_epoch) * batch, {batch}, at::kLong).clone();
      out.distillation += this->step(rows, target, leaves, gains) / static_cast<double>(an_epoch);
      const double rate =
          options_.learning_rate * train::half_cosine(static_cast<double>(step) / static_cast<double>(steps));
      adam.step(leaf_gradients_, rate);
      if (options_.reweight) gain_adam.step(gain_gradients_, rate / 5);
      progress.advance(batch);
    }
    finish(out);
    return out;
  }

 private:
  void begin() {
    const at::NoGradGuard no_grad;
    std::vector<at::Tensor> first;
    const data::ImageBatch few =
        data::select_images(images_, data::spread_indices(images_.size(), options_.score_images));
    if (options_.initialise) {
      first = score_channels(dense_, budget_.units(), options_.begin_with, few,
                             {options_.batch_size, options_.seed});
      // Scores that span orders of magnitude would put a few channels far from all others, so their logarithm
      // is used. Differences are defined for attention; the channels of an MLP begin with energies instead.
      for (size_t u = 0; u < first.size(); ++u) {
        const bool difference = options_.begin_with == ChannelCriterion::kDifference &&
                                budget_.units()[u].group != architecture::ChannelGroup::kMlp;
        if (!difference && options_.begin_with != ChannelCriterion::kRandom)
          first[u] = first[u].clamp_min(1e-30).log();
      }
    }
    const std::vector<at::Tensor> similar =
        similarity_weights(dense_, budget_.units(), options_.similarity, few, options_.batch_size);
    for (size_t u = 0; u < budget_.units().size(); ++u) {
      const Unit& unit = budget_.units()[u];
      const std::vector<int64_t> shape = {unit.heads, unit.width};
      Learned l;
      l.indicator = begins_with_scores(unit) ? standardised(first[u]).to(at::kFloat) : at::zeros(shape);
      l.log_similarity = similar[u].log().to(at::kFloat);
      l.offset = at::full({1}, offset_for(l.effective(), kFirstShare, options_.temperature), at::kFloat);
      l.gain = at::ones(shape);
      for (at::Tensor* t : {&l.indicator, &l.offset, &l.gain}) t->set_requires_grad(true);
      learned_.push_back(std::move(l));
    }
  }

  bool begins_with_scores(const Unit& unit) const {
    return options_.initialise &&
           (!options_.linear_alone || unit.group == architecture::ChannelGroup::kMlp || is_linear(unit));
  }
  bool is_linear(const Unit& unit) const {
    return is_linear_attention(dense_.spec().blocks[static_cast<size_t>(unit.block)].attention);
  }

  // The outputs of the dense model for all images.
  void answer() {
    const at::NoGradGuard no_grad;
    answers_ = at::empty(model::answers_shape(dense_.spec(), images_.size()));
    model::for_each_batch(images_.size(), options_.batch_size, [&](int, int64_t first, int64_t last) {
      const at::NoGradGuard no_grad_here;
      const model::Output out = dense_.forward(normalized(images_, first, last));
      answers_.slice(0, first, last).copy_(model::answers(dense_.spec(), out));
    });
  }

  // Focused attention raises q and k to a power. At a gate of 0 its derivative is 0 as well, and a channel
  // that was removed could never come back.
  bool cubed(const Unit& unit) const {
    return unit.group == architecture::ChannelGroup::kQk && is_linear(unit);
  }

  // A mask of 0 and 1: the best channels of every head at the unit's current share.
  std::vector<at::Tensor> hard(const std::vector<int64_t>& widths) const {
    std::vector<at::Tensor> scores;
    for (const Learned& l : learned_) scores.push_back(l.effective().detach());
    return best_channels(budget_.units(), scores, widths, options_.equal_proportions);
  }

  double step(const at::Tensor& rows, double target, const std::vector<at::Tensor>& leaves,
              const std::vector<at::Tensor>& gains) {
    const at::AutoGradMode with_gradients(true);
    std::vector<int64_t> widths;
    std::vector<at::Tensor> shares, softs;
    for (size_t u = 0; u < learned_.size(); ++u) {
      softs.push_back(learned_[u].soft(options_.temperature));
      shares.push_back(softs.back().mean().to(at::kDouble));
      const auto width = static_cast<double>(budget_.units()[u].width);
      widths.push_back(std::clamp<int64_t>(std::llround(shares.back().item<double>() * width), 1,
                                           budget_.units()[u].width));
    }
    std::vector<at::Tensor> masks = hard(widths);
    for (size_t u = 0; u < masks.size(); ++u) {
      if (cubed(budget_.units()[u]))
        masks[u] = at::where(masks[u] > 0, masks[u], at::full_like(masks[u], kAjar));
    }
    std::vector<at::Tensor> gates, copies;
    for (size_t u = 0; u < learned_.size(); ++u) {
      // Straight-through gradient: the value of the mask, the derivative of the sigmoid.
      gates.push_back((masks[u] + softs[u] - softs[u].detach()) * learned_[u].gain);
      copies.push_back(gates.back().detach().clone().requires_grad_(true));
    }
    const std::vector<model::ChannelGates> by_block = as_gates(dense_.spec(), budget_.units(), copies);
    for (int i = 0; i < student_->num_blocks(); ++i) student_->set_gates(i, by_block[static_cast<size_t>(i)]);
    // Each core differentiates its rows up to the gates; one further pass leads from there to the learned
    // parameters.
    const train::BatchGradients sums =
        train::batch_gradients(copies, {0, rows.size(0), 8}, [&](int64_t first, int64_t last) {
          const at::Tensor part = rows.slice(0, first, last);
          const model::Output out = student_->forward(normalized_rows(part));
          return distance(out, answers_.index_select(0, part)) / static_cast<double>(rows.size(0));
        });
    if (!std::isfinite(sums.loss))
      throw Error(
          "[prune::learn_indicators] the loss is not finite; use a lower rate (indicators.learning_rate)");
    const at::Tensor excess = budget_.macs(at::stack(shares)) / target - 1;
    at::Tensor objective = options_.budget_weight * excess.square().to(at::kFloat);
    for (size_t u = 0; u < gates.size(); ++u) objective = objective + (gates[u] * sums.gradients[u]).sum();
    std::vector<at::Tensor> all = leaves;
    all.insert(all.end(), gains.begin(), gains.end());
    std::vector<at::Tensor> gradients = torch::autograd::grad({objective}, all);
    leaf_gradients_.assign(gradients.begin(), gradients.begin() + static_cast<int64_t>(leaves.size()));
    gain_gradients_.assign(gradients.begin() + static_cast<int64_t>(leaves.size()), gradients.end());
    return sums.loss;
  }

  at::Tensor normalized_rows(const at::Tensor& rows) const {
    const int64_t* first = rows.const_data_ptr<int64_t>();
    return normalized(data::select_images(images_, std::vector<int64_t>(first, first + rows.size(0))), 0,
                      rows.size(0));
  }

  at::Tensor distance(const model::Output& out, const at::Tensor& answers) const {
    if (!out.logits.defined()) return (out.features - answers).square().sum();
    const at::Tensor log_p = at::log_softmax(answers, 1),
                     log_q = at::log_softmax(model::answers(dense_.spec(), out), 1);
    const double places = answers.dim() == 3 ? static_cast<double>(answers.size(2)) : 1;
    return (log_p.exp() * (log_p - log_q)).sum() / places;
  }

  void finish(Indicators& out) const {
    const at::NoGradGuard no_grad;
    // Finds the common change of all units' offsets that meets the target after rounding.
    out.widths = budget_.fit(
        [&](double shift) {
          std::vector<double> shares;
          for (const Learned& l : learned_)
            shares.push_back(kept_share(l.effective() + (l.offset.item<double>() + shift),
                                        options_.truncation, options_.temperature));
          return shares;
        },
        2 * kLimit);
    for (const Learned& l : learned_)
      out.shares.push_back(
          kept_share(l.effective() + l.offset.item<double>(), options_.truncation, options_.temperature));
    const std::vector<at::Tensor> masks = hard(out.widths);
    for (size_t u = 0; u < learned_.size(); ++u) {
      // A gain that became 0 or negative would remove the channel or change its sign.
      out.gates.push_back(options_.reweight ? masks[u] * learned_[u].gain.detach().clamp_min(0.05)
                                            : masks[u]);
    }
  }

  const model::Model& dense_;
  const ChannelBudget& budget_;
  const data::ImageBatch& images_;
  const IndicatorOptions& options_;
  std::unique_ptr<model::Model> student_;
  std::vector<Learned> learned_;
  at::Tensor answers_;
  std::vector<at::Tensor> leaf_gradients_, gain_gradients_;
};

}  // namespace

Truncation parse_truncation(const std::string& name) {
  if (name == "share") return Truncation::kShare;
  if (name == "threshold") return Truncation::kThreshold;
  throw std::invalid_argument("[prune::parse_truncation] the truncation is share or threshold, not '" + name +
                              "'");
}

std::string to_string(Truncation truncation) {
  return truncation == Truncation::kShare ? "share" : "threshold";
}

double kept_share(const at::Tensor& scores, Truncation truncation, double temperature) {
  if (truncation == Truncation::kThreshold) return (scores > 0).to(at::kDouble).mean().item<double>();
  return at::sigmoid(scores / temperature).mean().item<double>();
}

void leave_out(IndicatorOptions& options, const std::string& parts) {
  const std::vector<std::string> names = {"proportions", "reweight", "initialisation"};
  const std::vector<bool*> switches = {&options.equal_proportions, &options.reweight, &options.initialise};
  std::istringstream list(parts);
  for (std::string part; std::getline(list, part, ',');) {
    const auto found = std::find(names.begin(), names.end(), part);
    if (found == names.end())
      throw std::invalid_argument("unknown part '" + part + "'; did you mean '" + nearest(part, names) +
                                  "'?");
    *switches[static_cast<size_t>(found - names.begin())] = false;
  }
}

Indicators learn_indicators(const model::Model& model, const ChannelBudget& budget,
                            const data::ImageBatch& images, const IndicatorOptions& options) {
  if (images.size() < kFewestImages)
    throw Error("[prune::learn_indicators] needs at least " + std::to_string(kFewestImages) +
                " images, got " + std::to_string(images.size()));
  return Fit(model, budget, images, options).run();
}

}  // namespace vitrim::prune
