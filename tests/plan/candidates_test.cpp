#include "vitrim/plan/candidates.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "model/small_models.h"
#include "vitrim/architecture/cost.h"
#include "vitrim/architecture/known.h"
#include "vitrim/core/random.h"
#include "vitrim/eval/cost.h"
#include "vitrim/merge/schedule.h"

namespace vitrim::plan {
namespace {

TEST(MoveGrid, OfAViT) {
  const MoveGrid grid = make_grid(architecture::known_spec("deit_tiny_patch16_224"));
  ASSERT_EQ(grid.sets.size(), 7u);
  EXPECT_EQ(grid.sets[3], (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(grid.fixed, grid.sets);
  EXPECT_EQ(grid.widths, (std::vector<int64_t>{0, 56, 48, 40, 32, 24}));
  EXPECT_EQ(grid.mlps, (std::vector<int64_t>{0, 672, 576, 480, 384}));
  // From the first layer and from a third of them on; 196 patches over 12 and over 8 layers, in shares of a
  // quarter.
  EXPECT_EQ(
      grid.mergings,
      (std::vector<PlanMerging>{
          {0, 0}, {0, 4}, {0, 8}, {0, 12}, {0, 16}, {0, 20}, {4, 6}, {4, 12}, {4, 18}, {4, 25}, {4, 31}}));
}

TEST(MoveGrid, KindsCanBeLeftOutAndLimited) {
  const ModelSpec dense = architecture::known_spec("deit_tiny_patch16_224");
  GridOptions options;
  options.remove = options.fix = options.merge = options.mlp = false;
  options.round = 16;
  const MoveGrid grid = make_grid(dense, options);
  EXPECT_EQ(grid.sets.size(), 1u);
  EXPECT_EQ(grid.fixed.size(), 1u);
  EXPECT_EQ(grid.mergings.size(), 1u);
  EXPECT_EQ(grid.mlps, std::vector<int64_t>{0});
  EXPECT_EQ(grid.widths, (std::vector<int64_t>{0, 48, 32}));
  options = {};
  options.most_removed = 99;
  EXPECT_EQ(make_grid(dense, options).sets.size(), 12u);  // one keeps its attention
  const MoveGrid swin = make_grid(architecture::known_spec("swin_tiny_patch4_window7_224"));
  EXPECT_EQ(swin.mergings, std::vector<PlanMerging>{{}});
  EXPECT_EQ(swin.fixed.size(), 1u);
}

// int8 doubles every candidate, and the dense model in int8 is one.
TEST(Enumerate, Int8IsAMove) {
  const ModelSpec dense = test::small_spec();
  GridOptions options;
  options.fix = options.prune = options.mlp = false;
  const std::vector<Candidate> floats = enumerate(dense, make_grid(dense, options));
  options.quantize = true;
  const std::vector<Candidate> candidates = enumerate(dense, make_grid(dense, options));
  EXPECT_EQ(candidates.size(), 2 * floats.size() + 1);
  std::set<std::string> names;
  for (const auto& [row, spec, costs] : candidates) {
    names.insert(describe(row));
    EXPECT_EQ(spec, candidate_spec(dense, row));
    EXPECT_EQ(spec.quantized(), row.int8);
    EXPECT_EQ(spec.blocks.back().int8,
              row.int8 ? (QuantizedLayers{true, true, true, true}) : QuantizedLayers{});
  }
  EXPECT_EQ(names.size(), candidates.size());
  EXPECT_TRUE(names.contains("int8"));
  EXPECT_FALSE(names.contains("dense"));
}

// All combinations by hand, told apart by their text.
TEST(Enumerate, EqualsBruteForce) {
  const ModelSpec dense = test::small_spec();
  const MoveGrid grid = make_grid(dense);
  ASSERT_GT(grid.mergings.size(), 6u);
  ASSERT_EQ(grid.mergings.back().start, 1);
  std::set<std::string> wanted;
  // The first `removed` layers gone, those up to `fixed` static.
  const auto add = [&](int removed, int fixed, int64_t width, int64_t mlp, const PlanMerging& merging) {
    ModelSpec spec = dense;
    int64_t tokens = 16;
    int merging_block = 0;
    for (int i = 0; i < 4; ++i) {
      BlockSpec& block = spec.blocks[static_cast<size_t>(i)];
      if (mlp > 0) block.mlp_dim = mlp;
      if (i < removed) {
        test::take_attention(block);
        continue;
      }
      if (width > 0) block.qk_dim = block.v_dim = std::min<int64_t>(width, 16);
      if (i < fixed) {
        block.attention = AttentionKind::kStatic;
        block.qk_dim = 0;
        block.filter = 3;
        continue;
      }
      if (merging_block++ < merging.start) continue;
      block.merge = std::min(merging.pairs, tokens / 2);
      tokens -= block.merge;
    }
    wanted.insert(to_json(spec));
  };
  for (int removed = 0; removed <= 2; ++removed) {
    for (int fixed = 0; fixed <= 2; ++fixed) {
      for (const int64_t width : grid.widths) {
        for (const int64_t mlp : {0, 56, 48, 40, 32}) {
          for (const PlanMerging& merging : grid.mergings) add(removed, fixed, width, mlp, merging);
        }
      }
    }
  }
  wanted.erase(to_json(dense));
  std::set<std::string> got;
  for (const auto& [row, spec, costs] : enumerate(dense, grid)) {
    EXPECT_EQ(spec, candidate_spec(dense, row));
    EXPECT_TRUE(got.insert(to_json(spec)).second) << describe(row) << " comes twice";
    const eval::ModelCost cost = eval::count_cost(spec);
    EXPECT_EQ(row.params, cost.params);
    EXPECT_EQ(row.macs, architecture::total_macs(spec));
  }
  EXPECT_EQ(got, wanted);
}

TEST(CandidateSpec, BehindQkNormOnlyVIsNarrowed) {
  PlanRow row;
  row.width = 8;
  const ModelSpec spec = candidate_spec(test::variant("layerscale_qknorm"), row);
  EXPECT_EQ(spec.blocks[0].qk_dim, 16);
  EXPECT_EQ(spec.blocks[0].v_dim, 8);
}

TEST(Describe, Rows) {
  PlanRow row;
  EXPECT_EQ(describe(row), "dense");
  row.merging.pairs = 1;
  EXPECT_EQ(describe(row), "1 pair");
  row.removed = {0, 3};
  row.width = 40;
  row.merging.pairs = 8;
  EXPECT_EQ(describe(row), "2 removed, width 40, 8 pairs");
  row.mlp = 576;
  row.fixed = {1};
  EXPECT_EQ(describe(row), "2 removed, 1 static, width 40, MLPs of 576, 8 pairs");
  row.merging.start = 4;
  EXPECT_EQ(describe(row), "2 removed, 1 static, width 40, MLPs of 576, 8 pairs from layer 4");
}

// In two coordinates the Pareto front is a staircase: from left to right, what is lower than all before.
TEST(Undominated, IsTheStaircase) {
  Random random(5);
  for (int round = 0; round < 20; ++round) {
    std::vector<std::vector<double>> points;
    for (int i = 0; i < 60; ++i)
      points.push_back({std::floor(random.uniform() * 12), std::floor(random.uniform() * 12)});
    std::vector<size_t> order(points.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return points[a] < points[b]; });
    std::vector<bool> wanted(points.size(), false);
    double lowest = 1e9;
    for (const size_t i : order) {
      if (points[i][1] < lowest) {
        wanted[i] = true;
        lowest = points[i][1];
      }
    }
    EXPECT_EQ(undominated(points), wanted);
  }
  EXPECT_TRUE(undominated({}).empty());
}

}  // namespace
}  // namespace vitrim::plan
