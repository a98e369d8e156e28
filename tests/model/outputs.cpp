// Prints the outputs of models, for tests from outside: model_outputs INPUT.safetensors MODEL OUT.safetensors
// [MODEL OUT.safetensors]... INPUT contains `input` [B, 3, H, W]; OUT gets `features` and, if the model has
// them, `logits`, `head` and `head_dist`. For a model that can't be read, OUT contains no tensor, and the
// reason in its metadata `error`.

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <cstdio>
#include <exception>

#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/core/error.h"
#include "vitrim/model/loading.h"

namespace {

vitrim::model::StateDict outputs_of(const std::string& source, const at::Tensor& input) {
  vitrim::model::StateDict out;
  try {
    const auto model = vitrim::model::load_model(source);
    const vitrim::model::Output answer = model->forward(input);
    const std::pair<const char*, at::Tensor> parts[] = {{"features", answer.features},
                                                        {"logits", answer.logits},
                                                        {"head", answer.head},
                                                        {"head_dist", answer.head_dist}};
    for (const auto& [name, tensor] : parts) {
      if (tensor.defined()) out.add(name, tensor);
    }
  } catch (const vitrim::Error& error) {
    out.metadata["error"] = error.what();
  }
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  const c10::InferenceMode inference;
  try {
    if (argc < 4 || argc % 2 != 0)
      throw vitrim::Error(
          "usage: model_outputs INPUT.safetensors MODEL OUT.safetensors [MODEL OUT.safetensors]...");
    const at::Tensor input = vitrim::model::StateDict(vitrim::checkpoint::load(argv[1])).at("input");
    for (int i = 2; i < argc; i += 2)
      vitrim::checkpoint::save_safetensors(outputs_of(argv[i], input), argv[i + 1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "model_outputs: %s\n", error.what());
    return 1;
  }
  return 0;
}
