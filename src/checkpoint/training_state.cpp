#include "checkpoint/training_state.h"

#include <algorithm>
#include <array>

namespace vitrim::checkpoint {

bool is_training_state(std::string_view key) {
  // Anywhere in the key: "model_optimizer_state", "lr_schedulers", "torch_rng_state", "grad_scaler".
  constexpr std::array<std::string_view, 6> kParts{"optim",  "sched",     "rng",
                                                   "scaler", "criterion", "callback"};
  // The whole key, or its first word: "epoch", "best_acc", "loss_scale".
  constexpr std::array<std::string_view, 15> kWords{"epoch",  "iter", "iteration", "step",    "global",
                                                    "best",   "loss", "metric",    "metrics", "args",
                                                    "config", "cfg",  "hyper",     "amp",     "opt"};
  const std::string_view word = key.substr(0, key.find('_'));
  return std::any_of(kParts.begin(), kParts.end(),
                     [&](std::string_view part) { return key.find(part) != std::string_view::npos; }) ||
         std::find(kWords.begin(), kWords.end(), word) != kWords.end();
}

}  // namespace vitrim::checkpoint
