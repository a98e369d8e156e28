#pragma once
// APMA's learned channel indicators, reconstructed from the paper's abstract (arXiv 2405.20867,
// docs/pruning.md): similarity-weighted, with equal proportions in every head, a reweighting of what stays,
// and a beginning from attention differences. Fitted to the dense model's own outputs, no labels.

#include <string>
#include <vector>

#include "vitrim/data/loader.h"
#include "vitrim/prune/channel_budget.h"
#include "vitrim/prune/scores.h"
#include "vitrim/prune/similarity.h"

namespace vitrim::prune {

/// What share of its channels a unit keeps, given how far u + b is above or below 0 for each.
enum class Truncation {
  kShare,      ///< the mean of their sigmoids; the best so many stay (top-k)
  kThreshold,  ///< of those above 0
};
Truncation parse_truncation(const std::string& name);  ///< "share", "threshold"; std::invalid_argument
std::string to_string(Truncation truncation);
double kept_share(const at::Tensor& scores, Truncation truncation, double temperature);

struct IndicatorOptions {
  Similarity similarity = Similarity::kNone;  ///< 1. u = m + ln s
  bool equal_proportions = true;  ///< 2. every head keeps its own best; without it the unit's best are kept,
                                  ///< which can be masked but not cut
  bool reweight = true;           ///< 3. a learned gain per kept channel
  bool initialise = true;  ///< 4. m begins as scores of `begin_with`, standardised per unit (energies and
                           ///< slopes: their logarithms); else at 0
  ChannelCriterion begin_with = ChannelCriterion::kDifference;
  bool linear_alone = false;  ///< of attention, only linear kinds begin with scores, the others at 0
  Truncation truncation = Truncation::kShare;  ///< of what is kept in the end
  double temperature = 0.5;                    ///< of the sigmoid that makes indicators proportions
  double learning_rate = 0.05;                 ///< of m and the offsets; gains learn at a fifth of it
  double budget_weight = 20;                   ///< b in: distillation + b (MACs / target - 1)^2
  int64_t epochs = 4;                          ///< passes over the images
  int64_t fit_batch = 32;
  int64_t score_images = 64;  ///< for the attention differences and similarities
  int64_t batch_size = 16;
  uint64_t seed = 0;
};

/// Switches parts off by name, commas between them: "proportions,reweight,initialisation". Throws
/// std::invalid_argument on another name, with the nearest.
void leave_out(IndicatorOptions& options, const std::string& parts);

/// Images that learning takes at least.
inline constexpr int64_t kFewestImages = 8;

/// What came of it. Gates are factors: 0 for a channel that goes, its gain for one that stays.
struct Indicators {
  std::vector<int64_t> widths;    ///< per unit
  std::vector<at::Tensor> gates;  ///< per unit, [heads, width] float32
  std::vector<double> shares;     ///< proportion rho of every unit before rounding
  double distillation = 0;        ///< mean KL to the dense model over the last epoch, nats
};

/// Learns indicators of `model` for the budget's units. The model's parameters stay; only indicators, offsets
/// and gains learn, by AdamW with straight-through gradients, while the target falls from the dense model's
/// MACs to the budget's over the first six tenths of the steps. Deterministic for a seed and a number of
/// threads. Cost: `epochs` forward and backward passes over the images, and one forward pass of the dense
/// model. Error where the loss is not finite.
Indicators learn_indicators(const model::Model& model, const ChannelBudget& budget,
                            const data::ImageBatch& images, const IndicatorOptions& options = {});

}  // namespace vitrim::prune
