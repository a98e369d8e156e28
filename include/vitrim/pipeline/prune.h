#pragma once
// Channel pruning as a function: chooses channels and cuts them. compress() calls it between removing layers
// and absorbing.

#include <memory>
#include <string>

#include "vitrim/data/loader.h"
#include "vitrim/distributed/group.h"
#include "vitrim/model/model.h"
#include "vitrim/prune/indicators.h"
#include "vitrim/prune/scores.h"

namespace vitrim::pipeline {

struct PruneOptions {
  std::string target;  ///< "70%" or "2.1G", as parse_target() reads it; empty: no target
  int64_t width = 0;   ///< instead of a target: largest number of channels per attention head (with apma: the
                       ///< model gets the MACs of such heads, distributed as it learns)
  int64_t mlp_width = 0;        ///< the same for the hidden units of every MLP; used together with `width`
  bool attention_only = false;  ///< the target is for the MACs of the attention layers only
  bool params = false;          ///< the target is a number of parameters
  prune::Scope scope = prune::Scope::kAttention;
  int64_t round = 8;
  /// "apma", or a criterion of prune/scores.h. With a criterion, all units keep the same share of channels,
  /// and every head keeps its best ones.
  std::string criterion = "apma";
  bool per_head = true;  ///< false: heads may keep different numbers of channels; the model is then masked
                         ///< instead of cut, for comparisons, and can't be saved
  int64_t score_images = 64;
  prune::IndicatorOptions indicators;
  distributed::Group* group =
      nullptr;  ///< rank 0 chooses the channels for all ranks; null: this process alone

  bool prunes() const { return !target.empty() || width > 0 || mlp_width > 0; }
  /// Whether heads may keep different numbers of channels, so that the model is masked and can't be saved.
  bool masked() const { return !per_head || (criterion == "apma" && !indicators.equal_proportions); }
};

/// Checks the options before any work. Throws std::invalid_argument on a wrong target, a target that can't be
/// reached, or nothing to prune.
void check_prune(const ModelSpec& spec, const PruneOptions& options);

/// The pruned model; `dense` is not changed. Its MACs meet the target as described at ChannelBudget::fit().
/// The gains of channels are folded into the weights.
std::unique_ptr<model::Model> prune_channels(const model::Model& dense, const data::ImageBatch& images,
                                             const PruneOptions& options);

/// A description for the result's `reason`: "apma, 60 % of the attention's MACs".
std::string describe(const PruneOptions& options);

}  // namespace vitrim::pipeline
