#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "checkpoint/files.h"
#include "shared_data.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/core/error.h"
#include "vitrim/model/state_dict.h"

namespace vitrim::checkpoint {
namespace {

using model::StateDict;

using namespace vitrim::test;

constexpr at::ScalarType kAll[] = {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16, at::kLong,
                                   at::kInt,    at::kShort, at::kChar, at::kByte,     at::kBool};

/// One tensor of every dtype, odd sizes, so that nothing is aligned by chance.
StateDict every_dtype() {
  StateDict state;
  for (const auto dtype : kAll)
    state.add(std::string("of.") + c10::toString(dtype),
              at::arange(7).remainder(2).to(dtype).reshape({7, 1}));
  state.add("scalar", at::full({}, 2.5, at::kFloat));
  state.add("empty", at::empty({0, 3}, at::kHalf));
  return state;
}

void expect_equal(const StateDict& found, const StateDict& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    const auto& [name, tensor] = found.entries()[i];
    EXPECT_EQ(name, expected.entries()[i].first) << "order";
    const at::Tensor& other = expected.at(name);
    EXPECT_EQ(tensor.scalar_type(), other.scalar_type()) << name;
    EXPECT_EQ(tensor.sizes(), other.sizes()) << name;
    EXPECT_TRUE(at::equal(tensor, other)) << name;
  }
}

TEST(Safetensors, RoundTripOfEveryDtype) {
  const TemporaryFolder folder;
  StateDict state = every_dtype();
  state.metadata = {
      {"format", "pt"}, {"vitrim.spec", "{\"quoted\": \"\\n\"}"}, {"unicode", "\xc3\xa4\xe2\x82\xac"}};
  save_safetensors(state, folder / "a.safetensors");
  const StateDict found = load(folder / "a.safetensors");
  expect_equal(found, state);
  EXPECT_EQ(found.metadata, state.metadata);
  EXPECT_EQ(found.path, folder / "a.safetensors");
  for (const auto& [name, tensor] : found.entries())
    EXPECT_TRUE(tensor.numel() == 0 ||
                reinterpret_cast<uintptr_t>(tensor.const_data_ptr()) % tensor.element_size() == 0)
        << name;
}

TEST(Safetensors, SameInputGivesSameBytesAndDataAreAligned) {
  const TemporaryFolder folder;
  save_safetensors(every_dtype(), folder / "a");
  save_safetensors(every_dtype(), folder / "b");
  const std::string bytes = read_file(folder / "a");
  EXPECT_EQ(bytes, read_file(folder / "b"));
  uint64_t header = 0;
  std::memcpy(&header, bytes.data(), 8);
  EXPECT_EQ(header % 8, 0u);
}

TEST(Safetensors, StridedTensorsAreMadeContiguous) {
  const TemporaryFolder folder;
  const at::Tensor base = at::arange(24, at::kFloat).reshape({4, 6});
  StateDict state;
  state.add("transposed", base.t());
  state.add("expanded", base.select(0, 1).unsqueeze(0).expand({3, 6}));
  state.add("sliced", base.slice(1, 1, 6, 2));
  state.add("needs_grad", base.clone().requires_grad_(true) * 2);
  save_safetensors(state, folder / "a");
  const StateDict found = load_safetensors(folder / "a");
  expect_equal(found, state);
  EXPECT_TRUE(found.at("transposed").is_contiguous());
}

TEST(Safetensors, TensorsShareTheMappingAndOutliveTheStateDict) {
  const TemporaryFolder folder;
  StateDict state;
  state.add("a", at::arange(6, at::kFloat));
  state.add("b", at::ones({2}));
  save_safetensors(state, folder / "a");
  at::Tensor kept;
  {
    const StateDict found = load_safetensors(folder / "a");
    const auto* a = static_cast<const char*>(found.at("a").const_data_ptr());
    const auto* b = static_cast<const char*>(found.at("b").const_data_ptr());
    EXPECT_EQ(b - a, 24);
    kept = found.at("a");
  }
  std::filesystem::remove(folder / "a");
  EXPECT_TRUE(at::equal(kept, at::arange(6, at::kFloat)));
}

TEST(Safetensors, AFileCanBeWrittenOverItself) {
  const TemporaryFolder folder;
  StateDict state;
  state.add("a", at::arange(6, at::kFloat));
  save_safetensors(state, folder / "a");
  const StateDict found = load_safetensors(folder / "a");
  save_safetensors(found, folder / "a");
  expect_equal(load_safetensors(folder / "a"), state);
}

TEST(Safetensors, MisalignedTensorsAreCopied) {
  const TemporaryFolder folder;
  write_file(folder / "a", safetensors_file(R"({"b":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]},)"
                                            R"("f":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}})",
                                            std::string("\x01", 1) + floats(2)));
  const StateDict found = load_safetensors(folder / "a");
  EXPECT_TRUE(at::equal(found.at("f"), at::arange(2, at::kFloat)));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(found.at("f").const_data_ptr()) % 4, 0u);
}

