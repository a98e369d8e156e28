// Multiply-adds that the engine executes, counted where it calls a product, against the architecture's
// figure.
#include <atomic>

#include "runtime/engine_runs.h"
#include "vitrim/architecture/cost.h"

namespace vitrim::test {
namespace {

std::atomic<int64_t> executed;

const runtime::KernelSet<float>& kernels() { return runtime::kernels_of(runtime::chosen_isa()).f32; }

// The kernels of float32, which count what they are asked for. Padded columns count too, so the models
// here have none: heads are 32 wide, classes and numbers of keys multiples of 16.
const runtime::Kernels& counting_kernels() {
  static const runtime::Kernels kKernels = [] {
    runtime::Kernels out = runtime::kernels_of(runtime::chosen_isa());
    out.f32.gemm = [](const runtime::Gemm<float>& g) {
      executed += g.rows * g.k * g.columns;
      kernels().gemm(g);
    };
    out.f32.depthwise = [](const runtime::Depthwise<float>& d) {
      executed += (d.end - d.begin) * d.width * d.channels * d.side * d.side;
      kernels().depthwise(d);
    };
    out.f32.inverse_dots = [](const float* x, int64_t ldx, int64_t rows, int64_t width, const float* vector,
                              float offset, float* result) {
      executed += rows * width;
      kernels().inverse_dots(x, ldx, rows, width, vector, offset, result);
    };
    return out;
  }();
  return kKernels;
}

// Of one image, `uncounted` of them the engine's or the figure's alone.
void expect_counted(const std::string& name, const ModelSpec& spec, int64_t uncounted = 0) {
  const auto model = test::lively_model(spec);
  for (const int threads : {1, 3}) {
    const auto engine = test::engine_of(*model, threads, Precision::kF32, counting_kernels());
    for (const int64_t batch : {1, 4}) {
      const at::Tensor images = at::zeros({batch, 3, spec.image_size[0], spec.image_size[1]});
      executed = 0;
      test::run(*engine, images, 16);
      EXPECT_EQ(executed, batch * (architecture::live_macs(spec) + uncounted))
          << name << ", " << batch << " images on " << threads << " threads";
    }
  }
}

// 64 patches of 8 x 8, heads of 32; with a class token 15 registers more, which make 80 tokens.
ModelSpec vit(bool class_token) {
  ModelSpec spec = architecture::vit_spec(64, 8, 64, 4, 2, 128, 16);
  if (class_token) {
    spec.register_tokens = 15;
  } else {
    spec.class_token = spec.embed_prefix_tokens = false;
    spec.pooling = Pooling::kAverage;
  }
  return spec;
}

TEST(ExecutedMacs, OfAPlainModel) {
  const ModelSpec spec = vit(true);
  ASSERT_EQ(spec.num_tokens(), 80);
  expect_counted("class token", spec);
  expect_counted("average", vit(false));
  EXPECT_LT(architecture::live_macs(spec), architecture::total_macs(spec));
}

TEST(ExecutedMacs, OfModelsWithStages) {
  architecture::StagesOptions options;
  options.image_size = 32;
  options.num_classes = 16;
  options.embed_dims = {64, 128};
  options.depths = {2, 2};
  options.num_heads = {2, 4};
  options.mlp_ratios = {2, 2};
  options.attention = "LS";
  options.regions = options.linear_regions = {4, 4};
  for (const char* family : {"swin", "flatten_swin"}) {
    if (family == std::string("swin")) options.attention = "SS";
    const ModelSpec spec = architecture::stages_spec(family, options);
    expect_counted(family, spec);
    EXPECT_EQ(architecture::live_macs(spec), architecture::total_macs(spec)) << family;
    options.attention = "LS";
  }
}

TEST(ExecutedMacs, OfAMergedModel) {
  ModelSpec spec = vit(false);
  spec.blocks[1].merge = 32;
  // The figure leaves matching out: every second token meets the others, by one head's keys.
  expect_counted("merged", spec, 32 * 32 * 32);
}

TEST(ExecutedMacs, OfRemovedAndStaticAttention) {
  ModelSpec spec = test::with_static_blocks(vit(true), 3);
  for (const size_t gone : {1, 3}) {
    BlockSpec& block = spec.blocks[gone];
    test::take_attention(block);
  }
  // The shares of the mean and the 16 tokens before the map are summed in plain code, not by a kernel.
  expect_counted("static", spec, -2 * 17 * 17 * 64);
}

}  // namespace
}  // namespace vitrim::test
