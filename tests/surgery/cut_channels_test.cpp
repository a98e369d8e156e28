// A cut model equals the gated model: outputs, features and gradients, for every family, at random shapes,
// weights, targets and widths.

#include "vitrim/surgery/cut_channels.h"

#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>

#include "core/expect_throw.h"
#include "model/small_models.h"
#include "prune/draw_widths.h"
#include "surgery/draw_gate.h"
#include "surgery/own_model.h"
#include "vitrim/architecture/channels.h"
#include "vitrim/architecture/parameters.h"
#include "vitrim/core/random.h"
#include "vitrim/prune/channel_budget.h"

namespace vitrim::surgery {
namespace {

using architecture::ChannelGroup;
using model::ChannelGates;
using test::draw_gate;
using test::own_model;
using test::relative_difference;

// Widths at which the model meets a target drawn between its floor and 95 % of its multiply-adds, layers
// alike in nothing; channels and their factors drawn too.
std::vector<ChannelGates> draw_gates(const ModelSpec& spec, uint64_t seed) {
  Random random(seed, /*stream=*/1);
  const std::vector<prune::Unit> units = prune::units_of(spec, prune::Scope::kAttentionAndMlp);
  const prune::Target whole = prune::parse_target("100%", /*attention_only=*/false, spec);
  const auto floor = static_cast<double>(prune::ChannelBudget(spec, units, whole, 1).floor());
  const double target = floor + random.uniform() * (0.95 * static_cast<double>(whole.macs) - floor);
  const prune::ChannelBudget budget(spec, units, {std::llround(target), false}, 1);
  const std::vector<int64_t> widths = test::draw_widths(budget, random);
  std::vector<at::Tensor> factors;
  for (size_t u = 0; u < units.size(); ++u)
    factors.push_back(draw_gate(units[u].heads, units[u].width, widths[u], random));
  return prune::as_gates(spec, units, factors);
}

// FLatten-CSwin's linear stages have no stripes: all heads see the whole map.
std::vector<test::Variant> all_variants() {
  std::vector<test::Variant> out = test::all_variants();
  test::Variant whole{"cswin_whole_map", test::variant("cswin")};
  for (BlockSpec& block : whole.spec.blocks) {
    if (block.attention == AttentionKind::kCrossFocusedLinear) block.window = 0;
  }
  out.push_back(whole);
  return out;
}

// The variant at a drawn size of image, with drawn heads, widths of MLPs, windows, stripes and reductions: as
// far from one another as a small model's can be.
ModelSpec draw_shape(ModelSpec spec, uint64_t seed) {
  Random random(seed, /*stream=*/2);
  const int64_t side = random.below(2) == 0 ? 32 : 64;
  spec.image_size = {side, side};
  spec.preprocess->crop = side;
  const int64_t of_first = int64_t{1}
                           << (spec.family == "cswin" ? 1 + random.below(2)
                                                      : random.below(3));  // two branches need two heads
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i) {
    BlockSpec& block = spec.blocks[static_cast<size_t>(i)];
    const int64_t map = spec.block_grid(i).height;
    block.num_heads = of_first << spec.position(i).stage;
    block.qk_dim = block.v_dim = block.embed_dim / block.num_heads;
    const bool fixed = block.attention == AttentionKind::kStatic;
    if (fixed) block.qk_dim = 0;
    block.mlp_dim = 8 * (3 + random.below(6));
    if (fixed) continue;
    if (spec.family == "swin" || spec.family == "flatten_swin") {
      if (block.attention == AttentionKind::kWindow) block.window = int64_t{2} << random.below(2);
      block.window = std::min(block.window, map);
      block.shift = block.shift > 0 && block.window < map ? block.window / 2 : 0;
    } else if (spec.family == "cswin" && block.window > 0) {
      block.window = int64_t{1} << random.below(3);
    } else if (spec.family.starts_with("pvt")) {
      block.sr_ratio = int64_t{1} << random.below(3);
    }
  }
  validate(spec);
  return spec;
}

class EveryVariantCut : public testing::TestWithParam<test::Variant> {
 protected:
  SpecAndWeights dense() const { return {GetParam().spec, test::lively_weights(GetParam().spec, 5)}; }
};
INSTANTIATE_TEST_SUITE_P(Surgery, EveryVariantCut, testing::ValuesIn(all_variants()),
                         [](const auto& info) { return info.param.name; });

// Gradients of what no gate touches are the same; those of cut parameters are the masked ones' rows, so the
// patch embedding's, which collects all of the network's, stands for them.
TEST_P(EveryVariantCut, CutIsGated) {
  for (uint64_t seed : {1, 2, 3, 4, 5, 6}) {
    const ModelSpec spec = draw_shape(GetParam().spec, seed);
    const data::ImageBatch colours = test::colour_images(3, seed, spec.image_size[0]);
    const at::Tensor images = data::normalized(colours, 0, 3);
    const SpecAndWeights whole{spec, test::lively_weights(spec, 5 + seed)};
    const std::vector<ChannelGates> gates = draw_gates(whole.spec, seed);
    const auto gated = own_model(whole);
    for (int i = 0; i < gated->num_blocks(); ++i) gated->set_gates(i, gates[static_cast<size_t>(i)]);
    const SpecAndWeights parts = cut_channels(whole, gates);
    const auto cut = own_model(parts);
    EXPECT_LT(parts.spec.blocks[1].mlp_dim, whole.spec.blocks[1].mlp_dim + 1);
    // Sums of at most 260 products (tokens; prefix included); third powers and norms of few channels enlarge
    // more than softmax does.
    const double tolerance = test::float_tolerance(260, 2 * test::operations(whole.spec), 16);
    // Norms of two or three focused channels can come near 0, and slopes there are steep: what the last bits
    // of the images change in the gated model's gradients, the last bits of other sums may change in the cut
    // one's.
    const at::Tensor nudged =
        images * (1 + 0x1p-23 * at::randn(images.sizes(), at::detail::createCPUGenerator(7)));
    std::vector<at::Tensor> gradients[3];
    at::Tensor logits[3];
    int which = 0;
    for (model::Model* model : {gated.get(), cut.get(), gated.get()}) {
      model->set_requires_grad(true);
      logits[which] = model->forward(which == 2 ? nudged : images).logits;
      const at::Tensor r = at::randn(logits[which].sizes(), at::detail::createCPUGenerator(11));
      std::vector<at::Tensor> same;
      for (const architecture::ParameterInfo& info : architecture::parameter_layout(model->spec())) {
        const bool norm =
            info.block >= 0 && (info.name.ends_with("norm1.weight") || info.name.ends_with("norm2.bias"));
        if (info.part == architecture::Part::kEmbedding || norm) same.push_back(model->parameter(info.name));
      }
      gradients[which++] = torch::autograd::grad({(logits[which] * r).sum()}, same);
    }
    EXPECT_LT(relative_difference(logits[1], logits[0]), tolerance) << seed;
    ASSERT_EQ(gradients[0].size(), gradients[1].size());
    for (size_t g = 0; g < gradients[0].size(); ++g) {
      const double steepness = relative_difference(gradients[2][g], gradients[0][g]);
      EXPECT_LT(relative_difference(gradients[1][g], gradients[0][g]),
                4 * tolerance + 8 * std::min(steepness, 0.02))
          << seed << " " << g;
    }
    ASSERT_GT(relative_difference(own_model(whole)->forward(images).logits, logits[0]), 0.02)
        << "the gates did not matter";
  }
}

TEST_P(EveryVariantCut, CutModelsReloadAndAreCutAgain) {
  const SpecAndWeights once = cut_channels(dense(), draw_gates(GetParam().spec, 4));
  EXPECT_EQ(model_spec_from_json(to_json(once.spec), "json"), once.spec);
  const SpecAndWeights twice = cut_channels(once, draw_gates(once.spec, 5));
  const auto gated = own_model(once);
  const std::vector<ChannelGates> gates = draw_gates(once.spec, 5);
  for (int i = 0; i < gated->num_blocks(); ++i) gated->set_gates(i, gates[static_cast<size_t>(i)]);
  const at::NoGradGuard no_grad;
  const at::Tensor images = test::colour_input(2);
  EXPECT_LT(relative_difference(own_model(twice)->forward(images).logits, gated->forward(images).logits),
            test::float_tolerance(192, test::operations(once.spec), 16));
}

TEST_P(EveryVariantCut, EveryParameterOfTheAttentionHasItsChannels) {
  // Parameters that are not listed as channels must not depend on the widths.
  const ModelSpec& spec = GetParam().spec;
  ModelSpec narrow = spec;
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i) {
    BlockSpec& block = narrow.blocks[static_cast<size_t>(i)];
    if (architecture::can_prune(spec, i, architecture::ChannelGroup::kQk)) block.qk_dim -= 3;
    block.v_dim -= 2;
    block.mlp_dim -= 5;
  }
  const std::vector<architecture::ParameterInfo> wide = architecture::parameter_layout(spec),
                                                 small = architecture::parameter_layout(narrow);
  ASSERT_EQ(wide.size(), small.size());
  for (size_t i = 0; i < wide.size(); ++i) {
    bool named = false;
    for (int b = 0; b < static_cast<int>(spec.blocks.size()); ++b) {
      for (const architecture::ChannelSlice& slice : architecture::channel_slices(spec, b))
        named = named || slice.parameter == wide[i].name;
    }
    if (wide[i].shape != small[i].shape) {
      EXPECT_TRUE(named) << wide[i].name;
    }
  }
}

