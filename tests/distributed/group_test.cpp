// A group of one does nothing, and shares cover everything. Several ranks: distributed_test.py.

#include "vitrim/distributed/group.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "../core/expect_throw.h"
#include "vitrim/core/error.h"
#include "vitrim/distributed/gradient_reducer.h"

namespace vitrim::distributed {
namespace {

TEST(GroupOfOne, CollectivesReturnWhatTheyGot) {
  Group group;
  EXPECT_EQ(group.rank(), 0);
  EXPECT_EQ(group.size(), 1);
  EXPECT_TRUE(group.is_main());
  group.barrier();
  const at::Tensor tensor = at::arange(6, at::kDouble);
  group.all_reduce(tensor);
  group.all_reduce(std::vector<at::Tensor>{tensor});
  group.broadcast(tensor);
  EXPECT_TRUE(tensor.equal(at::arange(6, at::kDouble)));
  EXPECT_EQ(group.all_gather("abc"), std::vector<std::string>{"abc"});
  EXPECT_EQ(group.concatenate(std::vector<int>{4, 5}), (std::vector<int>{4, 5}));
  EXPECT_EQ(group.share(10).begin, 0);
  EXPECT_EQ(group.share(10).end, 10);
}

TEST(GroupOfOne, BadArguments) {
  Group group;
  const at::Tensor columns = at::zeros({3, 4}).t();
  EXPECT_TRUE(contains(message_of<std::invalid_argument>([&] { group.all_reduce(columns); }), "contiguous"));
  EXPECT_TRUE(
      contains(message_of<std::invalid_argument>([&] { group.broadcast(at::zeros({3}), 1); }), "no rank 1"));
  Options options;
  options.timeout_seconds = 0;
  EXPECT_TRUE(contains(message_of<std::invalid_argument>([&] { start(options); }), "timeout_seconds"));
  const auto shared = std::make_shared<Group>();
  EXPECT_TRUE(contains(message_of<std::invalid_argument>([&] { GradientReducer({at::zeros({2})}, shared); }),
                       "requires its gradient"));
  EXPECT_TRUE(
      contains(message_of<std::invalid_argument>([&] { GradientReducer({}, shared); }), "must not be empty"));
}

TEST(GroupOfOne, OnlyFailuresOfOtherRanksAreTranslated) {
  Group group;
  const auto doing = [&](auto thrown) { group.checked("counting", [&] { throw thrown; }); };
  EXPECT_TRUE(contains(
      message_of<Error>([&] { doing(std::runtime_error("[/gloo/pair.cc:1] Connection closed. Really.")); }),
      "stopped answering while counting (Connection closed);"));
  EXPECT_EQ(message_of<Error>([&] { doing(Error("a sentence")); }), "a sentence");
  EXPECT_EQ(message_of<std::invalid_argument>([&] { doing(std::invalid_argument("an argument")); }),
            "an argument");
  EXPECT_THROW(doing(std::bad_alloc()), std::bad_alloc);
  EXPECT_THROW(group.checked("counting", [] { at::zeros({2}).view({3}); }), c10::Error);
}

TEST(GroupOfOne, ReducerLeavesGradientsAlone) {
  const at::Tensor weight = at::arange(4, at::kFloat).requires_grad_();
  GradientReducer reducer({weight}, std::make_shared<Group>());
  reducer.backward((weight * weight).sum(), /*reduce=*/false);
  reducer.backward((weight * weight).sum());
  EXPECT_TRUE(weight.grad().equal(4 * at::arange(4, at::kFloat)));  // 2 * 2 w: exact in float
}

}  // namespace
}  // namespace vitrim::distributed
