// The order of the calls, and the figures derived from the seconds; never the seconds themselves.
#include "bench/interleaved.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <string>

#include "core/expect_throw.h"
#include "model/small_models.h"
#include "vitrim/bench/bench.h"
#include "vitrim/bench/spec_timer.h"

namespace vitrim::bench {
namespace {

TEST(Interleaved, GoToAndFro) {
  std::string order;
  Progress progress("test", 9, "calls");
  const auto seconds =
      time_interleaved({[&] { order += 'a'; }, [&] { order += 'b'; }, [&] { order += 'c'; }}, 3, &progress);
  EXPECT_EQ(order, "abccbaabc");
  ASSERT_EQ(seconds.size(), 3u);
  for (const auto& one : seconds) EXPECT_EQ(one.size(), 3u);
  EXPECT_EQ(time_interleaved({[&] { order = "once"; }}, 1, nullptr).front().size(), 1u);
  EXPECT_EQ(order, "once");
}

TEST(Interleaved, WarmUpCallsTwiceAtLeast) {
  int calls = 0;
  warm_up([&] { ++calls; }, 0);
  EXPECT_EQ(calls, 2);
}

TEST(Interleaved, PercentilesLieBetweenNeighbours) {
  const std::vector<double> values = {4, 1, 3, 2};
  EXPECT_EQ(percentile(values, 0), 1);
  EXPECT_EQ(percentile(values, 1), 4);
  EXPECT_EQ(percentile(values, 0.5), 2.5);
  EXPECT_EQ(percentile({7}, 0.1), 7);
}

TEST(SpecTimer, TimesArchitecturesOfOtherSizesBesideItsReference) {
  SpecTimerOptions options;
  options.rounds = 3;
  options.seconds = options.warmup = 0;
  options.batch = 2;
  options.precision = runtime::Precision::kF32;
  const ModelSpec dense = test::small_spec();
  SpecTimer timer(dense, options);
  ModelSpec flat = test::small_spec(2);
  flat.preprocess.reset();
  flat.image_size[0] = 16;
  const std::vector<double> seconds = timer.measure({dense, flat});
  ASSERT_EQ(seconds.size(), 2u);
  for (const double one : seconds) EXPECT_GT(one, 0);
  const double reference = timer.reference_seconds();
  EXPECT_GT(reference, 0);
  timer.measure({flat});
  EXPECT_EQ(timer.reference_seconds(), reference);  // returned once: later calls are compared with it
  EXPECT_TRUE(timer.measure({}).empty());
}

TEST(SpecTimer, RefusesWhatTheEngineDoesNotRun) {
  EXPECT_TRUE(contains(
      message_of<std::invalid_argument>([] { SpecTimer timer(test::variant("segment_linear"), {}); }),
      "not their pixels"));
}

// run() itself throws if outputs are not the model's.
TEST(OnAGpu, RecordedForwardPassesAreTheModels) {
  if (!at::hasCUDA()) GTEST_SKIP() << "there is no GPU";
  BenchOptions options;
  options.batches = {3};
  options.rounds = 2;
  options.warmup = options.peak_seconds = 0;
  options.cuda = true;
  ModelSpec merged = test::small_spec();
  merged.blocks[1].merge = 3;
  for (const ModelSpec& spec :
       {test::small_spec(), merged, test::staged_spec("swin"), test::staged_spec("pvt_v2")}) {
    const BenchResult result =
        run({{"model", test::lively_model(spec), false, runtime::Precision::kAuto}}, options);
    EXPECT_GT(result.rows.at(0).latency, 0);
  }
}

}  // namespace
}  // namespace vitrim::bench
