// Properties of a model other than its outputs: sampling tokens, threads, bfloat16, loading and saving, error
// messages.

#include <filesystem>
#include <thread>

#include "core/expect_throw.h"
#include "core/temp_dir.h"
#include "model/small_models.h"
#include "vitrim/architecture/infer.h"
#include "vitrim/architecture/known.h"
#include "vitrim/architecture/parameters.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/core/error.h"
#include "vitrim/model/loading.h"

namespace vitrim::model {
namespace {

using test::relative_difference;

double tolerance_of(const ModelSpec& spec) { return test::float_tolerance(192, test::operations(spec), 8); }

class EveryVariant : public testing::TestWithParam<test::Variant> {};
INSTANTIATE_TEST_SUITE_P(Model, EveryVariant, testing::ValuesIn(test::variants()),
                         [](const auto& info) { return info.param.name; });

TEST_P(EveryVariant, RunBlockAtEqualsRunBlock) {
  const at::NoGradGuard no_grad;
  ModelSpec spec = GetParam().spec;
  BlockSpec without;
  without.attention = AttentionKind::kNone;
  without.embed_dim = spec.blocks[2].embed_dim;
  without.mlp_dim = spec.blocks[2].mlp_dim;
  without.stream_gain = 2;
  spec.blocks[2] = without;
  const auto model = test::lively_model(spec);
  at::Tensor x = model->embed(test::colour_input(3));
  ASSERT_EQ(x.size(1), spec.num_tokens());
  for (int i = 0; i < model->num_blocks(); ++i) {
    const at::Tensor tokens =
        at::tensor(std::vector<int64_t>{0, 3, 4, 9, spec.block_tokens(i) - 1}, at::kLong);
    BlockTrace all, some;
    const at::Tensor z = model->run_block(i, x, kKeep, &all), part = model->run_block_at(i, x, tokens, &some);
    EXPECT_LT(relative_difference(part, z.index_select(1, tokens)), tolerance_of(spec)) << i;
    EXPECT_LT(relative_difference(some.after_attention, all.after_attention.index_select(1, tokens)),
              tolerance_of(spec))
        << i;
    EXPECT_LT(relative_difference(some.hidden, all.hidden.index_select(1, tokens)), tolerance_of(spec)) << i;
    EXPECT_EQ(some.attention.defined(), i != 2);
    ASSERT_EQ(z.sizes(),
              at::IntArrayRef({3, spec.block_tokens(i), spec.blocks[static_cast<size_t>(i)].embed_dim}));
    // The parts of the trace add up to the block.
    if (i != 2) {
      EXPECT_LT(relative_difference(all.input + all.attention, all.after_attention), 1e-6);
    }
    EXPECT_LT(relative_difference(all.after_attention + all.mlp, z), 1e-6);
    EXPECT_LT(relative_difference(model->run_mlp(i, all.after_attention, nullptr), z), 1e-6);
    x = z;
  }
}

TEST_P(EveryVariant, SpecIsInferredFromTheWeights) {
  // Static attention is vitrim's own: files that hold it carry their spec.
  if (test::has_static_blocks(GetParam().spec)) return;
  architecture::LoadHints hints;
  hints.num_heads = {2};
  if (GetParam().spec.num_stages() > 1) {
    hints.num_heads = {2, 4};
    hints.image_size = 32;
  }
  ModelSpec inferred = infer_spec(test::lively_weights(GetParam().spec, 1), hints);
  inferred.preprocess = GetParam().spec.preprocess;                           // not in the weights
  if (!inferred.gated_mlp) inferred.activation = GetParam().spec.activation;  // nor that
  EXPECT_EQ(to_json(inferred), to_json(GetParam().spec));
}

// Stochastic depth: a branch that is dropped for an image adds nothing to it, one that is kept counts for
// more.
TEST_P(EveryVariant, DropPathScalesBranchesImageByImage) {
  const at::NoGradGuard no_grad;
  const auto model = make_model(GetParam().spec, test::lively_weights(GetParam().spec, 5));
  const at::Tensor x = model->embed(test::colour_input(3));
  DropPath drop;
  drop.attention = at::tensor({0.0f, 1.0f, 2.0f}).reshape({3, 1, 1});
  drop.mlp = at::tensor({1.0f, 0.0f, 2.0f}).reshape({3, 1, 1});
  BlockTrace trace;
  const at::Tensor z = model->run_block(1, x, diluted(0.5), &trace, {drop, nullptr});
  const at::Tensor y = x * 1.5 + trace.attention * drop.attention * 0.5;
  EXPECT_LT(relative_difference(trace.after_attention, y), 1e-6);  // one product and one sum of float32 each
  EXPECT_LT(relative_difference(z, y + trace.mlp * drop.mlp), 1e-6);
}

TEST_P(EveryVariant, Bfloat16IsNear) {
  const at::NoGradGuard no_grad;
  const auto model = test::lively_model(GetParam().spec);
  const at::Tensor images = test::colour_input(4), exact = model->forward(images).logits;
  model->set_compute_dtype(at::kBFloat16);
  const at::Tensor rough = model->forward(images).logits;
  EXPECT_EQ(rough.scalar_type(), at::kFloat);
  // Inputs and results of some five products a block are rounded to 2^-9; errors add up as a root, enlarged
  // threefold.
  EXPECT_LT(relative_difference(rough, exact), std::sqrt(20.0) * std::ldexp(1.0, -9) * 3);
  EXPECT_FALSE(at::equal(rough, exact));
  model->set_compute_dtype(at::kFloat);
  EXPECT_TRUE(at::equal(model->forward(images).logits, exact));
}

TEST_P(EveryVariant, SavesAndLoads) {
  const TempDir folder;
  ModelSpec spec = GetParam().spec;
  test::take_attention(spec.blocks[1]);
  spec.blocks[1].stream_gain = 2;
  spec.preprocess->mean = {0.1, 0.2, 0.3};
  const auto model = test::lively_model(spec);
  save_model(*model, folder.file("full.safetensors"));
  save_model(*model, folder.file("half.safetensors"), at::kHalf);
  const auto full = load_model(folder.file("full.safetensors")),
             half = load_model(folder.file("half.safetensors"));
  EXPECT_EQ(full->spec(), spec);
  EXPECT_EQ(half->spec(), spec);
  for (const auto& [name, tensor] : model->parameters().entries()) {
    EXPECT_TRUE(at::equal(full->parameter(name), tensor)) << name;
    EXPECT_TRUE(at::equal(half->parameter(name), tensor.to(at::kHalf).to(at::kFloat))) << name;
  }
  EXPECT_LT(std::filesystem::file_size(folder.file("half.safetensors")),
            0.6 * std::filesystem::file_size(folder.file("full.safetensors")));
}

TEST(Model, ConstCallsFromTwoThreads) {
  const at::NoGradGuard no_grad;
  const auto model = test::lively_model(test::variants()[1].spec);
  const at::Tensor images = test::colour_input(2);
  model->set_compute_dtype(at::kBFloat16);
  const at::Tensor expected = model->forward(images).logits;
  for (int round = 0; round < 20; ++round) {
    model->set_compute_dtype(at::kBFloat16);  // empties the cache of converted weights
    at::Tensor got[2];
    {
      std::vector<std::jthread> threads;
      for (at::Tensor& out : got) {
        threads.emplace_back([&] {
          const at::NoGradGuard inner;
          out = model->forward(images).logits;
        });
      }
    }
    for (const at::Tensor& out : got) EXPECT_LT(relative_difference(out, expected), 1e-6);
  }
}

TEST(Model, ParametersCanBeReplaced) {
  const at::NoGradGuard no_grad;
  const auto model = test::lively_model(test::small_spec());
  model->set_compute_dtype(at::kBFloat16);
  const at::Tensor images = test::colour_input(2), before = model->forward(images).logits;
  const auto copy = model->clone();
  EXPECT_EQ(copy->compute_dtype(), at::kBFloat16);
  model->set_parameter("head.weight", model->parameter("head.weight") * 2);
  model->set_parameter("head.bias", model->parameter("head.bias") * 2);
  EXPECT_TRUE(at::equal(model->forward(images).logits, before * 2))
      << "the converted copy of a replaced weight is stale";
  EXPECT_TRUE(at::equal(copy->forward(images).logits, before));
  EXPECT_THROW(model->set_parameter("head.bias", at::zeros({11})), std::invalid_argument);
  EXPECT_THROW(model->bind_parameter("head.bias", at::zeros({10}, at::kHalf)), std::invalid_argument);
  EXPECT_THROW(model->set_compute_dtype(at::kHalf), std::invalid_argument);
  EXPECT_THROW(model->forward(images, std::vector<BlockGain>(3)), std::invalid_argument);
  EXPECT_THROW(model->embed(at::zeros({1, 3, 40, 40})), std::invalid_argument);
}

TEST(MakeModel, ListsEveryTensorThatIsWrong) {
  const ModelSpec spec = test::small_spec();
  model::StateDict weights = test::lively_weights(spec, 1);
  weights.path = "file.pth";
  weights.erase("blocks.1.mlp.fc1.bias");
  weights.erase("norm.weight");
  weights.set("head.weight", at::zeros({7, 32}));
  weights.set("blocks.0.norm1.bias", at::zeros({32}, at::kLong));
  weights.add("extra.weight", at::zeros({1}));
  weights.add("blocks.9.norm1.bias", at::zeros({1}));
  weights.add("blocks.0.attn.relative_position_index", at::zeros({4}, at::kLong));
  weights.add("blocks.0.attn_mask", at::zeros({4}));
  const std::string message = message_of<FormatError>([&] { make_model(spec, weights); });
  for (const char* part :
       {"file.pth", "blocks.1.mlp.fc1.bias", "norm.weight", "head.weight: expected [10, 32], found [7, 32]",
        "blocks.0.norm1.bias: expected floating-point", "extra.weight", "blocks.9.norm1.bias"}) {
    EXPECT_TRUE(contains(message, part));
  }
  EXPECT_FALSE(contains(message, "relative_position_index"));
  EXPECT_FALSE(contains(message, "attn_mask"));
  EXPECT_FALSE(contains(message, "blocks.2.mlp"));
}

TEST(MakeModel, KnownBuffersAreNoSurplus) {
  model::StateDict weights = test::lively_weights(test::small_spec(), 1);
  weights.add("blocks.0.attn.relative_position_index", at::zeros({4}, at::kLong));
  weights.add("layers.0.attn_mask", at::zeros({4}));
  EXPECT_FALSE(make_model(test::small_spec(), weights)->has_parameter("layers.0.attn_mask"));
}

TEST(MakeModel, RefusesNaNAndInfinity) {
  model::StateDict weights = test::lively_weights(test::small_spec(), 1);
  weights.at("norm.bias")[3] = std::numeric_limits<float>::quiet_NaN();
  weights.at("blocks.2.mlp.fc2.weight")[0][1] = std::numeric_limits<float>::infinity();
  const std::string message = message_of<FormatError>([&] { make_model(test::small_spec(), weights); });
  EXPECT_TRUE(contains(message, "norm.bias"));
  EXPECT_TRUE(contains(message, "blocks.2.mlp.fc2.weight"));
}

// pos[i, c] = sin(i (c + 1)) on a 4 x 4 grid, resized as timm's resample_abs_pos_embed does:
// F.interpolate(grid, size=(s, s), mode="bicubic", antialias=True) in PyTorch 2.13.
TEST(PositionEmbedding, IsResizedAsTimmDoes) {
  ModelSpec spec = architecture::vit_spec(/*image_size=*/32, /*patch_size=*/8, /*embed_dim=*/4, /*depth=*/1,
                                          /*num_heads=*/2, /*mlp_dim=*/8, 3);
  model::StateDict weights = test::lively_weights(spec, 1);
  at::Tensor position = at::empty({1, 17, 4});
  position.select(1, 0).fill_(9);
  for (int i = 0; i < 16; ++i) {
    for (int c = 0; c < 4; ++c) position[0][i + 1][c] = std::sin(static_cast<double>(i * (c + 1)));
  }
  weights.set("pos_embed", position);
  EXPECT_TRUE(at::equal(make_model(spec, weights)->parameter("pos_embed"), position))
      << "the same size must change nothing";
  const auto resized = [&](int64_t side) {
    spec.image_size = {8 * side, 8 * side};
    return make_model(spec, weights)->parameter("pos_embed");
  };
  const auto expect_row = [](const at::Tensor& got, int64_t patch, std::vector<double> wanted) {
    // Values of order 1, sums of at most 8 x 8 weights: 8 * 2^-23 is 1e-6.
    EXPECT_LT(
        (got[0][patch + 1] - at::tensor(at::ArrayRef<double>(wanted), at::kFloat)).abs().max().item<double>(),
        3e-6)
        << patch;
  };
  const at::Tensor larger = resized(6);
  ASSERT_EQ(larger.size(1), 37);
  EXPECT_TRUE(at::equal(larger[0][0], position[0][0])) << "the CLS position is no patch";
  expect_row(larger, 0,
             {-0.010087196715176105, -0.1354837417602539, 0.03054279275238514, 0.0772036612033844});
  expect_row(larger, 5,
             {0.049265578389167786, -0.3361060917377472, 0.42580562829971313, -0.7017835378646851});
  expect_row(larger, 18,
             {0.9003598690032959, -0.038047268986701965, -0.9799733757972717, 0.6142964959144592});
  const at::Tensor smaller = resized(3);
  ASSERT_EQ(smaller.size(1), 10);
  expect_row(smaller, 0,
             {-0.15528836846351624, 0.4550514221191406, 0.013851698487997055, -0.185698464512825});
  expect_row(smaller, 8, {0.2641996145248413, -0.4702773988246918, 0.3308868110179901, -0.23733453452587128});
}

TEST(RandomModel, NormsBeginAtOne) {
  for (const test::Variant& variant : test::variants()) {
    const auto model = make_random_model(variant.spec, 1);
    for (const architecture::ParameterInfo& info : architecture::parameter_layout(variant.spec)) {
      if (info.shape.size() != 1) continue;
      const double wanted = info.name.ends_with(".weight") ? 1 : info.name.ends_with(".gamma") ? 1e-5 : 0;
      EXPECT_TRUE((model->parameter(info.name) == static_cast<float>(wanted)).all().item<bool>())
          << variant.name << " " << info.name;
    }
  }
}

TEST(SaveModel, RefusesGates) {
  const TempDir folder;
  const auto model = test::lively_model(test::small_spec());
  ChannelGates gates;
  gates.v = at::ones({2, 16});
  model->set_gates(1, gates);
  EXPECT_TRUE(
      contains(message_of<std::invalid_argument>([&] { save_model(*model, folder.file("x.safetensors")); }),
               "block 1 is gated"));
  gates.v = at::ones({2, 15});
  EXPECT_THROW(model->set_gates(1, gates), std::invalid_argument);
}

TEST(InferSpec, TooManyStagesAreRefused) {
  model::StateDict weights;
  weights.add("stage1_conv_embed.0.weight", at::zeros({8, 3, 7, 7}));
  for (int i = 1; i <= 63; ++i) {
    const std::string block = "stage" + std::to_string(i) + ".0.";
    weights.add(block + "mlp.fc1.weight", at::zeros({1, 1}));
    weights.add(block + "norm2.weight", at::zeros({1}));
  }
  EXPECT_TRUE(contains(message_of<FormatError>([&] { infer_spec(weights); }), "63 stages"));
}

// Values that depend on the image size change with it, whether the spec was read, known or inferred.
TEST(InferSpec, ShiftsFollowTheImageSize) {
  ModelSpec spec = test::staged_spec("swin");
  for (int i : {2, 3}) {  // one window is the whole map
    spec.blocks[static_cast<size_t>(i)].window = 4;
    spec.blocks[static_cast<size_t>(i)].shift = 0;
  }
  const TempDir folder;
  save_model(*test::lively_model(spec), folder.file("model.safetensors"));
  architecture::LoadHints hints;
  hints.image_size = 64;
  EXPECT_EQ(load_spec(folder.file("model.safetensors"), hints).blocks[3].shift, 2);
}

// With softmax the tensors do not determine the heads: those of the published sizes are used.
TEST(InferSpec, HeadsOfTheCswins) {
  const std::vector<std::pair<int64_t, std::vector<int64_t>>> published = {
      {64, {2, 4, 8, 16}}, {96, {4, 8, 16, 32}}, {144, {6, 12, 24, 24}}};
  for (const auto& [first, heads] : published) {
    model::StateDict weights;
    weights.add("stage1_conv_embed.0.weight", at::zeros({1}).expand({first, 3, 7, 7}));
    for (int64_t s = 0; s < 4; ++s) {
      const std::string block = "stage" + std::to_string(s + 1) + ".0.";
      const int64_t dim = first << s;
      const auto add = [&](const std::string& name, at::IntArrayRef shape) {
        weights.add(block + name, at::zeros({1}).expand(shape));
      };
      add("mlp.fc1.weight", {4 * dim, dim});
      add("norm2.weight", {dim});
      add("qkv.weight", {3 * dim, dim});
      add("proj.weight", {dim, dim});
      for (int branch = 0; branch < (s < 3 ? 2 : 1); ++branch)
        add("attns." + std::to_string(branch) + ".get_v.weight", {s < 3 ? dim / 2 : dim, 1, 3, 3});
    }
    const ModelSpec spec = infer_spec(weights);
    for (size_t s = 0; s < 4; ++s) EXPECT_EQ(spec.blocks[s].num_heads, heads[s]) << first;
  }
}

// A model that states its stripes keeps them, at its own size and at another; stripes from the published rule
// follow the rule.
TEST(InferSpec, StripesOfTheCswins) {
  const auto window_at = [](int64_t window, int64_t side) {
    architecture::StagesOptions o;
    o.image_size = 64;
    o.num_classes = 10;
    o.embed_dims = {16, 32, 64};
    o.depths = {1, 1, 2};
    o.num_heads = {2, 4, 8};
    o.mlp_ratios = {2, 2, 2};
    o.attention = "SSS";
    o.regions = {1, 2, 2};
    ModelSpec spec = architecture::stages_spec("cswin", o);
    for (size_t i = 2; i < 4; ++i) spec.blocks[i].window = window;
    const TempDir folder;
    save_model(*test::lively_model(spec), folder.file("model.safetensors"));
    architecture::LoadHints hints;
    hints.image_size = side;
    return load_spec(folder.file("model.safetensors"), hints).blocks[3].window;
  };
  EXPECT_EQ(window_at(1, 64), 1);
  EXPECT_EQ(window_at(1, 128), 1);
  EXPECT_EQ(window_at(2, 128), 4);
}

TEST(InferSpec, RefusesWhatCannotBe) {
  const model::StateDict weights = test::lively_weights(test::small_spec(), 1);
  // 32 channels are no multiple of 64.
  EXPECT_TRUE(contains(message_of<FormatError>([&] { infer_spec(weights); }), "--num-heads"));
  architecture::LoadHints hints;
  hints.num_heads = {5};
  EXPECT_TRUE(contains(message_of<FormatError>([&] { infer_spec(weights, hints); }), "num_heads 5"));
  EXPECT_TRUE(contains(message_of<FormatError>([&] { infer_spec(weights, hints); }), "--num-heads"));
  hints.num_heads = {2};
  hints.num_classes = 100;
  const std::string classes = message_of<FormatError>([&] { infer_spec(weights, hints); });
  EXPECT_TRUE(contains(classes, "10 classes, not 100"));
  EXPECT_TRUE(contains(classes, "--num-classes 10"));
  hints.num_classes = 10;
  EXPECT_EQ(infer_spec(weights, hints).num_classes, 10);
  hints.image_size = 36;
  EXPECT_TRUE(
      contains(message_of<std::invalid_argument>([&] { infer_spec(weights, hints); }), "patch size 8"));
  model::StateDict other;
  other.add("conv1.weight", at::zeros({4, 3, 7, 7}));
  EXPECT_TRUE(contains(message_of<FormatError>([&] { infer_spec(other); }), "no known architecture"));
}

TEST(LoadModel, AtAnotherImageSize) {
  const TempDir folder;
  save_model(*test::lively_model(test::small_spec()), folder.file("model.safetensors"));
  architecture::LoadHints hints;
  hints.image_size = 48;
  const auto model = load_model(folder.file("model.safetensors"), hints);
  EXPECT_EQ(model->spec().num_tokens(), 37);
  EXPECT_EQ(model->parameter("pos_embed").size(1), 37);
  EXPECT_EQ(model->spec().preprocess->crop, 48) << "images must come in the size that the model takes";
}

// FLatten-CSwin's tables of positions over a whole map are resized as PVT's are.
TEST(LoadModel, WholeMapsAtAnotherImageSize) {
  ModelSpec spec = test::staged_spec("cswin");
  for (BlockSpec& block : spec.blocks) {
    if (block.attention == AttentionKind::kCrossFocusedLinear) block.window = 0;
  }
  const TempDir folder;
  save_model(*test::lively_model(spec), folder.file("model.safetensors"));
  architecture::LoadHints hints;
  hints.image_size = 64;
  const auto model = load_model(folder.file("model.safetensors"), hints);
  EXPECT_EQ(model->parameter("stage1.0.attns.0.positional_encoding").size(1), 256);
  const at::NoGradGuard no_grad;
  EXPECT_TRUE(model->forward(at::zeros({1, 3, 64, 64})).logits.isfinite().all().item<bool>());
}

TEST(LoadModel, WithAClassifierForOtherClasses) {
  const TempDir folder;
  ModelSpec spec = test::small_spec();
  spec.distillation_token = true;
  save_model(*make_random_model(spec, 1), folder.file("model.safetensors"));
  const auto before = load_model(folder.file("model.safetensors")),
             after = load_model_with_new_head(folder.file("model.safetensors"), 7, 3);
  EXPECT_EQ(after->spec().num_classes, 7);
  EXPECT_EQ(after->forward(test::colour_input(2)).logits.sizes(), (std::vector<int64_t>{2, 7}));
  for (const auto& [name, tensor] : after->parameters().entries()) {
    EXPECT_TRUE(name.rfind("head", 0) == 0 || at::equal(tensor, before->parameter(name))) << name;
  }
  EXPECT_TRUE(
      at::equal(after->parameter("head.weight"),
                load_model_with_new_head(folder.file("model.safetensors"), 7, 3)->parameter("head.weight")));
}

TEST(LoadModel, NamesTheNearestArchitecture) {
  EXPECT_TRUE(
      contains(message_of<Error>([] { load_model("deit_tiny_patch16_244"); }), "deit_tiny_patch16_224"));
  EXPECT_THROW(architecture::known_spec("vit"), std::invalid_argument);
  EXPECT_FALSE(architecture::known_names().empty());
  for (const std::string& name : architecture::known_names()) {
    EXPECT_TRUE(architecture::is_known_name(name));
    EXPECT_EQ(architecture::known_spec(name).name, name);
    EXPECT_NO_THROW(validate(architecture::known_spec(name)));
  }
  EXPECT_EQ(parse_compute_dtype("bf16"), at::kBFloat16);
  EXPECT_EQ(parse_compute_dtype("auto"), fast_dtype());
  EXPECT_THROW(parse_compute_dtype("fp16"), std::invalid_argument);
}

TEST(RandomModel, IsSeededAndXavier) {
  const ModelSpec spec = test::variant("layerscale_qknorm");
  const auto a = make_random_model(spec, 1), b = make_random_model(spec, 1), c = make_random_model(spec, 2);
  const std::string fc1 = "blocks.1.mlp.fc1.weight";
  EXPECT_TRUE(at::equal(a->parameter(fc1), b->parameter(fc1)));
  EXPECT_FALSE(at::equal(a->parameter(fc1), c->parameter(fc1)));
  EXPECT_FALSE(at::equal(a->parameter(fc1), a->parameter("blocks.2.mlp.fc1.weight")));
  EXPECT_TRUE(at::equal(a->parameter("blocks.0.norm1.weight"), at::ones({32})));
  EXPECT_TRUE(at::equal(a->parameter("blocks.0.mlp.fc1.bias"), at::zeros({64})));
  // Uniform in +-sqrt(6 / (64 + 32)) = +-0.25: deviation 0.25 / sqrt(3), which 2048 draws know to 1 %.
  EXPECT_NEAR(a->parameter(fc1).std().item<double>(), 0.25 / std::sqrt(3.0), 0.005);
  EXPECT_LE(a->parameter(fc1).abs().max().item<double>(), 0.25);
}

}  // namespace
}  // namespace vitrim::model
