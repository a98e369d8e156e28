#pragma once
// APMA's learned channel indicators, reconstructed from the paper's abstract (arXiv 2405.20867; see
// docs/pruning.md): weighted by similarity, equal proportions in every head, reweighting of the kept
// channels, and an initialisation from attention differences. They are fitted to the dense model's own
// outputs, without labels.

#include <string>
#include <vector>

#include "vitrim/data/loader.h"
#include "vitrim/prune/channel_budget.h"
#include "vitrim/prune/scores.h"
#include "vitrim/prune/similarity.h"

namespace vitrim::prune {

/// Which share of its channels a unit keeps, given how far u + b is above or below 0 for each channel.
enum class Truncation {
  kShare,      ///< the mean of their sigmoids; that share of the best channels is kept (top-k)
  kThreshold,  ///< the share of channels above 0
};
Truncation parse_truncation(
    const std::string& name);  ///< "share" or "threshold"; throws std::invalid_argument on anything else
std::string to_string(Truncation truncation);
double kept_share(const at::Tensor& scores, Truncation truncation, double temperature);

struct IndicatorOptions {
  Similarity similarity = Similarity::kNone;  ///< part 1: u = m + ln s
  bool equal_proportions = true;  ///< part 2: every head keeps its own best channels; if false, the best of
                                  ///< the unit are kept, so that the model can be masked but not cut
  bool reweight = true;           ///< part 3: a learned gain per kept channel
  bool initialise = true;         ///< part 4: m begins as scores of `begin_with`, standardised per unit (for
                                  ///< energies and slopes their logarithms); if false, at 0
  ChannelCriterion begin_with = ChannelCriterion::kDifference;
  bool linear_alone = false;  ///< in attention, only focused linear kinds begin with scores, the others at 0
  Truncation truncation = Truncation::kShare;  ///< the rule for the final choice
  double temperature = 0.5;     ///< temperature of the sigmoid that converts indicators to proportions
  double learning_rate = 0.05;  ///< for m and the offsets; gains use a fifth of it
  double budget_weight = 20;    ///< b in the loss: distillation + b (MACs / target - 1)^2
  int64_t epochs = 4;           ///< passes over the images
  int64_t fit_batch = 32;
  int64_t score_images = 64;  ///< number of images for attention differences and similarities
  int64_t batch_size = 16;
  uint64_t seed = 0;
};

/// Switches parts off by name, separated by commas: "proportions,reweight,initialisation". Throws
/// std::invalid_argument, with the nearest name, on any other name.
void leave_out(IndicatorOptions& options, const std::string& parts);

/// The smallest number of images for learning.
inline constexpr int64_t kFewestImages = 8;

/// The learned indicators. Gates are factors: 0 for a removed channel, its gain for a kept one.
struct Indicators {
  std::vector<int64_t> widths;    ///< per unit
  std::vector<at::Tensor> gates;  ///< per unit, [heads, width] float32
  std::vector<double> shares;     ///< proportion rho of every unit, before rounding
  double distillation = 0;        ///< mean KL to the dense model over the last epoch, nats
};

/// Learns indicators of `model` for the budget's units. The model's parameters do not change; only
/// indicators, offsets and gains learn, by AdamW with straight-through gradients. Over the first six tenths
/// of the steps, the target falls from the dense model's MACs to the budget's. Deterministic for a seed and a
/// number of threads. Cost: `epochs` forward and backward passes over the images, and one forward pass of the
/// dense model. Throws Error if the loss is not finite.
Indicators learn_indicators(const model::Model& model, const ChannelBudget& budget,
                            const data::ImageBatch& images, const IndicatorOptions& options = {});

}  // namespace vitrim::prune
