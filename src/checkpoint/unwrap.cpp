#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "checkpoint/training_state.h"
#include "vitrim/checkpoint/checkpoint.h"

namespace vitrim::checkpoint {
namespace {

/// Under which names training scripts keep the weights, best first: averaged weights only where there are no
/// others.
constexpr std::array<std::string_view, 15> kWrappers{"model",
                                                     "state_dict",
                                                     "model_state_dict",
                                                     "model_state",
                                                     "net",
                                                     "network",
                                                     "module",
                                                     "weights_dict",
                                                     "teacher",
                                                     "student",
                                                     "model_ema",
                                                     "state_dict_ema",
                                                     "ema",
                                                     "ema_state_dict",
                                                     "model_ema_state_dict"};

/// What wraps a model for parallel or compiled training puts this before every name.
constexpr std::array<std::string_view, 2> kPrefixes{"module.", "_orig_mod."};

std::string_view first_component(std::string_view name) { return name.substr(0, name.find('.')); }

bool is_wrapper(std::string_view key) {
  return std::find(kWrappers.begin(), kWrappers.end(), key) != kWrappers.end();
}

/// The wrapper to take. Nothing unless all other entries are explained: a model may have a part of its own
/// that is called "model", and dropping what stands beside it would lose weights.
std::optional<std::string_view> find_wrapper(const StateDict& state) {
  std::optional<std::string_view> best;
  for (const auto& [name, tensor] : state.entries()) {
    const std::string_view key = first_component(name);
    if (key.size() < name.size() && is_wrapper(key)) {
      if (!best || std::find(kWrappers.begin(), kWrappers.end(), key) <
                       std::find(kWrappers.begin(), kWrappers.end(), *best))
        best = *std::find(kWrappers.begin(), kWrappers.end(), key);
    } else if (!is_training_state(key) && !(key.size() == name.size() && tensor.dim() == 0)) {
      return std::nullopt;  // a lone number is a counter, anything else a weight
    }
  }
  return best;
}

StateDict like(const StateDict& state) {
  StateDict result;
  result.path = state.path;
  result.metadata = state.metadata;
  return result;
}

/// The entries that begin with `prefix`, without it.
StateDict take_under(const StateDict& state, std::string_view prefix) {
  StateDict result = like(state);
  for (const auto& [name, tensor] : state.entries())
    if (name.size() > prefix.size() && std::string_view(name).starts_with(prefix))
      result.add(name.substr(prefix.size()), tensor);
  return result;
}

bool all_under(const StateDict& state, std::string_view prefix) {
  return state.size() > 0 &&
         std::all_of(state.entries().begin(), state.entries().end(), [&](const auto& entry) {
           return entry.first.size() > prefix.size() && std::string_view(entry.first).starts_with(prefix);
         });
}

/// Optimiser state beside bare weights.
StateDict drop_optimizer(const StateDict& state) {
  StateDict result = like(state);
  for (const auto& [name, tensor] : state.entries()) {
    const std::string_view key = first_component(name);
    const bool dropped = key.size() < name.size() &&
                         (key.find("optimizer") != std::string_view::npos || key == "lr_scheduler");
    if (!dropped) result.add(name, tensor);
  }
  return result;
}

}  // namespace

StateDict unwrap(const StateDict& state) {
  StateDict result = drop_optimizer(state);
  // Wrappers nest ("state_dict.model.module."), but not without end.
  constexpr int kDeepest = 8;
  for (int depth = 0; depth < kDeepest; ++depth) {
    const auto prefix = std::find_if(kPrefixes.begin(), kPrefixes.end(),
                                     [&](std::string_view p) { return all_under(result, p); });
    if (prefix != kPrefixes.end())
      result = take_under(result, *prefix);
    else if (const auto wrapper = find_wrapper(result))
      result = take_under(result, std::string(*wrapper) + ".");
    else
      break;
  }
  return result;
}

}  // namespace vitrim::checkpoint
