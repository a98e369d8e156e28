// Static attention: its computation, its creation from other kinds, and that the fit finds it.

#include "vitrim/surgery/make_static.h"

#include "core/expect_message.h"
#include "core/expect_throw.h"
#include "model/small_models.h"
#include "vitrim/architecture/channels.h"
#include "vitrim/architecture/cost.h"
#include "vitrim/architecture/stages.h"
#include "vitrim/model/static_attention.h"

namespace vitrim::surgery {
namespace {

class MakeStatic : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Variants, MakeStatic,
                         testing::Values("plain", "registers", "layerscale_qknorm", "no_qkv_bias", "swin",
                                         "flatten_swin", "cswin"),
                         [](const auto& info) { return info.param; });

// By the definition, place by place, in double precision.
TEST_P(MakeStatic, ComputesItsDefinition) {
  const at::NoGradGuard no_grad;
  const auto dense = test::lively_model(test::variant(GetParam()));
  SpecAndWeights parts = make_static({dense->spec(), dense->parameters()}, {1});
  at::Generator generator = at::detail::createCPUGenerator(9);
  const std::string names = architecture::projection_name(parts.spec, 1),
                    at_names = names.substr(0, names.size() - 4);
  const at::Tensor filter = at::randn(parts.weights.at(at_names + "filter.weight").sizes(), generator),
                   shares = at::randn(parts.weights.at(at_names + "shares").sizes(), generator);
  parts.weights.set(at_names + "filter.weight", filter);
  parts.weights.set(at_names + "shares", shares);
  const auto fixed = model::make_model(parts.spec, parts.weights);
  at::Tensor x = fixed->embed(test::colour_input(2));
  x = fixed->run_block(0, x, model::kKeep, nullptr);
  model::BlockTrace trace;
  fixed->run_block(1, x, model::kKeep, &trace);

  const int64_t prefix = parts.spec.prefix_tokens();
  const Grid grid = parts.spec.block_grid(1);
  const at::Tensor v = model::static_values(*fixed, 1, trace.input).to(at::kDouble);
  const at::Tensor map = v.slice(1, prefix);
  at::Tensor wanted = at::zeros_like(v);
  std::vector<at::Tensor> sources = {map.mean(1)};
  for (int64_t p = 0; p < prefix; ++p) sources.push_back(v.select(1, p));
  for (int64_t token = 0; token < v.size(1); ++token) {
    const int64_t to = token < prefix ? 1 + token : 0;
    for (int64_t from = 0; from <= prefix; ++from)
      wanted.select(1, token).add_(shares.select(1, to).select(1, from) * sources[static_cast<size_t>(from)]);
    if (token < prefix) continue;
    const int64_t y = (token - prefix) / grid.width, at_x = (token - prefix) % grid.width;
    for (int64_t dy = -1; dy <= 1; ++dy) {
      for (int64_t dx = -1; dx <= 1; ++dx) {
        if (y + dy < 0 || y + dy >= grid.height || at_x + dx < 0 || at_x + dx >= grid.width) continue;
        wanted.select(1, token).add_(filter.select(1, 0).select(1, 1 + dy).select(1, 1 + dx) *
                                     map.select(1, (y + dy) * grid.width + at_x + dx));
      }
    }
  }
  // Nine neighbours and the shares of a mean of 64 tokens at most, once through.
  EXPECT_LT(test::relative_difference(trace.mixed, wanted), test::float_tolerance(64 + 9 + 6, 2, 4));
}

TEST_P(MakeStatic, KeepsValuesAndDropsQueriesAndKeys) {
  const auto dense = test::lively_model(test::variant(GetParam()));
  const SpecAndWeights parts = make_static({dense->spec(), dense->parameters()}, {1, 2});
  const auto fixed = model::make_model(parts.spec, parts.weights);
  const BlockSpec &before = dense->spec().blocks[1], &after = fixed->spec().blocks[1];
  EXPECT_EQ(after.attention, AttentionKind::kStatic);
  EXPECT_EQ(after.qk_dim, 0);
  EXPECT_EQ(after.v_dim, before.v_dim);
  EXPECT_EQ(after.filter, 3);
  EXPECT_EQ(fixed->spec().blocks[0], dense->spec().blocks[0]);
  EXPECT_LT(architecture::total_macs(fixed->spec()), architecture::total_macs(dense->spec()));
  EXPECT_FALSE(architecture::can_prune(fixed->spec(), 1, architecture::ChannelGroup::kQk));
  EXPECT_TRUE(architecture::can_prune(fixed->spec(), 1, architecture::ChannelGroup::kV));
  // Uniform attention to begin with: what every token reads is the mean of the dense model's values over the
  // map.
  const at::NoGradGuard no_grad;
  at::Tensor x = dense->embed(test::colour_input(2));
  x = dense->run_block(0, x, model::kKeep, nullptr);
  model::BlockTrace trace;
  fixed->run_block(1, x, model::kKeep, &trace);
  const at::Tensor mean =
      model::static_values(*fixed, 1, trace.input).slice(1, fixed->spec().prefix_tokens()).mean(1, true);
  EXPECT_LT(test::relative_difference(trace.mixed, mean.expand_as(trace.mixed)),
            test::float_tolerance(64, 2, 4));
}

TEST(MakeStatic, RefusesWhatCanNotBe) {
  const ModelSpec spec = test::small_spec();
  EXPECT_THROW(make_static(spec, {4}), std::invalid_argument);
  EXPECT_THROW(make_static(spec, {1, 1}), std::invalid_argument);
  EXPECT_THROW(make_static(spec, {1}, 4), std::invalid_argument);
  EXPECT_THROW(make_static(make_static(spec, {1}), {1}), std::invalid_argument);
  EXPECT_THROW(make_static(remove_attention(spec, {1}), {1}), std::invalid_argument);
  EXPECT_TRUE(contains(message_of<std::invalid_argument>([] { make_static(test::staged_spec("pvt"), {0}); }),
                       "smaller map"));
  ModelSpec merging = spec;
  merging.blocks[0].merge = 2;
  EXPECT_TRUE(contains(message_of<std::invalid_argument>([&] { make_static(merging, {1}); }),
                       "needs every token in its place"));
}

}  // namespace
}  // namespace vitrim::surgery
