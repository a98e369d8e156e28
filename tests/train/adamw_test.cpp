#include "vitrim/train/adamw.h"

#include <gtest/gtest.h>

#include <cmath>

namespace vitrim::train {
namespace {

at::Tensor normal(at::IntArrayRef shape, uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed));
}

// Loshchilov and Hutter: p -= rate * decay * p, then p -= rate * m^ / (sqrt(v^) + eps), in float64.
TEST(AdamW, IsTheFormula) {
  const AdamWOptions options{0.9, 0.99, 1e-6, 0.1};
  for (bool decay_vectors : {false, true}) {
    std::vector<at::Tensor> parameters = {normal({3, 4}, 1), normal({5}, 2), normal({1, 1, 2}, 3)};
    std::vector<at::Tensor> expected, first, second;
    for (const at::Tensor& p : parameters) {
      expected.push_back(p.to(at::kDouble));
      first.push_back(at::zeros_like(expected.back()));
      second.push_back(at::zeros_like(expected.back()));
    }
    AdamW adam(parameters, options, decay_vectors ? std::vector<bool>(3, true) : std::vector<bool>());
    for (int step = 1; step <= 3; ++step) {
      const double rate = 0.01 * step;
      std::vector<at::Tensor> gradients;
      for (size_t i = 0; i < parameters.size(); ++i) {
        gradients.push_back(normal(parameters[i].sizes(), 10 * step + i));
        const at::Tensor g = gradients[i].to(at::kDouble);
        const bool decays = decay_vectors || parameters[i].dim() > 1;
        if (decays) expected[i] = expected[i] * (1 - rate * options.weight_decay);
        first[i] = options.beta1 * first[i] + (1 - options.beta1) * g;
        second[i] = options.beta2 * second[i] + (1 - options.beta2) * g * g;
        const at::Tensor m = first[i] / (1 - std::pow(options.beta1, step)),
                         v = second[i] / (1 - std::pow(options.beta2, step));
        expected[i] = expected[i] - rate * m / (v.sqrt() + options.eps);
      }
      adam.step(gradients, rate);
      for (size_t i = 0; i < parameters.size(); ++i) {
        // Some ten roundings of 2^-24 on values of order 3.
        EXPECT_LT((parameters[i] - expected[i]).abs().max().item<double>(), 2e-6)
            << "parameter " << i << ", step " << step;
      }
    }
  }
}

}  // namespace
}  // namespace vitrim::train
