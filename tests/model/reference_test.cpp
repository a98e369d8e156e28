// Outputs and gradients of every family and kind of attention, and of merging, against an implementation in
// NumPy that shares nothing with the library (references/reference.py).

#include <torch/csrc/autograd/autograd.h>

#include "model/reference_files.h"

namespace vitrim {
namespace {

using test::relative_difference;

TEST(References, HoldEveryFamilyAndKind) {
  std::set<std::string> families, kinds;
  bool merges = false;
  for (const test::ReferenceFile& reference : test::reference_files()) {
    families.insert(reference.spec.family);
    for (const BlockSpec& block : reference.spec.blocks) kinds.insert(attention_name(block.attention));
    merges |= reference.spec.merges();
  }
  EXPECT_EQ(families.size(), architecture::families().size());
  EXPECT_EQ(kinds, (std::set<std::string>{"none", "softmax", "window", "focused_linear",
                                          "cross_shaped_window", "cross_focused_linear", "static"}));
  EXPECT_TRUE(merges);
}

TEST(References, OutputsAndGradients) {
  for (const test::ReferenceFile& reference : test::reference_files()) {
    const double tolerance = test::float_tolerance(192, test::operations(reference.spec), 8);
    const auto model = model::make_model(reference.spec, reference.weights);
    model->set_requires_grad(true);
    const at::Tensor output = model->forward(reference.file.at("input")).logits;
    EXPECT_LT(relative_difference(output, reference.file.at("output")), tolerance) << reference.name;

    std::vector<std::string> names;
    std::vector<at::Tensor> parameters;
    for (const auto& [name, tensor] : model->parameters().entries()) {
      if (!reference.file.contains("grads/" + name)) continue;
      names.push_back(name);
      parameters.push_back(tensor);
    }
    ASSERT_GT(names.size(), 10u) << reference.name;
    const auto gradients =
        torch::autograd::grad({(output * reference.file.at("output_weights")).sum()}, parameters);
    double largest = 0;
    for (const at::Tensor& gradient : gradients)
      largest = std::max(largest, gradient.abs().max().item<double>());
    for (size_t i = 0; i < names.size(); ++i) {
      const at::Tensor got =
          gradients[i].reshape(-1).index_select(0, reference.file.at("places/" + names[i]));
      const double error = (got - reference.file.at("grads/" + names[i])).abs().max().item<double>();
      // Some gradients are sums that cancel: that of a bias of keys is zero.
      const double scale = std::max(gradients[i].abs().max().item<double>(), 1e-2 * largest);
      EXPECT_LT(error / scale, 2 * tolerance) << reference.name << " " << names[i];
    }
  }
}

}  // namespace
}  // namespace vitrim
