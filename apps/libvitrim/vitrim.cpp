#include "vitrim/vitrim.h"

#include <exception>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

#include "vitrim/model/loading.h"
#include "vitrim/runtime/engine.h"

struct vitrim_engine {
  vitrim::runtime::Engine engine;
};

namespace {

thread_local std::string last_error;

// No exception may leave a C function.
template <typename Work>
bool guarded(const Work& work) {
  try {
    work();
    return true;
  } catch (const std::exception& error) {
    const std::string text = error.what();
    last_error = text.substr(0, text.find('\n'));
  } catch (...) {
    last_error = "unknown failure";
  }
  return false;
}

template <typename Pointer>
void need(Pointer* pointer, const char* name) {
  if (pointer == nullptr) throw std::invalid_argument(std::string(name) + " is NULL");
}

}  // namespace

extern "C" {

vitrim_engine* vitrim_load(const char* path, int threads, const char* precision) {
  vitrim_engine* out = nullptr;
  guarded([&] {
    need(path, "path");
    vitrim::runtime::cap_libraries();
    if (!std::filesystem::exists(path))
      throw std::invalid_argument(std::string(path) + ": there is no such file");
    const auto model = vitrim::model::load_model(path);
    out = new vitrim_engine{
        vitrim::runtime::Engine(model->spec(), model->parameters(),
                                {threads, vitrim::runtime::parse_precision(precision ? precision : "auto")})};
  });
  return out;
}

int vitrim_get_shape(const vitrim_engine* engine, vitrim_shape* shape) {
  return !guarded([&] {
    need(engine, "engine");
    need(shape, "shape");
    const vitrim::ModelSpec& spec = engine->engine.spec();
    *shape = {spec.in_channels,         spec.image_size[0], spec.image_size[1],
              engine->engine.outputs(), {0.5f, 0.5f, 0.5f}, {0.5f, 0.5f, 0.5f}};
    for (int c = 0; spec.preprocess && c < 3; ++c) {
      shape->mean[c] = static_cast<float>(spec.preprocess->mean[static_cast<size_t>(c)]);
      shape->std[c] = static_cast<float>(spec.preprocess->std[static_cast<size_t>(c)]);
    }
  });
}

int vitrim_run(vitrim_engine* engine, const float* images, int64_t batch, float* out) {
  return !guarded([&] {
    need(engine, "engine");
    if (batch < 0) throw std::invalid_argument("the batch is negative");
    if (batch == 0) return;
    need(images, "images");
    need(out, "out");
    engine->engine.run(images, batch, out);
  });
}

void vitrim_free(vitrim_engine* engine) { delete engine; }

const char* vitrim_error(void) { return last_error.c_str(); }
}