TEST(Safetensors, HeaderOrderMayDifferFromDataOrder) {
  const TemporaryFolder folder;
  write_file(folder / "a", safetensors_file(R"({"y":{"data_offsets":[4,8],"shape":[1],"dtype":"F32"},)"
                                            R"("x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}   )",
                                            floats(2)));
  const StateDict found = load_safetensors(folder / "a");
  EXPECT_EQ(found.entries()[0].first, "y");
  EXPECT_EQ(found.at("y").item<float>(), 1);
  EXPECT_EQ(found.at("x").item<float>(), 0);
}

TEST(Safetensors, NoTensorsAtAll) {
  const TemporaryFolder folder;
  save_safetensors(StateDict(), folder / "a");
  EXPECT_EQ(load(folder / "a").size(), 0u);
}

TEST(Safetensors, WriterRefusesWhatTheFormatCannotHold) {
  const TemporaryFolder folder;
  const auto refuse = [&](const std::string& name, const at::Tensor& tensor) {
    StateDict state;
    state.add(name, tensor);
    return message_of<std::invalid_argument>([&] { save_safetensors(state, folder / "a"); });
  };
  EXPECT_NE(refuse("__metadata__", at::ones({1})).find("__metadata__"), std::string::npos);
  EXPECT_NE(refuse("cplx", at::ones({1}, at::kComplexFloat)).find("cplx"), std::string::npos);
  EXPECT_NE(refuse("none", at::Tensor()).find("none"), std::string::npos);
  EXPECT_NE(refuse("sparse", at::eye(2).to_sparse()).find("sparse"), std::string::npos);
  EXPECT_NE(refuse("\xff", at::ones({1})).find("UTF-8"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(folder / "a")) << "nothing may be left behind";
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Safetensors, WriterNamesAMissingFolder) {
  const TemporaryFolder folder;
  EXPECT_NE(message_of<Error>([&] {
              save_safetensors(every_dtype(), folder / "no/such.safetensors");
            }).find("no/such"),
            std::string::npos);
}

TEST(Safetensors, RealCheckpoint) {
  VITRIM_NEEDS_SHARED("data/vit_tiny_imagenet1k/model.safetensors");
  const auto path = (shared_folder() / "data/vit_tiny_imagenet1k/model.safetensors").string();
  const StateDict state = load(path);
  int64_t parameters = 0;
  for (const auto& [name, tensor] : state.entries()) parameters += tensor.numel();
  EXPECT_EQ(parameters, 5'717'416);
  EXPECT_EQ(state.at("blocks.0.attn.qkv.weight").sizes(), at::IntArrayRef({576, 192}));
  checkpoint::check_finite(state);
  const TemporaryFolder folder;
  save_safetensors(state, folder / "copy.safetensors");
  expect_equal(load(folder / "copy.safetensors"), state);
}

}  // namespace
}  // namespace vitrim::checkpoint
