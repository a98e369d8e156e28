#include "vitrim/merge/schedule.h"

#include <gtest/gtest.h>

#include "model/small_models.h"
#include "vitrim/architecture/cost.h"
#include "vitrim/architecture/known.h"
#include "vitrim/merge/choose.h"

namespace vitrim {
namespace {

using Pairs = std::vector<int64_t>;

// Blocks 0, 1 and 3 without attention, as in a model from compress.
ModelSpec without_attention(ModelSpec spec, const std::vector<int>& layers) {
  for (const int i : layers) {
    BlockSpec& block = spec.blocks[static_cast<size_t>(i)];
    test::take_attention(block);
  }
  return spec;
}

TEST(Schedule, StartCountsBlocksThatKeepTheirAttention) {
  const ModelSpec spec =
      without_attention(architecture::known_spec("deit_base_patch16_224"), {0, 1, 3, 4, 6});
  EXPECT_EQ(merge::parse_schedule("1:24", spec), (Pairs{0, 0, 0, 0, 0, 24, 0, 24, 24, 24, 24, 24}));
  EXPECT_EQ(merge::parse_schedule("7", spec), (Pairs{0, 0, 7, 0, 0, 7, 0, 7, 7, 7, 7, 7}));
  EXPECT_EQ(merge::parse_schedule("1,2,3,4,5,6,7", spec), (Pairs{0, 0, 1, 0, 0, 2, 0, 3, 4, 5, 6, 7}));
  EXPECT_THROW(merge::parse_schedule("1,2", spec), std::invalid_argument);
  EXPECT_THROW(merge::parse_schedule("7:4", spec), std::invalid_argument);
  for (const char* text : {"", "x", "1:", ":3", "1:2:3", "-4", "3,,3", "1:-2", "2.5"}) {
    EXPECT_THROW(merge::parse_schedule(text, spec), std::invalid_argument) << text;
  }
}

TEST(Schedule, ClipsAtHalfOfTheTokens) {
  const ModelSpec spec =
      merge::with_schedule(architecture::known_spec("deit_tiny_patch16_224"), Pairs(12, 16), true);
  // 197 tokens less 16 a block are 21 before the last, of which 20 may merge.
  EXPECT_EQ(spec.attention_tokens(11), 21);
  EXPECT_EQ(spec.blocks[11].merge, 10);
  EXPECT_EQ(spec.mlp_tokens(11), 11);
}

TEST(Schedule, TargetIsMetWithTheFewestPairs) {
  const ModelSpec spec = architecture::known_spec("deit_small_patch16_224");
  const int64_t target = architecture::total_macs(spec) * 6 / 10;
  for (const int start : {0, 3}) {
    const ModelSpec merged = merge::within_macs(spec, start, target);
    EXPECT_LE(architecture::total_macs(merged), target);
    EXPECT_EQ(merged.blocks[2].merge > 0, start == 0);
    ModelSpec less =
        merge::with_schedule(spec, merge::constant_schedule(spec, start, merged.blocks[4].merge - 1), true);
    EXPECT_GT(architecture::total_macs(less), target);
  }
  EXPECT_THROW(merge::within_macs(spec, 0, architecture::total_macs(spec) / 50), std::invalid_argument);
}

TEST(Schedule, WindowedModelsAreRefused) {
  for (const char* name : {"swin_tiny_patch4_window7_224", "flatten_pvt_tiny"}) {
    EXPECT_THROW(merge::merging_blocks(architecture::known_spec(name)), std::invalid_argument) << name;
  }
}

// Attention multiply-adds by hand: DeiT-S, 197 tokens, 100 merged after block 0.
TEST(Schedule, MultiplyAddsFollowTheTokens) {
  ModelSpec spec = architecture::known_spec("deit_small_patch16_224");
  Pairs pairs(12, 0);
  pairs[0] = 90;
  spec = merge::with_schedule(spec, pairs);
  const int64_t dim = 384;
  EXPECT_EQ(architecture::attention_macs(spec, 0), 197 * 4 * dim * dim + 2 * 197 * 197 * dim);
  EXPECT_EQ(architecture::mlp_macs(spec, 0), 107 * 8 * dim * dim);
  EXPECT_EQ(architecture::attention_macs(spec, 1), 107 * 4 * dim * dim + 2 * 107 * 107 * dim);
}

TEST(ChooseSchedule, ReachesTheTargetAndBeatsTheWorstPlace) {
  const auto model = test::lively_model(test::small_spec());
  const data::ImageBatch images = test::colour_images(16);
  const int64_t dense = architecture::total_macs(model->spec()), target = dense * 8 / 10;
  const merge::Chosen chosen = merge::choose_schedule(*model, images, target, {2, 8});
  const ModelSpec spec = merge::with_schedule(model->spec(), chosen.pairs, true);
  EXPECT_LE(architecture::total_macs(spec), target);
  EXPECT_EQ(merge::measure_schedules(*model, images, {chosen.pairs, Pairs(4, 0)}, 8),
            (std::vector<double>{chosen.kl, 0}));
  EXPECT_GT(chosen.kl, 0);
  // The first step of two pairs went to the block where it costs least per multiply-add saved.
  const merge::Chosen one = merge::choose_schedule(*model, images, dense - 1, {2, 8});
  const double saved = static_cast<double>(
      dense - architecture::total_macs(merge::with_schedule(model->spec(), one.pairs, true)));
  for (size_t block = 0; block < 4; ++block) {
    Pairs other(4, 0);
    other[block] = 2;
    const double price = merge::measure_schedules(*model, images, {other}, 8)[0] /
                         static_cast<double>(dense - architecture::total_macs(
                                                         merge::with_schedule(model->spec(), other, true)));
    EXPECT_GE(price, one.kl / saved) << block;
  }
}

}  // namespace
}  // namespace vitrim
