// A program that uses vitrim as a library. With a model alone it classifies an image; with layers too it
// takes their attention out and writes what is left.
//   classify_or_compress MODEL IMAGE_FOLDER
//   classify_or_compress MODEL OUT.safetensors LAYER...
#include <ATen/ATen.h>
#include <vitrim/data/loader.h>
#include <vitrim/eval/cost.h>
#include <vitrim/model/loading.h>
#include <vitrim/surgery/remove_attention.h>

#include <cstdlib>
#include <iostream>

int main(int argc, char** argv) try {
  if (argc < 3) throw std::invalid_argument("pass a model and images, or a model, an output file and layers");
  const auto model = vitrim::model::load_model(argv[1]);
  if (argc == 3) {
    const auto dataset = vitrim::data::open_dataset(argv[2]);
    vitrim::data::LoadOptions options;
    options.preprocess = model->spec().preprocess.value_or(vitrim::PreprocessSpec{});
    options.indices = {0};
    const at::Tensor image = vitrim::data::normalized(vitrim::data::load_images(*dataset, options), 0, 1);
    std::cout << dataset->name(0) << ": class " << model->forward(image).logits.argmax(1).item<int64_t>()
              << '\n';
    return 0;
  }
  std::vector<int> layers;
  for (int i = 3; i < argc; ++i) layers.push_back(std::atoi(argv[i]));
  const auto left = vitrim::surgery::remove_attention({model->spec(), model->parameters()}, layers);
  vitrim::model::save_model(*vitrim::model::make_model(left.spec, left.weights), argv[2]);
  std::cout << "parameters: " << vitrim::eval::count_cost(model->spec()).params << " before, "
            << vitrim::eval::count_cost(left.spec).params << " after\n";
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
