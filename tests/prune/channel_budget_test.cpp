// Multiply-adds as a function of widths, and widths that meet a target: counted, for every family.

#include "vitrim/prune/channel_budget.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/expect_throw.h"
#include "model/small_models.h"
#include "prune/draw_widths.h"
#include "vitrim/architecture/channels.h"
#include "vitrim/architecture/parameters.h"
#include "vitrim/core/random.h"
#include "vitrim/eval/cost.h"

namespace vitrim::prune {
namespace {

using architecture::ChannelGroup;

TEST(Units, AreWhatCanBePruned) {
  const ModelSpec spec = test::small_spec();
  EXPECT_EQ(units_of(spec, Scope::kAttention).size(), 8u);
  const std::vector<Unit> all = units_of(spec, Scope::kAttentionAndMlp);
  ASSERT_EQ(all.size(), 12u);
  EXPECT_EQ(all[0].group, ChannelGroup::kQk);
  EXPECT_EQ(all[1].group, ChannelGroup::kV);
  EXPECT_EQ(all[2].group, ChannelGroup::kMlp);
  EXPECT_EQ(all[2].heads, 1);
  EXPECT_EQ(all[2].width, 64);
  EXPECT_EQ(all[3].block, 1);
  // After a q/k norm only v can go; without attention nothing can.
  for (const Unit& unit : units_of(test::variant("layerscale_qknorm"), Scope::kAttention))
    EXPECT_EQ(unit.group, ChannelGroup::kV);
  ModelSpec none = spec;
  for (BlockSpec& block : none.blocks) {
    test::take_attention(block);
  }
  EXPECT_THROW(units_of(none, Scope::kAttention), std::invalid_argument);
  EXPECT_EQ(units_of(none, Scope::kAttentionAndMlp).size(), 4u);
}

TEST(Scope, NamesAreReadAsTheyAreWritten) {
  for (const Scope scope : {Scope::kAttention, Scope::kAttentionAndMlp, Scope::kMlp})
    EXPECT_EQ(parse_scope(to_string(scope)), scope);
  EXPECT_EQ(parse_scope("attention+mlp"), Scope::kAttentionAndMlp);
  EXPECT_THROW(parse_scope("attention+mlps"), std::invalid_argument);
}

TEST(ParseTarget, SharesAndNumbers) {
  const ModelSpec spec = test::small_spec();
  const eval::ModelCost cost = eval::count_cost(spec);
  int64_t attention = 0;
  for (const BlockCost& block : cost.blocks) attention += block.attention_macs;
  EXPECT_EQ(parse_target("50%", false, spec).macs, std::llround(0.5 * static_cast<double>(cost.macs)));
  EXPECT_EQ(parse_target("50%", true, spec).macs, std::llround(0.5 * static_cast<double>(attention)));
  EXPECT_EQ(parse_target("100%", false, spec).macs, cost.macs);
  EXPECT_EQ(parse_target("50 %", false, spec).macs, parse_target("50%", false, spec).macs);
  EXPECT_EQ(parse_target("0.0005G", false, spec).macs, 500000);
  EXPECT_EQ(parse_target("500K", false, spec).macs, 500000);
  EXPECT_EQ(parse_target("500000", false, spec).macs, 500000);
  for (const char* wrong : {"", "%", "fast", "-5%", "0", "1e3x", "nan%"})
    EXPECT_THROW(parse_target(wrong, false, spec), std::invalid_argument) << wrong;
  EXPECT_TRUE(contains(message_of<std::invalid_argument>([&] { parse_target("101%", false, spec); }),
                       "more than the model has"));
}

// Parameters of MLPs: 80 % of all are met by MLPs alone, and the polynomial is the count.
TEST(ChannelBudget, KeepsToParametersToo) {
  const ModelSpec spec = test::small_spec();
  const int64_t dense = architecture::count_parameters(spec);
  EXPECT_EQ(dense, eval::count_cost(spec).params);
  const Target target = parse_target("80%", false, spec, /*params=*/true);
  EXPECT_EQ(target.macs, std::llround(0.8 * static_cast<double>(dense)));
  for (const Scope scope : {Scope::kMlp, Scope::kAttentionAndMlp}) {
    const std::vector<Unit> units = units_of(spec, scope);
    const ChannelBudget budget(spec, units, target, 1);
    const std::vector<int64_t> widths = budget.fit(
        [&](double share) { return std::vector<double>(units.size(), std::clamp(share, 0.0, 1.0)); }, 1);
    const int64_t kept = architecture::count_parameters(with_widths(spec, units, widths));
    EXPECT_EQ(budget.macs(widths), kept);
    EXPECT_LE(kept, 1.005 * static_cast<double>(target.macs));
    EXPECT_GE(kept, 0.99 * static_cast<double>(target.macs));
    std::vector<double> shares;
    for (size_t u = 0; u < units.size(); ++u)
      shares.push_back(static_cast<double>(widths[u]) / static_cast<double>(units[u].width));
    // float64 sums of a few dozen whole numbers
    EXPECT_NEAR(budget.macs(at::tensor(shares, at::kDouble)).item<double>(), static_cast<double>(kept), 1e-3);
  }
  EXPECT_THROW(parse_target("120%", false, spec, true), std::invalid_argument);
}

TEST(ChannelBudget, RefusesWhatCannotBeReached) {
  const ModelSpec spec = test::small_spec();
  const auto units = units_of(spec, Scope::kAttention);
  EXPECT_TRUE(contains(message_of<std::invalid_argument>(
                           [&] { ChannelBudget(spec, units, parse_target("20%", false, spec), 8); }),
                       "can't be reached"));
  const ModelSpec normed = test::variant("layerscale_qknorm");
  EXPECT_TRUE(contains(message_of<std::invalid_argument>([&] {
                         ChannelBudget(normed, units_of(normed, Scope::kAttention),
                                       parse_target("20%", false, normed), 8);
                       }),
                       "before a q/k norm"));
  EXPECT_THROW(ChannelBudget(spec, units, {eval::count_cost(spec).macs + 1, false}, 8),
               std::invalid_argument);
  EXPECT_THROW(ChannelBudget(spec, units, parse_target("90%", false, spec), 0), std::invalid_argument);
}

// The remainder from rounding goes to any unit that it fits, even to units that have more than they
// requested.
TEST(ChannelBudget, CheapStepsFillWhatDearOnesLeave) {
  ModelSpec spec = test::small_spec(2);
  spec.blocks[1].mlp_dim = 4;  // an expensive unit (64 hidden channels in steps of 16) and cheap ones
  const auto units = units_of(spec, Scope::kAttentionAndMlp);
  const ChannelBudget budget(spec, units, parse_target("80%", false, spec), 1);
  // Requests everything for the first block's MLP and nothing for the others.
  const std::vector<int64_t> widths = budget.fit(
      [&](double shift) {
        std::vector<double> shares(units.size(), 0.01);
        shares[2] = shift > 0 ? 1 : 0.5;
        return shares;
      },
      1);
  const double left =
      1 - static_cast<double>(budget.macs(widths)) / static_cast<double>(budget.target().macs);
  EXPECT_LT(std::abs(left), 0.005);
}

class EveryVariantBudget : public testing::TestWithParam<test::Variant> {};
INSTANTIATE_TEST_SUITE_P(Prune, EveryVariantBudget, testing::ValuesIn(test::all_variants()),
                         [](const auto& info) { return info.param.name; });

// The differentiable form is the counted one at whole widths.
TEST_P(EveryVariantBudget, PolynomialIsTheCount) {
  const ModelSpec& spec = GetParam().spec;
  for (Scope scope : {Scope::kAttention, Scope::kAttentionAndMlp}) {
    for (bool attention_only : {false, true}) {
      const auto units = units_of(spec, scope);
      const ChannelBudget budget(spec, units, parse_target("100%", attention_only, spec), 1);
      Random random(7);
      for (int draw = 0; draw < 5; ++draw) {
        std::vector<int64_t> widths;
        std::vector<double> shares;
        for (const Unit& unit : units) {
          widths.push_back(1 + static_cast<int64_t>(random.uniform() * static_cast<double>(unit.width)));
          shares.push_back(static_cast<double>(widths.back()) / static_cast<double>(unit.width));
        }
        const ModelSpec cut = with_widths(spec, units, widths);
        const eval::ModelCost cost = eval::count_cost(cut);
        int64_t counted = cost.macs;
        if (attention_only) {
          counted = 0;
          for (const BlockCost& block : cost.blocks) counted += block.attention_macs;
        }
        EXPECT_EQ(budget.macs(widths), counted);
        EXPECT_NEAR(budget.macs(at::tensor(shares, at::kDouble)).item<double>(), static_cast<double>(counted),
                    1e-6 * static_cast<double>(counted));
      }
    }
  }
}

// Targets between the floor and 95 %, any shares, any rounding: met within half a per cent, or one step where
// that is more.
TEST_P(EveryVariantBudget, TargetsAreMet) {
  const ModelSpec& spec = GetParam().spec;
  Random random(3);
  for (int draw = 0; draw < 40; ++draw) {
    const Scope scope = random.uniform() < 0.5 ? Scope::kAttention : Scope::kAttentionAndMlp;
    const bool attention_only = scope == Scope::kAttention && random.uniform() < 0.5;
    const int64_t round = int64_t{1} << static_cast<int64_t>(random.uniform() * 3);
    const auto units = units_of(spec, scope);
    const Target dense = parse_target("100%", attention_only, spec);
    const int64_t floor = ChannelBudget(spec, units, dense, round).floor();
    const auto wanted = static_cast<int64_t>(
        static_cast<double>(floor) +
        random.uniform() * (0.95 * static_cast<double>(dense.macs) - static_cast<double>(floor)));
    if (wanted < floor) continue;
    const ChannelBudget budget(spec, units, {wanted, attention_only}, round);
    const std::vector<int64_t> widths = test::draw_widths(budget, random);
    int64_t smallest_step = std::numeric_limits<int64_t>::max();
    for (size_t u = 0; u < units.size(); ++u) {
      EXPECT_TRUE(widths[u] % round == 0 || widths[u] == units[u].width) << widths[u];
      EXPECT_GE(widths[u], 1);
      EXPECT_LE(widths[u], units[u].width);
      const auto& choices = budget.choices(u);
      const auto next = std::upper_bound(choices.begin(), choices.end(), widths[u]);
      if (next == choices.end()) continue;
      std::vector<int64_t> more = widths;
      more[u] = *next;
      smallest_step = std::min(smallest_step, budget.macs(more) - budget.macs(widths));
    }
    const int64_t got = budget.macs(widths);
    const double tolerance = 0.005 * static_cast<double>(wanted);
    EXPECT_LE(static_cast<double>(got - wanted), tolerance);
    EXPECT_LE(static_cast<double>(wanted - got), std::max(tolerance, static_cast<double>(smallest_step)));
  }
}

}  // namespace
}  // namespace vitrim::prune
