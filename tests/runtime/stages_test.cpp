// Swin, PVT, PVTv2, CSwin and FLatten's forms of them on the engine, against the LibTorch model and the
// references.

#include <ATen/ATen.h>

#include <cmath>

#include "runtime/engine_runs.h"
#include "shared_data.h"
#include "vitrim/architecture/infer.h"
#include "vitrim/architecture/parameters.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/core/error.h"
#include "vitrim/model/loading.h"

namespace vitrim::test {
namespace {

// Every family with stages: the library's variants (Swin in shifted windows; the others have a stage of
// focused linear attention and one of softmax), each cut, pruned and gained, and the forms that they leave
// out.
std::vector<test::Variant> stage_variants() {
  std::vector<test::Variant> out;
  for (const test::Variant& v : test::variants()) {
    if (v.spec.family != "vit") out.push_back(v);
  }
  const size_t plain = out.size();
  for (size_t i = 0; i < plain; ++i) {
    test::Variant cut = out[i];
    cut.name += "_cut";
    BlockSpec& gone = cut.spec.blocks[1];
    test::take_attention(gone);
    gone.stream_gain = 2;
    for (const size_t index : {0, 2}) {
      BlockSpec& pruned = cut.spec.blocks[index];
      if (pruned.attention != AttentionKind::kStatic) pruned.qk_dim = 5;
      pruned.v_dim = index == 0 ? 11 : 19;
      pruned.mlp_dim = 37;
      pruned.per_head_filters = is_linear_attention(pruned.attention);
    }
    out.push_back(cut);
  }
  for (const char* family : {"swin", "flatten_swin", "pvt", "pvt_v2", "cswin"}) {
    const bool pvt = std::string(family).starts_with("pvt");
    test::Variant other{std::string(family) + "_other", test::staged_spec(family)};
    for (size_t i = 0; i < other.spec.blocks.size(); ++i) {
      BlockSpec& block = other.spec.blocks[i];
      // The other kind of attention.
      if (family == std::string("cswin")) {
        block.attention = i < 2 ? AttentionKind::kCrossShapedWindow : AttentionKind::kCrossFocusedLinear;
        if (i == 3) block.window = 0;
      } else if (pvt) {
        block.attention = i < 2 ? AttentionKind::kSoftmax : AttentionKind::kFocusedLinear;
        if (i == 1) block.sr_ratio = 1;
      } else if (family == std::string("flatten_swin")) {
        block.attention = AttentionKind::kFocusedLinear;
        if (i == 0) block.window = 0;
        if (i == 1) block.window = 8, block.shift = 3;
      } else {
        block.window = i == 0 ? 2 : block.window;
        if (i == 3) block.shift = 1;
      }
    }
    other.spec.qkv_bias = family == std::string("swin");
    other.spec.layer_scale = true;
    if (pvt) other.spec.activation = Activation::kSilu;
    other.spec.num_classes = pvt ? 0 : 10;
    other.spec.focusing_factor = pvt ? 2 : 5;
    out.push_back(other);
  }
  return out;
}

// float32: as between LibTorch and the references (golden_test.cpp); the longest sum has 256 products (a
// patch of 16 tokens of 16 channels). GELU's series doubles it.
double exact(const ModelSpec& spec) { return 2 * test::float_tolerance(256, test::operations(spec), 4); }
// bfloat16: each product's inputs are rounded to 2^-9 of themselves; nine roundings a block that add up as a
// root, enlarged as above.
double near(const ModelSpec& spec) {
  return std::sqrt(9.0 * static_cast<double>(spec.blocks.size())) * std::ldexp(1.0, -9) * 4;
}

TEST(Stages, EveryVariantOnEveryInstructionSet) {
  // One thread: groups of four, four and three. Three threads: three images each, and two that all share:
  // their regions are more than the threads, or fewer.
  const at::Tensor images = test::colour_input(11);
  for (const test::Variant& variant : stage_variants()) {
    const auto model = test::lively_model(variant.spec);
    const at::Tensor wanted = reference(*model, images);
    auto check = [&](const std::string& name, const runtime::Kernels& kernels) {
      for (const int threads : {1, 3}) {
        EXPECT_LT(
            relative_difference(
                run(*engine_of(*model, threads, Precision::kF32, kernels), images, wanted.size(1)), wanted),
            exact(variant.spec))
            << variant.name << ", " << name << ", " << threads << " threads, float32";
        EXPECT_LT(
            relative_difference(
                run(*engine_of(*model, threads, Precision::kBf16, kernels), images, wanted.size(1)), wanted),
            near(variant.spec))
            << variant.name << ", " << name << ", " << threads << " threads, bfloat16";
      }
    };
    for (const Isa isa : runtime::available_isas()) check(runtime::to_string(isa), runtime::kernels_of(isa));
    check("emulated tiles", runtime::emulated_tile_kernels());
  }
}

// Ninth powers of small features leave float32's range, and 0 / 0 is no number.
TEST(Stages, HighPowersOfSmallFeatures) {
  const at::Tensor images = test::colour_input(4);
  for (const char* family : {"flatten_swin", "pvt", "pvt_v2", "cswin"}) {
    const ModelSpec spec = test::sharp_spec(family);
    const auto model = model::make_model(spec, test::sharp_weights(spec, 5));
    const at::Tensor wanted = reference(*model, images);
    EXPECT_TRUE(wanted.isfinite().all().item<bool>()) << family;
    for (const Isa isa : runtime::available_isas()) {
      const auto difference = [&](Precision precision) {
        return relative_difference(
            run(*engine_of(*model, 2, precision, runtime::kernels_of(isa)), images, wanted.size(1)), wanted);
      };
      // A ninth power multiplies what its base was off by nine.
      EXPECT_LT(difference(Precision::kF32), 9 * exact(spec)) << family << ", " << runtime::to_string(isa);
      EXPECT_LT(difference(Precision::kBf16), 9 * near(spec)) << family << ", " << runtime::to_string(isa);
    }
  }
}

// PVTv2's second half takes whole lines, and these are longer than a tile of rows.
TEST(Stages, LinesLongerThanATile) {
  ModelSpec spec = test::staged_spec("pvt_v2");
  spec.image_size = {32, 2048};
  for (BlockSpec& block : spec.blocks) block.mlp_dim = 320;  // more than one block of depth
  const auto model = test::lively_model(spec);
  const at::Tensor images = test::colour_input(1).repeat({1, 1, 1, 64});
  const at::Tensor wanted = reference(*model, images);
  for (const Isa isa : runtime::available_isas()) {
    EXPECT_LT(relative_difference(run(*engine_of(*model, 2, Precision::kF32, runtime::kernels_of(isa)),
                                      images, wanted.size(1)),
                                  wanted),
              exact(spec));
    EXPECT_LT(relative_difference(run(*engine_of(*model, 2, Precision::kBf16, runtime::kernels_of(isa)),
                                      images, wanted.size(1)),
                                  wanted),
              near(spec));
  }
}

// A map that is not square has other numbers of stripes down than across.
TEST(Stages, MapsThatAreNotSquare) {
  at::Tensor images = at::cat({test::colour_input(3), test::colour_input(3, 5)}, 3);  // [3, 3, 32, 64]
  for (const char* family : {"swin", "flatten_swin", "pvt", "pvt_v2", "cswin"}) {
    ModelSpec spec = test::staged_spec(family);
    spec.image_size = {32, 64};
    const auto model = test::lively_model(spec);
    const at::Tensor wanted = reference(*model, images);
    for (const int threads : {1, 4}) {
      Engine engine(spec, model->parameters(), {threads, Precision::kF32});
      EXPECT_LT(relative_difference(run(engine, images), wanted), exact(spec))
          << family << ", " << threads << " threads";
    }
  }
}

TEST(Stages, ACallAllocatesNothing) {
  const at::Tensor images = test::colour_input(5).contiguous();
  at::Tensor out = at::empty({5, 10});
  for (const char* family : {"swin", "flatten_swin", "pvt", "pvt_v2", "cswin"}) {
    const auto model = test::lively_model(test::staged_spec(family));
    for (const Precision precision : {Precision::kF32, Precision::kBf16}) {
      for (const int threads : {1, 2}) {
        Engine engine(model->spec(), model->parameters(), {threads, precision});
        for (int call = 0; call < 2; ++call) {
          const long before = test::allocations;
          engine.run(model::floats_of(images), 5, model::writable_floats_of(out));
          EXPECT_EQ(test::allocations - before, 0) << family << " call " << call;
        }
      }
    }
  }
}

TEST(Stages, ABrokenImageHarmsNoOther) {
  for (const test::Variant& variant : stage_variants()) {
    const auto model = test::lively_model(variant.spec);
    for (const Precision precision : {Precision::kF32, Precision::kBf16}) {
      at::Tensor images = test::colour_input(4);
      Engine engine(model->spec(), model->parameters(), {1, precision});
      const at::Tensor wanted = run(engine, images);
      images[1].fill_(std::nanf(""));
      const at::Tensor got = run(engine, images);
      EXPECT_TRUE(got[1].isnan().all().item<bool>()) << variant.name;
      for (const int64_t i : {0, 2, 3}) EXPECT_TRUE(at::equal(got[i], wanted[i])) << variant.name << i;
      images[1].zero_();  // nothing of it is left behind
      EXPECT_FALSE(run(engine, images).isnan().any().item<bool>()) << variant.name;
    }
  }
}

TEST(Stages, MissingWeightsAreNamed) {
  for (const test::Variant& variant : stage_variants()) {
    const auto model = test::lively_model(variant.spec);
    for (const architecture::ParameterInfo& info : architecture::parameter_layout(variant.spec)) {
      if (!info.used) continue;  // PVT's last norm
      model::StateDict rest;
      for (const auto& [name, tensor] : model->parameters().entries()) {
        if (name != info.name) rest.add(name, tensor);
      }
      EXPECT_THROW(Engine(variant.spec, rest, {1, Precision::kF32}), FormatError)
          << variant.name << " " << info.name;
    }
  }
}

class GoldenStagesOnTheEngine : public testing::TestWithParam<const char*> {};

TEST_P(GoldenStagesOnTheEngine, OutputOfTheReference) {
  VITRIM_NEEDS_SHARED("golden/models");
  const model::StateDict file = checkpoint::load(
      (test::shared_folder() / "golden/models" / (std::string(GetParam()) + ".safetensors")).string());
  model::StateDict weights;
  for (const auto& [key, tensor] : file.entries()) {
    if (key.starts_with("weights/")) weights.add(key.substr(8), tensor);
  }
  architecture::LoadHints hints;
  hints.image_size = file.at("input").size(2);
  ModelSpec spec = model::infer_spec(weights, hints);
  spec.norm_eps = 1e-5;  // as golden_test.cpp says
  for (const int threads : {1, 2}) {
    Engine engine(spec, model::make_model(spec, weights)->parameters(), {threads, Precision::kF32});
    // The tolerance of golden_test.cpp, doubled for GELU's series.
    EXPECT_LT(relative_difference(run(engine, file.at("input")), file.at("output")),
              2 * test::float_tolerance(1024, test::operations(spec), 4));
    Engine fast(spec, model::make_model(spec, weights)->parameters(), {threads, Precision::kBf16});
    EXPECT_LT(relative_difference(run(fast, file.at("input")), file.at("output")), near(spec));
  }
}

INSTANTIATE_TEST_SUITE_P(References, GoldenStagesOnTheEngine,
                         testing::Values("swin", "swin_w7", "flatten_swin_LLLL_w4", "flatten_swin_LSSS_w28",
                                         "flatten_pvt_SSSS_8421", "flatten_pvt_LLLL_8421",
                                         "flatten_pvt_LLSS_1111", "flatten_pvt_v2_LLLL_8421",
                                         "flatten_pvt_v2_LLSS_1111", "flatten_cswin_LLSS"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace vitrim::test
