// The closed form of static attention: least squares, channel by channel, and a student that gets close.

#include "../../src/absorb/static_fit.h"

#include "model/small_models.h"
#include "vitrim/absorb/absorb.h"
#include "vitrim/model/static_attention.h"
#include "vitrim/surgery/make_static.h"
#include "vitrim/surgery/remove_attention.h"

namespace vitrim::absorb {
namespace {

std::unique_ptr<model::Model> own(const surgery::SpecAndWeights& parts) {
  model::StateDict copy;
  for (const auto& [name, tensor] : parts.weights.entries()) copy.add(name, tensor.clone());
  return model::make_model(parts.spec, copy);
}

class StaticFit : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const ModelSpec spec = test::variant(GetParam());
    dense_ = test::lively_model(spec);
    fixed_ = own(surgery::make_static({spec, dense_->parameters()}, {1}));
  }

  // Mean squared error of the last projection's input.
  double distance(const at::Tensor& x) const {
    model::BlockTrace now, wanted;
    fixed_->run_block(1, x, model::kKeep, &now);
    dense_->run_block(1, x, model::kKeep, &wanted);
    return (now.mixed - wanted.mixed).square().mean().item<double>();
  }

  std::unique_ptr<model::Model> dense_, fixed_;
};
INSTANTIATE_TEST_SUITE_P(Variants, StaticFit,
                         testing::Values("plain", "registers", "average_pooled", "swin", "cswin"),
                         [](const auto& info) { return info.param; });

TEST_P(StaticFit, NoOtherWeightsAreNearer) {
  const at::NoGradGuard no_grad;
  at::Tensor x = dense_->embed(test::colour_input(48));
  x = dense_->run_block(0, x, model::kKeep, nullptr);
  const double uniform = distance(x);
  ASSERT_TRUE(can_fit_static(*fixed_, *dense_, 1));
  EXPECT_FALSE(can_fit_static(*fixed_, *dense_, 0));
  EXPECT_FALSE(can_fit_static(*fixed_, *fixed_, 1)) << "a static teacher's filters are already there";
  AbsorbOptions options;
  options.ridge_patches = 64;  // all of them
  fit_static(*fixed_, *dense_, 1, x, x, options);
  const double best = distance(x);
  EXPECT_LT(best, uniform);
  // A step along any direction is worse by its square; the ridge (1e-4 of the mean square) shifts the least
  // by far less than a step of a tenth.
  for (const auto& [name, tensor] : fixed_->parameters().entries()) {
    if (!name.ends_with("shares") && !name.ends_with("filter.weight")) continue;
    const at::Tensor fitted = tensor.clone();
    for (const double step : {-0.1, 0.1}) {
      at::Generator generator = at::detail::createCPUGenerator(4);
      fixed_->set_parameter(name, fitted + step * at::randn(fitted.sizes(), generator));
      EXPECT_GT(distance(x), best) << name << " " << step;
    }
    fixed_->set_parameter(name, fitted);
  }
}

TEST_P(StaticFit, AStaticStudentIsNearerThanOneWithoutAttention) {
  AbsorbOptions options;
  options.batch_size = 16;
  const auto removed = own(surgery::remove_attention({dense_->spec(), dense_->parameters()}, {1}));
  const data::ImageBatch images = test::colour_images(80);
  const AbsorbReport with = absorb(*fixed_, *dense_, images, options),
                     without = absorb(*removed, *dense_, images, options);
  EXPECT_LT(with.kl, with.plain_kl);
  EXPECT_LT(with.kl, without.kl);
}

}  // namespace
}  // namespace vitrim::absorb
