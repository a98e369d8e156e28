// int8 fitted to images, on small models: outlier channels, every variant, the ranking and a budget.

#include "vitrim/quantize/calibrate.h"

#include <map>

#include "core/expect_throw.h"
#include "model/small_models.h"
#include "quantize/equalise.h"
#include "quantize/work.h"
#include "vitrim/analysis/distortion.h"
#include "vitrim/core/error.h"

namespace vitrim::quantize {
namespace {

CalibrateOptions quick_options() {
  CalibrateOptions options;
  options.batch_size = 16;
  return options;
}

double feature_error(const model::Model& dense, const model::Model& changed, const at::Tensor& images) {
  const at::NoGradGuard no_grad;
  return analysis::relative_error(dense.forward(images).features, changed.forward(images).features);
}

// Outliers as in large self-supervised ViTs: a few input channels of layers are hundreds of times as large as
// all others, and the weights that read them are smaller by the same factor. The model computes the same.
std::unique_ptr<model::Model> with_outliers(const model::Model& model, float times) {
  const at::NoGradGuard no_grad;
  auto out = model.clone();
  const auto multiply = [&](const std::string& name, int64_t dim, int64_t at, double by) {
    const at::Tensor value = out->parameter(name).clone();
    value.select(dim, at).mul_(by);
    out->set_parameter(name, value);
  };
  const int64_t width = model.spec().embed_dim;
  for (int i = 0; i < out->num_blocks(); ++i) {
    const std::string prefix = "blocks." + std::to_string(i) + ".";
    for (const auto& [norm, layer] : {std::pair("norm1", "attn.qkv"), std::pair("norm2", "mlp.fc1")}) {
      multiply(prefix + norm + ".weight", 0, 3 + i, times);
      multiply(prefix + norm + ".bias", 0, 3 + i, times);
      multiply(prefix + layer + ".weight", 1, 3 + i, 1 / times);
    }
    multiply(prefix + "attn.qkv.weight", 0, 2 * width + 5, times);
    multiply(prefix + "attn.qkv.bias", 0, 2 * width + 5, times);
    multiply(prefix + "attn.proj.weight", 1, 5, 1 / times);
    // GELU does not change large values: a unit that is always on.
    multiply(prefix + "mlp.fc1.weight", 0, 7, 0);
    const at::Tensor bias = out->parameter(prefix + "mlp.fc1.bias").clone();
    bias[7] = times;
    out->set_parameter(prefix + "mlp.fc1.bias", bias);
    multiply(prefix + "mlp.fc2.weight", 1, 7, 1 / times);
  }
  return out;
}

TEST(Calibrate, OutlierChannelsRuinThePlainFormAlone) {
  const auto calm = test::lively_model(test::small_spec());
  const auto dense = with_outliers(*calm, 300);
  const at::Tensor unseen = test::colour_input(40, /*seed=*/11);
  const auto plain = quantize(*dense).model;
  const Quantized calibrated = calibrate(*dense, test::colour_images(60), {}, quick_options());
  const double ruined = feature_error(*dense, *plain, unseen),
               saved = feature_error(*dense, *calibrated.model, unseen),
               usual = feature_error(*calm, *quantize(*calm).model, unseen);
  EXPECT_GT(ruined, 0.3);
  EXPECT_LT(saved, 0.05);
  EXPECT_LT(saved, 3 * usual) << "nearly as good as without outliers";
  EXPECT_LT(calibrated.figures.kl, 0.1 * calibrated.figures.plain_kl);
  EXPECT_GT(calibrated.figures.agreement, calibrated.figures.plain_agreement);
  int equalised = 0;
  for (const QuantizedLayer& layer : calibrated.figures.layers) equalised += layer.alpha > 0;
  EXPECT_GT(equalised, 8) << "of 16 layers";
  EXPECT_TRUE(calibrated.model->has_parameter("blocks.0.mlp.fc2.input_gain"));
}

TEST(Calibrate, EqualisedFloatModelsComputeTheSame) {
  const at::Tensor images = test::colour_input(5);
  for (const test::Variant& variant : test::variants()) {
    const auto dense = test::lively_model(variant.spec);
    const std::vector<QuantizedUnit> units = units_to_quantize(variant.spec, {});
    Work work(*dense, units);
    int done = 0;
    for (const QuantizedUnit& unit : units) {
      if (!can_equalise(variant.spec, unit)) continue;
      const int64_t width = work.weight(unit.layers.front()).size(1);
      const at::Tensor largest = at::rand({width}, at::detail::createCPUGenerator(2)) * 20;
      largest[0] = 0;
      equalise(work, unit, equalising_factors(work, unit, largest, 0.5));
      ++done;
    }
    EXPECT_GT(done, 7) << variant.name;
    const at::NoGradGuard no_grad;
    EXPECT_LT(
        test::relative_difference(work.with_int8({})->forward(images).logits, dense->forward(images).logits),
        test::float_tolerance(64, test::operations(variant.spec), 100))
        << variant.name;
  }
}

TEST(Calibrate, NoVariantIsFartherThanThePlainForm) {
  const data::ImageBatch images = test::colour_images(16);
  for (const test::Variant& variant : test::all_variants(/*depth=*/2)) {
    const auto dense = test::lively_model(variant.spec);
    const Quantized found = calibrate(*dense, images, {}, quick_options());
    EXPECT_TRUE(found.model->spec().quantized()) << variant.name;
    if (variant.spec.segmentation) continue;
    EXPECT_LE(found.figures.kl, found.figures.plain_kl) << variant.name;
    for (const QuantizedLayer& layer : found.figures.layers) {
      ASSERT_TRUE(layer.kl.has_value()) << variant.name << " " << layer.name;
      EXPECT_GT(*layer.kl, 0) << variant.name << " " << layer.name;
    }
  }
}

TEST(Calibrate, BringsUnseenImagesNearer) {
  const auto dense = test::lively_model(test::small_spec());
  const at::Tensor unseen = test::colour_input(60, /*seed=*/12);
  const Quantized found = calibrate(*dense, test::colour_images(100), {}, quick_options());
  EXPECT_LT(feature_error(*dense, *found.model, unseen),
            0.95 * feature_error(*dense, *quantize(*dense).model, unseen));
  EXPECT_EQ(found.figures.fit_images, 80);
  EXPECT_EQ(found.figures.held_out_images, 20);
}

TEST(Calibrate, ABudgetTakesTheWorstLayersOut) {
  const auto dense = with_outliers(*test::lively_model(test::small_spec()), 3);
  const data::ImageBatch images = test::colour_images(40);
  const Quantized all = calibrate(*dense, images, {}, quick_options());
  CalibrateOptions options = quick_options();
  options.budget_kl = 0.5 * all.figures.kl;
  const Quantized some = calibrate(*dense, images, {}, options);
  EXPECT_LE(some.figures.kl, *options.budget_kl);
  std::map<bool, std::vector<double>> kl;
  for (const QuantizedLayer& layer : some.figures.layers) kl[layer.int8].push_back(layer.kl.value());
  ASSERT_FALSE(kl[false].empty());
  ASSERT_FALSE(kl[true].empty());
  EXPECT_GE(*std::min_element(kl[false].begin(), kl[false].end()),
            *std::max_element(kl[true].begin(), kl[true].end()));
  for (const QuantizedLayer& layer : some.figures.layers) {
    EXPECT_EQ(some.model->parameter(layer.name + ".weight").scalar_type(),
              layer.int8 ? at::kChar : at::kFloat);
  }
  options.budget_kl = 1e-12;
  EXPECT_THROW(calibrate(*dense, images, {}, options), Error);
}

TEST(Calibrate, RefusesTooFewImages) {
  const auto dense = test::lively_model(test::small_spec());
  EXPECT_THROW(calibrate(*dense, test::colour_images(7), {}, quick_options()), std::invalid_argument);
}

}  // namespace
}  // namespace vitrim::quantize
