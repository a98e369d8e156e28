#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>

#include "checkpoint/files.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/core/error.h"

namespace vitrim::checkpoint {
namespace {

using namespace vitrim::test;

StateDict of(const std::vector<std::string>& names) {
  StateDict state;
  state.path = "file.pth";
  state.metadata["k"] = "v";
  for (const std::string& name : names) state.add(name, at::ones({2}));
  return state;
}

std::vector<std::string> unwrapped(const std::vector<std::string>& names) {
  const StateDict found = unwrap(of(names));
  EXPECT_EQ(found.path, "file.pth");
  EXPECT_EQ(found.metadata.at("k"), "v");
  std::vector<std::string> result;
  for (const auto& [name, tensor] : found.entries()) result.push_back(name);
  return result;
}

using Names = std::vector<std::string>;

TEST(Unwrap, Wrappers) {
  EXPECT_EQ(unwrapped({"model.a.w", "model.b", "optimizer.state.0.exp_avg", "rng_state"}),
            (Names{"a.w", "b"}));
  EXPECT_EQ(unwrapped({"state_dict.module.a", "state_dict.module.b", "best_acc"}), (Names{"a", "b"}));
  EXPECT_EQ(unwrapped({"model_ema.a", "model.b"}), (Names{"b"}));
  EXPECT_EQ(unwrapped({"state_dict_ema.a", "state_dict.b"}), (Names{"b"}));
  EXPECT_EQ(unwrapped({"model_ema.a", "optimizer.x"}), (Names{"a"}));
  EXPECT_EQ(unwrapped({"state_dict.model.a", "lr_scheduler.x"}), (Names{"a"}));
  EXPECT_EQ(unwrapped({"module._orig_mod.a", "module._orig_mod.b"}), (Names{"a", "b"}));
}

TEST(Unwrap, NothingIsTakenAwayWhereItIsNotClear) {
  const Names plain{"blocks.0.w", "head.weight", "cls_token"};
  EXPECT_EQ(unwrapped(plain), plain);
  const Names own_part{"model.conv.w", "head.weight"};
  EXPECT_EQ(unwrapped(own_part), own_part);
  const Names partly{"module.a", "b"};
  EXPECT_EQ(unwrapped(partly), partly);
  const Names weights{"weights/a", "weights/b"};
  EXPECT_EQ(unwrapped(weights), weights);
  EXPECT_EQ(unwrapped({"a.w", "optimizer.state.0.m"}), (Names{"a.w"}));
  EXPECT_EQ(unwrapped({}), Names{});
}

TEST(Unwrap, LoneNumbersBesideAWrapperAreCounters) {
  StateDict state = of({"model.a"});
  state.add("n_seen", at::full({}, 3, at::kLong));
  EXPECT_EQ(unwrap(state).size(), 1u);
}

TEST(CheckFinite, ListsEveryTensorAtFault) {
  StateDict state = of({"fine"});
  state.add("count", at::ones({3}, at::kLong));
  state.add("half", at::ones({3}, at::kHalf));
  EXPECT_NO_THROW(check_finite(state));
  state.add("nan", at::full({2, 2}, std::numeric_limits<double>::quiet_NaN(), at::kBFloat16));
  at::Tensor infinite = at::ones({5}, at::kHalf);
  infinite[3] = -std::numeric_limits<double>::infinity();
  state.add("inf", infinite);
  const std::string message = message_of<FormatError>([&] { check_finite(state); });
  EXPECT_EQ(message.find("file.pth: nan, inf: "), 0u) << message;
}

TEST(MismatchTest, OneSentence) {
  Mismatch mismatch;
  EXPECT_TRUE(mismatch.empty());
  mismatch.missing = {"a", "b"};
  mismatch.misshaped = {"c: expected [1], found [2]"};
  EXPECT_FALSE(mismatch.empty());
  EXPECT_EQ(mismatch.text(),
            "the tensors do not match, missing: a, b; of another shape: c: expected [1], found [2]");
}

}  // namespace
}  // namespace vitrim::checkpoint
