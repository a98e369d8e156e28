#pragma once
// Channel pruning as a function: choose channels, cut them. compress() calls it between removing layers and
// absorbing.

#include <memory>
#include <string>

#include "vitrim/data/loader.h"
#include "vitrim/distributed/group.h"
#include "vitrim/model/model.h"
#include "vitrim/prune/indicators.h"
#include "vitrim/prune/scores.h"

namespace vitrim::pipeline {

struct PruneOptions {
  std::string target;  ///< "70%", "2.1G": parse_target(); empty: no channel is pruned
  int64_t width = 0;  ///< instead of a target: channels that every head of attention keeps at most (apma: the
                      ///< MACs of such heads, spread as it learns)
  int64_t mlp_width = 0;        ///< the same of hidden units of every MLP; goes with `width`
  bool attention_only = false;  ///< the target is that of the attention layers
  bool params = false;          ///< the target is one of parameters
  prune::Scope scope = prune::Scope::kAttention;
  int64_t round = 8;
  /// "apma", or a criterion of prune/scores.h: then all units keep the same share, and every head its best
  /// channels.
  std::string criterion = "apma";
  bool per_head = true;  ///< false: heads may end unequal; the model is masked instead of cut, to be compared
                         ///< with, not saved
  int64_t score_images = 64;
  prune::IndicatorOptions indicators;
  distributed::Group* group = nullptr;  ///< rank 0 chooses for all; null: this process alone

  bool prunes() const { return !target.empty() || width > 0 || mlp_width > 0; }
  /// Whether heads may end unequal, so that the model is masked and can't be written.
  bool masked() const { return !per_head || (criterion == "apma" && !indicators.equal_proportions); }
};

/// Refuses what can't be, before any work: std::invalid_argument on a wrong target, a target that can't be
/// reached, nothing to prune.
void check_prune(const ModelSpec& spec, const PruneOptions& options);

/// The pruned model; `dense` is not changed. Its MACs meet the target as ChannelBudget::fit says. Gains are
/// folded in.
std::unique_ptr<model::Model> prune_channels(const model::Model& dense, const data::ImageBatch& images,
                                             const PruneOptions& options);

/// "apma, 60 % of the attention's MACs": for the result's `reason`.
std::string describe(const PruneOptions& options);

}  // namespace vitrim::pipeline
