// Pieces are recovered from a known clock; no test here depends on time.
#include "vitrim/plan/latency.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/expect_message.h"
#include "model/small_models.h"
#include "vitrim/architecture/known.h"
#include "vitrim/core/error.h"
#include "vitrim/plan/candidates.h"

namespace vitrim::plan {
namespace {

// The times of a model machine: every piece is linear in tokens and in width, except for `square` times the
// square of the tokens in attention. Written from the architecture, not from pieces_of().
double fake_seconds(const ModelSpec& spec, double square = 0) {
  double total = 0.7 + 0.002 * static_cast<double>(spec.num_tokens());
  int last = -1;
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i) {
    if (spec.blocks[static_cast<size_t>(i)].attention != AttentionKind::kNone) last = i;
  }
  const bool class_only = spec.pooling == Pooling::kToken;
  double tokens = static_cast<double>(spec.num_tokens());
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i) {
    const BlockSpec& block = spec.blocks[static_cast<size_t>(i)];
    const double heads = static_cast<double>(block.num_heads),
                 width = 0.5 * static_cast<double>(block.qk_dim + block.v_dim);
    const bool top = class_only && i >= last;
    if (block.attention == AttentionKind::kStatic) {
      total += top ? 0.01 + 0.0002 * tokens * heads * static_cast<double>(block.v_dim)
                   : 0.02 + 0.0005 * tokens * heads * static_cast<double>(block.v_dim);
    } else if (block.attention != AttentionKind::kNone) {
      total += heads * (top ? 0.02 + tokens * (0.001 + 0.00004 * width)
                            : 0.03 + tokens * (0.002 + 0.0001 * width) + square * tokens * tokens);
      if (block.merge > 0 && !top) {
        total += 0.01 + 0.0007 * tokens;
        tokens -= static_cast<double>(block.merge);
      }
    }
    if (top) tokens = spec.distillation_token ? 2 : 1;
    total += 0.005 + tokens * 0.00002 * static_cast<double>(block.mlp_dim);
  }
  return total;
}

Timer fake_timer(double square = 0) {
  return [square](const std::vector<ModelSpec>& specs) {
    std::vector<double> out;
    for (const ModelSpec& spec : specs) out.push_back(fake_seconds(spec, square));
    return out;
  };
}

std::vector<ModelSpec> whole_models(const ModelSpec& dense) {
  std::vector<ModelSpec> out = {dense};
  const MoveGrid grid = make_grid(dense);
  for (const Candidate& candidate : enumerate(dense, grid)) out.push_back(candidate.spec);
  PlanRow row;
  row.removed = {0, 2};
  row.width = grid.widths.back();
  row.fixed = {1};
  row.mlp = grid.mlps[1];
  row.merging.pairs = grid.mergings[1].pairs;
  ModelSpec mixed = candidate_spec(dense, row);
  mixed.blocks[4].qk_dim += 3;  // learned widths differ between q/k and v, and from block to block
  mixed.blocks[3].v_dim = 5;
  out.push_back(mixed);
  return out;
}

void expect_recovered(const ModelSpec& dense) {
  LatencyOptions options;
  options.batch = 4;
  for (const int64_t width : make_grid(dense).widths) {
    if (width > 0) options.widths.push_back(width);
  }
  for (const int64_t width : make_grid(dense).mlps) {
    if (width > 0) options.mlps.push_back(width);
  }
  options.fixed = true;
  const LatencyPieces pieces = measure_pieces(dense, options, fake_timer());
  EXPECT_EQ(pieces.batch, 4);
  EXPECT_EQ(pieces.dense, fake_seconds(dense));
  const LatencyModel model(pieces.knots);
  // Three pieces a block; each is a difference of sums of as many roundings of 2^-53, interpolated (or
  // extended by at most its own length) between four knots.
  const double terms = 3.0 * static_cast<double>(dense.blocks.size()),
               tolerance = terms * terms * 8 * std::ldexp(1.0, -53);
  for (const ModelSpec& spec : whole_models(dense)) {
    const double wanted = fake_seconds(spec);
    EXPECT_NEAR(model.predict(spec), wanted, wanted * tolerance) << to_json(spec);
  }
}

ModelSpec wide_heads(ModelSpec spec) {
  spec.image_size = {80, 80};
  return spec;
}

TEST(Latency, LinearPiecesAreRecoveredWhateverIsDone) {
  expect_recovered(wide_heads(test::small_spec(6)));
  expect_recovered(wide_heads(test::variant("average_pooled", 6)));
  expect_recovered(wide_heads(test::variant("distilled", 6)));
  expect_recovered(architecture::known_spec("deit_tiny_patch16_224"));
}

