#pragma once
// Fits that continue from every state that they saved.

#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "vitrim/absorb/absorb.h"

namespace vitrim::absorb {

/// Runs `fit` on fresh students: once completely, which saves `states` states, and then from each of them.
/// The weights must be the same to the bit, and the figures the same.
inline void expect_to_go_on(size_t states, const AbsorbOptions& options,
                            const std::function<std::unique_ptr<model::Model>()>& student,
                            const std::function<AbsorbReport(model::Model&, const AbsorbOptions&)>& fit) {
  std::vector<FitState> kept;
  FitKeeper keeper;
  keeper.save = [&](const FitState& state) { kept.push_back(state); };
  AbsorbOptions keeping = options;
  keeping.keeper = &keeper;
  const auto whole = student();
  const AbsorbReport report = fit(*whole, keeping);
  ASSERT_EQ(kept.size(), states);
  keeper.save = [](const FitState&) {};
  for (const FitState& state : kept) {
    keeper.begin = state;
    const auto resumed = student();
    const AbsorbReport again = fit(*resumed, keeping);
    for (const auto& [name, tensor] : whole->parameters().entries())
      EXPECT_TRUE(at::equal(resumed->parameter(name), tensor)) << name << " after " << state.done;
    EXPECT_EQ(again.kl, report.kl);
    EXPECT_EQ(again.plain_kl, report.plain_kl);
  }
}

}  // namespace vitrim::absorb
