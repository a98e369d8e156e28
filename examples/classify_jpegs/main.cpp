// Classifies images with only vitrim's engine: classify_jpegs MODEL.safetensors FOLDER_OF_JPEGS [THREADS]
#include <vitrim/data/loader.h>
#include <vitrim/model/floats.h>
#include <vitrim/model/loading.h>
#include <vitrim/runtime/engine.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <vector>

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: classify_jpegs MODEL FOLDER [THREADS]\n";
    return 2;
  }
  try {
    // The checkpoint is read once; after this line only the engine computes.
    const auto model = vitrim::model::load_model(argv[1]);
    vitrim::runtime::Engine engine(model->spec(), model->parameters(), {argc > 3 ? std::atoi(argv[3]) : 1});

    const auto folder = vitrim::data::open_dataset(argv[2]);
    vitrim::data::LoadOptions options;
    if (!engine.spec().preprocess)
      throw std::runtime_error(
          "the checkpoint does not state how images are normalised; let `vitrim` write it");
    options.preprocess = *engine.spec().preprocess;
    const vitrim::data::ImageBatch images = vitrim::data::load_images(*folder, options);

    const auto pixels = vitrim::data::normalized(images, 0, images.size());
    std::vector<float> logits(static_cast<size_t>(images.size() * engine.outputs()));
    engine.run(vitrim::model::floats_of(pixels), images.size(), logits);
    for (int64_t i = 0; i < images.size(); ++i) {
      const auto row = logits.begin() + i * engine.outputs();
      std::cout << images.names[static_cast<size_t>(i)] << ": class "
                << std::max_element(row, row + engine.outputs()) - row << '\n';
    }
    return 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