TEST(Latency, BlocksOfSeveralShapesAreToldApart) {
  ModelSpec spec = wide_heads(test::small_spec(6));
  spec.blocks[1].mlp_dim = 96;
  spec.blocks[4].mlp_dim = 96;
  spec.blocks[2].num_heads = 1;
  spec.blocks[2].qk_dim = spec.blocks[2].v_dim = 16;
  expect_recovered(spec);
}

TEST(Latency, ChecksSeeWhatDoesNotAddUp) {
  const ModelSpec dense = architecture::known_spec("deit_tiny_patch16_224");
  LatencyOptions options;
  options.widths = {24, 32, 40, 48, 56};
  const MoveGrid grid = make_grid(dense);
  for (const auto& [row, spec, costs] : enumerate(dense, grid)) {
    if (row.removed.size() == 3 && row.fixed.empty() && row.width == 0 && row.mlp == 0)
      options.checks.emplace_back(describe(row), spec);
  }
  const double square = 1e-5;
  const LatencyPieces pieces = measure_pieces(dense, options, fake_timer(square));
  ASSERT_EQ(pieces.checks.size(), options.checks.size() + 1);
  EXPECT_EQ(pieces.checks[0].model, "dense");
  // A chord lies above a parabola by at most square * gap^2 / 4; the widest gap of knots is three rows of 14
  // tokens.
  const double most = 12 * 3 * square * 42 * 42 / 4;
  for (size_t i = 1; i < pieces.checks.size(); ++i) {
    const LatencyCheck& check = pieces.checks[i];
    EXPECT_EQ(check.measured, fake_seconds(options.checks[i - 1].second, square)) << check.model;
    EXPECT_NEAR(check.predicted, check.measured, most) << check.model;
  }
  // A machine that is slower on whole models than on their pieces is detected.
  const Timer slow = [](const std::vector<ModelSpec>& specs) {
    std::vector<double> out = fake_timer()(specs);
    for (size_t i = 0; i < specs.size(); ++i) out[i] *= specs[i].blocks.size() > 6 ? 1.25 : 1.0;
    return out;
  };
  const LatencyPieces wrong = measure_pieces(dense, options, slow);
  for (const LatencyCheck& check : wrong.checks)
    EXPECT_NEAR(check.error(), 1 / 1.25 - 1, 1e-9) << check.model;
}

TEST(Latency, RefusesWhatTheEngineDoesNotRun) {
  expect_message<std::invalid_argument>(
      [] { measure_pieces(architecture::known_spec("swin_tiny_patch4_window7_224"), {}, fake_timer()); },
      "swin");
  ModelSpec none = test::small_spec(2);
  for (BlockSpec& block : none.blocks) {
    test::take_attention(block);
  }
  expect_message<std::invalid_argument>([&] { measure_pieces(none, {}, fake_timer()); },
                                        "no block has attention");
}

TEST(Latency, TablesOfOtherMachinesAreRefused) {
  LatencyTable mine;
  mine.cpu = "A";
  mine.isa = "avx2";
  mine.precision = "f32";
  mine.threads = 2;
  mine.version = "1";
  mine.spec = test::small_spec();
  check_table(mine, mine, "t.json");
  const auto refused = [&](auto change, const std::string& says) {
    LatencyTable other = mine;
    change(other);
    expect_message<Error>([&] { check_table(other, mine, "t.json"); }, says);
  };
  refused([](LatencyTable& t) { t.cpu = "B"; },
          "t.json: the latency table was measured with processor 'B', but this machine has 'A'");
  refused([](LatencyTable& t) { t.isa = "avx512"; }, "instruction set 'avx512'");
  refused([](LatencyTable& t) { t.precision = "bf16"; }, "precision");
  refused([](LatencyTable& t) { t.threads = 1; }, "threads");
  refused([](LatencyTable& t) { t.version = "2"; }, "vitrim");
  refused([](LatencyTable& t) { t.spec = test::small_spec(3); }, "another model");
}

TEST(PredictionQuality, MedianWorstAndRanks) {
  const PredictionQuality q = quality_of({{1.1, 1}, {2, 2}, {2.4, 3}, {4, 4}});
  EXPECT_EQ(q.count, 4);
  EXPECT_NEAR(q.median_error, 0.05, 1e-12);
  EXPECT_NEAR(q.worst_error, 0.2, 1e-12);
  EXPECT_EQ(q.rank_agreement, 1.0);
  EXPECT_EQ(quality_of({{1, 3}, {2, 2}, {3, 1}}).rank_agreement, -1.0);
  EXPECT_NEAR(*quality_of({{1, 1}, {2, 3}, {3, 2}}).rank_agreement, 1.0 / 3, 1e-12);
  EXPECT_FALSE(quality_of({{1, 2}}).rank_agreement.has_value());
  EXPECT_FALSE(quality_of({{1, 2}, {1, 3}}).rank_agreement.has_value());
  EXPECT_EQ(quality_of({}).count, 0);
}

}  // namespace
}  // namespace vitrim::plan
