// The engine against the LibTorch model: every variant of ViT, every instruction set, threads, and what a
// call must not do.

#include "vitrim/runtime/engine.h"

#include <ATen/ATen.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <thread>

#include "model/real_vit.h"
#include "runtime/engine_runs.h"
#include "shared_data.h"
#include "vitrim/architecture/known.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/core/error.h"
#include "vitrim/model/loading.h"

namespace vitrim::test {
std::atomic<long> allocations{0};
}

// Every allocation of this program is counted. The form without exceptions is replaced as well: that of the
// address sanitizer does not match the delete below.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++vitrim::test::allocations;
  return std::malloc(size);
}
void* operator new(std::size_t size) {
  if (void* p = operator new(size, std::nothrow)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }

namespace vitrim::test {
namespace {

// Every form of a ViT: the library's variants, and each of them cut, with gains, and merged.
std::vector<test::Variant> vit_variants() {
  std::vector<test::Variant> out;
  for (const test::Variant& v : test::variants()) {
    if (v.spec.family == "vit" && runtime::why_not(v.spec).empty()) out.push_back(v);
  }
  for (const Activation activation : {Activation::kRelu, Activation::kGeluTanh}) {
    out.push_back({activation_name(activation), test::small_spec()});
    out.back().spec.activation = activation;
  }
  const size_t plain = out.size();
  for (size_t i = 0; i < plain; ++i) {
    test::Variant cut = out[i];
    cut.name += "_cut";
    BlockSpec& gone = cut.spec.blocks[1];
    test::take_attention(gone);
    gone.stream_gain = 2;
    const bool fixed = test::has_static_blocks(cut.spec);
    cut.spec.blocks[2].qk_dim = fixed ? 0 : 5;
    cut.spec.blocks[2].v_dim = 11;
    cut.spec.blocks[2].mlp_dim = 37;
    out.push_back(cut);
    if (fixed) continue;
    cut.name += "_merged";
    cut.spec.blocks[0].merge = 3;
    cut.spec.blocks[2].merge = 2;
    cut.spec.blocks[3].merge = 2;
    if (cut.spec.qk_norm) cut.spec.blocks[2].qk_dim = 8;
    out.push_back(cut);
  }
  for (const char* name : {"plain", "token_and_average"}) {
    test::Variant headless{std::string(name) + "_headless", test::variant(name)};
    headless.spec.num_classes = 0;
    out.push_back(headless);
  }
  // The last attention, after which one token is read: static.
  out.push_back({"static_last", test::small_spec(3)});
  out.back().spec = test::with_static_blocks(out.back().spec, 3);
  test::Variant last_gone = out[0];
  last_gone.name = "last_two_gone";
  for (const size_t i : {2, 3}) {
    BlockSpec& gone = last_gone.spec.blocks[i];
    test::take_attention(gone);
  }
  out.push_back(last_gone);
  return out;
}

TEST(Engine, EveryVariantOnEveryInstructionSet) {
  const at::Tensor images = test::colour_input(
      11);  // one thread: groups of four, four and three; three threads: three each, and two that all share
  for (const test::Variant& variant : vit_variants()) {
    const auto model = test::lively_model(variant.spec);
    const at::Tensor wanted = reference(*model, images);
    auto check = [&](const std::string& name, const runtime::Kernels& kernels) {
      for (const int threads : {1, 3}) {
        // float32: as between LibTorch and its references (golden_test.cpp); the longest sum has 192 products
        // (a patch). GELU's series adds 1.5e-7.
        const double exact = 2 * test::float_tolerance(192, test::operations(variant.spec), 10);
        EXPECT_LT(
            relative_difference(
                run(*engine_of(*model, threads, Precision::kF32, kernels), images, wanted.size(1)), wanted),
            exact)
            << variant.name << ", " << name << ", " << threads << " threads, float32";
        // bfloat16: each product's inputs are rounded to 2^-9 of themselves; nine roundings a block that add
        // up as a root, enlarged by 10. A merged model may choose other pairs, whose means differ more: only
        // that it is finite and near is asked.
        const double near =
            std::sqrt(9.0 * static_cast<double>(variant.spec.blocks.size())) * std::ldexp(1.0, -9) * 10;
        const double factor = variant.spec.merges() ? 4 : 1;
        EXPECT_LT(
            relative_difference(
                run(*engine_of(*model, threads, Precision::kBf16, kernels), images, wanted.size(1)), wanted),
            factor * near)
            << variant.name << ", " << name << ", " << threads << " threads, bfloat16";
      }
    };
    for (const Isa isa : runtime::available_isas()) check(runtime::to_string(isa), runtime::kernels_of(isa));
    check("emulated tiles", runtime::emulated_tile_kernels());
  }
}

TEST(Engine, BatchesOfAnySizeGiveTheSameRows) {
  ModelSpec spec = test::small_spec();
  spec.blocks[1].merge = 3;
  const auto model = test::lively_model(spec);
  const at::Tensor images = test::colour_input(67);
  Engine engine(model->spec(), model->parameters(), {2, Precision::kF32});
  const at::Tensor all = run(engine, images);  // more than a chunk of 64, and an odd number
  for (const int64_t begin : {0, 63, 64, 66}) {
    EXPECT_LT(
        relative_difference(run(engine, images.slice(0, begin, begin + 1)), all.slice(0, begin, begin + 1)),
        1e-5)
        << begin;
  }
}

// Not approximately: the row of an image has the same bits whatever it is computed with.
TEST(Engine, ThreadsAndNeighboursChangeNothing) {
  const at::Tensor images = test::colour_input(11);
  for (const test::Variant& variant : vit_variants()) {
    const auto model = test::lively_model(variant.spec);
    for (const Precision precision : {Precision::kF32, Precision::kBf16}) {
      Engine one(model->spec(), model->parameters(), {1, precision});
      const at::Tensor wanted = run(one, images);
      for (const int threads : {2, 3, 5}) {
        Engine several(model->spec(), model->parameters(), {threads, precision});
        EXPECT_TRUE(at::equal(run(several, images), wanted)) << variant.name << ", " << threads;
        EXPECT_TRUE(at::equal(run(several, images.slice(0, 4, 5)), wanted.slice(0, 4, 5))) << variant.name;
      }
    }
  }
}

// Patches that are all equal, or equal except for some, without positions: ties decide the merging, as they
// do in LibTorch.
TEST(Engine, TiesAreLibTorchs) {
  // As many patches as a picture of 224 pixels has: products end in tiles of every height.
  ModelSpec spec = architecture::vit_spec(/*image_size=*/112, /*patch_size=*/8, /*embed_dim=*/64, /*depth=*/6,
                                          /*num_heads=*/1, /*mlp_dim=*/128, 10);
  for (BlockSpec& block : spec.blocks) block.merge = 16;
  model::StateDict weights = test::lively_weights(spec, 4);
  weights.set("pos_embed", at::zeros_like(weights.at("pos_embed")));
  const auto model = model::make_model(spec, weights);
  const auto noise = [](int64_t height, int64_t width) {
    return at::randn({3, height, width}, at::detail::createCPUGenerator(2));
  };
  at::Tensor images = at::full({5, 3, 112, 112}, 0.25f);
  images[1].slice(1, 16, 96).slice(2, 24, 88) = noise(80, 64);  // a frame
  images[2].slice(1, 40) = noise(72, 112);
  images[3].slice(2, 0, 64) = noise(112, 64);
  images[4].slice(1, 20, 90) = noise(70, 112);
  const at::Tensor wanted = reference(*model, images);
  for (const Isa isa : runtime::available_isas()) {
    for (const int threads : {1, 3}) {
      const auto engine = engine_of(*model, threads, Precision::kF32, runtime::kernels_of(isa));
      for (int64_t i = 0; i < images.size(0); ++i) {
        EXPECT_LT(relative_difference(run(*engine, images.slice(0, i, i + 1), 10), wanted.slice(0, i, i + 1)),
                  2 * test::float_tolerance(192, test::operations(spec), 10))
            << runtime::to_string(isa) << ", " << threads << " threads, image " << i;
      }
    }
  }
}

TEST(Engine, TakesNoOtherNumberOfValues) {
  ModelSpec spec = test::small_spec();
  spec.in_channels = 4;
  const auto model = test::lively_model(spec);
  Engine engine(model->spec(), model->parameters(), {1, Precision::kF32});
  const std::vector<float> three(2 * 3 * 32 * 32), four(2 * 4 * 32 * 32);
  std::vector<float> out(20);
  EXPECT_NO_THROW(engine.run(four, 2, out));
  EXPECT_NO_THROW(engine.run({}, 0, {}));
  EXPECT_THROW(engine.run(three, 2, out), std::invalid_argument);
  EXPECT_THROW(engine.run(four, 1, std::span(out).first(10)), std::invalid_argument);
  EXPECT_THROW(engine.run(four, 2, std::span(out).first(19)), std::invalid_argument);
  EXPECT_THROW(engine.run(four, -2, out), std::invalid_argument);
  EXPECT_THROW(engine.run(four, 0, {}), std::invalid_argument);
  // A batch whose product with an image's size wraps around to the number of values.
  EXPECT_THROW(engine.run(four, (int64_t{1} << 52) + 2, out), std::invalid_argument);
  try {
    engine.run(three, 2, out);
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ(
        error.what(),
        "[runtime::Engine] the pixels of 2 images must be [2, 4, 32, 32], but 6144 values were given");
  }
}

TEST(Engine, ABrokenImageHarmsNoOther) {
  const auto model = test::lively_model(test::small_spec());
  model->set_merging({2, 2, 0, 0});
  for (const Precision precision : {Precision::kF32, Precision::kBf16}) {
    at::Tensor images = test::colour_input(4);
    Engine engine(model->spec(), model->parameters(), {1, precision});
    const at::Tensor wanted = run(engine, images);
    images[1].fill_(std::nanf(""));
    const at::Tensor got = run(engine, images);
    EXPECT_TRUE(got[1].isnan().all().item<bool>());
    for (const int64_t i : {0, 2, 3}) EXPECT_TRUE(at::equal(got[i], wanted[i])) << i;
  }
}

TEST(Engine, ACallAllocatesNothing) {
  ModelSpec spec = test::small_spec();
  spec.blocks[1].merge = 3;
  const auto model = test::lively_model(spec);
  const at::Tensor images = test::colour_input(5).contiguous();
  at::Tensor out = at::empty({5, 10});
  for (const Precision precision : {Precision::kF32, Precision::kBf16}) {
    for (const int threads : {1, 2}) {
      Engine engine(model->spec(), model->parameters(), {threads, precision});
      for (int call = 0; call < 2; ++call) {
        const long before = test::allocations;
        engine.run(model::floats_of(images), 5, model::writable_floats_of(out));
        EXPECT_EQ(test::allocations - before, 0) << "call " << call;
      }
    }
  }
}

TEST(Engine, SeveralEnginesAndSeveralCallers) {
  const auto model = test::lively_model(test::small_spec());
  const at::Tensor images = test::colour_input(6).contiguous();
  Engine one(model->spec(), model->parameters(), {2, Precision::kF32}),
      two(model->spec(), model->parameters(), {1, Precision::kF32});
  const at::Tensor wanted = run(one, images);
  std::vector<std::thread> callers;
  std::atomic<int> wrong{0};
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&, i] {
      Engine& engine = i % 2 == 0 ? one : two;
      std::vector<float> out(60);
      for (int call = 0; call < 20; ++call) {
        engine.run(model::floats_of(images), 6, out);
        const at::Tensor got = at::from_blob(out.data(), {6, 10});
        if (relative_difference(got, wanted) > 1e-5) ++wrong;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Engine, SaysWhatItHoldsAndWhatItCanNot) {
  const auto model = test::lively_model(test::small_spec());
  Engine engine(model->spec(), model->parameters(), {1, Precision::kBf16});
  EXPECT_EQ(engine.precision(), Precision::kBf16);
  EXPECT_EQ(engine.outputs(), 10);
  EXPECT_GT(engine.weight_bytes(), 2 * 4 * (64 * 32 * 2 + 4 * 32 * 32));
  const ModelSpec pixels = test::variant("segment_linear");
  EXPECT_NE(runtime::why_not(pixels).find("not their pixels"), std::string::npos);
  EXPECT_THROW(Engine(pixels, test::lively_weights(pixels, 1), {}), std::invalid_argument);
  ModelSpec strange = test::staged_spec("swin");
  strange.qk_norm = true;
  EXPECT_NE(runtime::why_not(strange), "");
  EXPECT_THROW(Engine(strange, {}, {}), std::invalid_argument);
  EXPECT_THROW(Engine(model->spec(), model->parameters(), {0, Precision::kF32}), std::invalid_argument);
  EXPECT_THROW(Engine(model->spec(), {}, {}), FormatError);
}

// DeiT-B at batch 1: weights and 64 MB, no more.
TEST(Engine, MemoryOfDeitBase) {
  const ModelSpec spec = architecture::known_spec("deit_base_patch16_224");
  const auto model = model::make_random_model(spec, 0);
  Engine engine(spec, model->parameters(), {2, Precision::kBf16});
  EXPECT_LT(engine.weight_bytes(),
            int64_t{180} << 20);  // 86.6 million parameters of two bytes, position embeddings of four
  EXPECT_LT(engine.work_bytes(), int64_t{64} << 20);
}

class RealEngine : public RealViTTiny {};

TEST_F(RealEngine, LogitsOfTheReference) {
  Engine exact(model_->spec(), model_->parameters(), {2, Precision::kF32});
  // As golden_test.cpp has it for LibTorch; GELU's series doubles it.
  EXPECT_LT(relative_difference(run(exact, images_), golden_.at("logits_dense")),
            2 * test::float_tolerance(768, test::operations(model_->spec()), 10));
  Engine fast(model_->spec(), model_->parameters(), {2, Precision::kBf16});
  EXPECT_LT(relative_difference(run(fast, images_), golden_.at("logits_dense")),
            std::sqrt(60.0) * std::ldexp(1.0, -9) * 10);
}

TEST_F(RealEngine, MergedLogitsOfTheReference) {
  for (const int64_t r : {8, 16}) {
    std::vector<int64_t> pairs;
    for (int64_t tokens = 197, i = 0; i < 12; ++i) {
      pairs.push_back(std::min(r, (tokens - 1) / 2));
      tokens -= pairs.back();
    }
    model_->set_merging(pairs);
    Engine engine(model_->spec(), model_->parameters(), {2, Precision::kF32});
    EXPECT_LT(relative_difference(run(engine, images_), golden_.at("logits_tome_r" + std::to_string(r))),
              2 * test::float_tolerance(768, test::operations(model_->spec()), 10));
  }
}

// bfloat16 predicts the same as float32 on real images. A sample in ./check, all 700 with VITRIM_FULL=1.
TEST_F(RealEngine, Bfloat16PredictsAlike) {
  VITRIM_NEEDS_SHARED("data/imagenet_val700");
  data::DatasetOptions folder;
  folder.classes_file = (test::shared_folder() / "data/imagenet_synsets.txt").string();
  const auto dataset = data::open_dataset((test::shared_folder() / "data/imagenet_val700").string(), folder);
  data::LoadOptions load;
  load.preprocess = model_->spec().preprocess.value();
  load.preprocess.resize.reset();
  const bool all = std::getenv("VITRIM_FULL") != nullptr;
  load.indices = data::spread_indices(dataset->size(), all ? dataset->size() : 140);
  const data::ImageBatch images = data::load_images(*dataset, load);
  std::vector<at::Tensor> predictions;
  for (const Precision precision : {Precision::kF32, Precision::kBf16}) {
    Engine engine(model_->spec(), model_->parameters(), {2, precision});
    std::vector<at::Tensor> parts;
    for (int64_t i = 0; i < images.size(); i += 64)
      parts.push_back(run(engine, data::normalized(images, i, std::min(images.size(), i + 64))).argmax(1));
    predictions.push_back(at::cat(parts));
  }
  const double n = static_cast<double>(images.size());
  const double agree = predictions[0].eq(predictions[1]).sum().item<double>() / n;
  const at::Tensor labels = at::tensor(images.labels);
  const double change =
      (predictions[1].eq(labels).sum() - predictions[0].eq(labels).sum()).item<double>() / n;
  RecordProperty("agreement", std::to_string(agree));
  RecordProperty("change_of_top1", std::to_string(change));
  EXPECT_GE(agree, 0.985) << "of " << n << " images";
  EXPECT_LE(std::abs(change), all ? 0.01 : 0.015);
}

}  // namespace
}  // namespace vitrim::test
