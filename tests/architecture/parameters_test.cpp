#include "vitrim/architecture/parameters.h"

#include <gtest/gtest.h>

#include "core/expect_throw.h"
#include "vitrim/architecture/cost.h"
#include "vitrim/architecture/executor.h"
#include "vitrim/architecture/known.h"
#include "vitrim/core/error.h"

namespace vitrim::architecture {
namespace {

// The parameters of a spec as a file would hold them.
TensorTable table_of(const ModelSpec& spec) {
  TensorTable out;
  out.path = "a.safetensors";
  for (const ParameterInfo& info : parameter_layout(spec))
    out.add(info.name, {info.name, DType::kF32, info.shape, nullptr});
  return out;
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

TEST(Parameters, EveryPublishedArchitectureMatchesItself) {
  for (const std::string& name : known_names()) {
    const ModelSpec spec = known_spec(name);
    const TensorTable tensors = table_of(spec);
    const TensorTable found = matched(spec, tensors);
    ASSERT_EQ(found.size(), tensors.size()) << name;
    for (const auto& [parameter, info] : found.entries())
      EXPECT_EQ(info.derivation, nullptr) << name << " " << parameter;
    EXPECT_LE(live_macs(spec), total_macs(spec)) << name;
  }
}

// timm's own counts of parameters.
TEST(Parameters, CountsArePublished) {
  const auto count = [](const char* name) {
    int64_t total = 0;
    for (const ParameterInfo& info : parameter_layout(known_spec(name))) {
      int64_t size = 1;
      for (const int64_t side : info.shape) size *= side;
      total += size;
    }
    return total;
  };
  EXPECT_EQ(count("deit_tiny_patch16_224"), 5'717'416);
  EXPECT_EQ(count("vit_base_patch16_224"), 86'567'656);
  EXPECT_EQ(count("swin_tiny_patch4_window7_224"), 28'288'354);
}

TEST(Parameters, PositionsOfAnotherMapAreResized) {
  const ModelSpec large = known_spec("vit_base_patch16_384");
  const TensorTable found = matched(large, table_of(known_spec("vit_base_patch16_224")));
  const TensorInfo& positions = found.at("pos_embed");
  EXPECT_EQ(positions.shape, (std::vector<int64_t>{1, 577, 768}));
  ASSERT_NE(positions.derivation, nullptr);
  EXPECT_EQ(positions.derivation->kind, Derivation::Kind::kJoin);  // the class token's position stays
  EXPECT_EQ(found.at("head.weight").derivation, nullptr);
}

TEST(Parameters, EveryMistakeIsListed) {
  const ModelSpec spec = known_spec("deit_tiny_patch16_224");
  TensorTable tensors = table_of(spec);
  tensors.erase("norm.weight");
  tensors.set("head.bias", {"head.bias", DType::kF32, {10}, nullptr});
  tensors.set("norm.bias", {"norm.bias", DType::kI64, {192}, nullptr});
  tensors.add("extra", {"extra", DType::kF32, {1}, nullptr});
  tensors.add("blocks.0.attn.relative_position_index", {"", DType::kI64, {1}, nullptr});  // a buffer
  const std::string message = message_of<FormatError>([&] { matched(spec, tensors); });
  for (const char* part :
       {"a.safetensors: ", "missing: norm.weight", "surplus: extra", "head.bias: expected [1000], found [10]",
        "norm.bias: expected floating-point values, found int64"}) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }
  EXPECT_EQ(message.find("relative_position_index"), std::string::npos) << message;
}

TEST(Executor, RefusesWhatItHasNotDeclared) {
  using What = Undeclared::What;
  Executor executor{"the test", "use another", {"vit"}, {AttentionKind::kSoftmax}, {"gated_mlp"}};
  ModelSpec spec = known_spec("deit_tiny_patch16_224");
  EXPECT_EQ(undeclared(executor, spec), std::nullopt);
  EXPECT_EQ(why_not(executor, spec), "");
  spec.blocks[3].merge = 4;
  EXPECT_EQ(undeclared(executor, spec), (Undeclared{What::kField, "blocks.merge"}));
  for (const std::string& part : {executor.name, std::string("blocks.merge"), executor.remedy})
    EXPECT_NE(why_not(executor, spec).find(part), std::string::npos) << part;
  executor.fields.insert("blocks.merge");
  EXPECT_EQ(undeclared(executor, spec), std::nullopt);
  spec.activation = Activation::kRelu;
  EXPECT_EQ(undeclared(executor, spec), (Undeclared{What::kField, "activation"}));
  const ModelSpec swin = known_spec("swin_tiny_patch4_window7_224");
  EXPECT_EQ(undeclared(executor, swin), (Undeclared{What::kFamily, "swin"}));
  executor.families.insert("swin");
  EXPECT_EQ(undeclared(executor, swin), (Undeclared{What::kAttention, "window"}));
}

TEST(Cost, OnlyTokensThatAreReadCount) {
  const ModelSpec spec = known_spec("deit_small_patch16_224");
  const std::vector<int64_t> live = live_tokens(spec);
  EXPECT_EQ(live.back(), 1);
  EXPECT_EQ(live.front(), 0);
  const int64_t n = 197, d = 384, hidden = 1536;
  // Of the last block: one query, one projection and one MLP row; keys and values of all tokens.
  const int64_t saved = (n - 1) * (d * d + d * d + n * 2 * d + 2 * d * hidden);
  EXPECT_EQ(total_macs(spec) - live_macs(spec), saved);
  EXPECT_EQ(live_macs(known_spec("swin_tiny_patch4_window7_224")),
            total_macs(known_spec("swin_tiny_patch4_window7_224")));
}

}  // namespace
}  // namespace vitrim::architecture