TEST(CutChannels, RefusesWhatCannotBeCut) {
  const ModelSpec spec = test::small_spec();
  const SpecAndWeights dense{spec, test::lively_weights(spec, 1)};
  std::vector<ChannelGates> gates(4);
  gates[1].v = at::ones({2, 16});
  gates[1].v[0][3] = 0;
  EXPECT_TRUE(contains(message_of<std::invalid_argument>([&] { cut_channels(dense, gates); }),
                       "block 1: heads keep different numbers"));
  gates[1].v = at::zeros({2, 16});
  EXPECT_TRUE(contains(message_of<std::invalid_argument>([&] { cut_channels(dense, gates); }),
                       "no channel of v is left"));
  gates[1].v = at::ones({2, 15});
  EXPECT_THROW(cut_channels(dense, gates), std::invalid_argument);
  EXPECT_THROW(cut_channels(dense, std::vector<ChannelGates>(3)), std::invalid_argument);
  const ModelSpec normed = test::variant("layerscale_qknorm");
  gates = std::vector<ChannelGates>(4);
  gates[0].qk = at::ones({2, 16});
  EXPECT_TRUE(contains(message_of<std::invalid_argument>(
                           [&] { cut_channels({normed, test::lively_weights(normed, 1)}, gates); }),
                       "q/k norm"));
}

}  // namespace
}  // namespace vitrim::surgery
