#include "vitrim/vitrim.h"

#include <pthread.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "vitrim/architecture/hints.h"
#include "vitrim/architecture/infer.h"
#include "vitrim/core/log_capture.h"
#include "vitrim/data/pixels.h"
#include "vitrim/data/transform.h"
#include "vitrim/runtime/engine.h"
#include "vitrim/weights/open.h"

namespace {

using vitrim::runtime::Engine;

thread_local std::string last_error;

// A caller's handle is a number that is never reused, so an engine that was freed, or a pointer that never
// was an engine, can be detected. An engine stays alive until the last call that runs it has ended.
class Engines {
 public:
  static Engines& all() {
    static Engines& engines = *[] {  // never destroyed: other threads may run at exit
      // The lock is held during fork(), so that the forked process has a consistent table.
      pthread_atfork([] { all().mutex_.lock(); }, [] { all().mutex_.unlock(); },
                     [] { all().mutex_.unlock(); });
      return new Engines;
    }();
    return engines;
  }

  struct Held {
    std::shared_ptr<Engine> engine;
    std::shared_ptr<const std::string> warnings;
  };

  vitrim_engine* add(Held held) {
    const std::lock_guard lock(mutex_);
    last_ += 16;  // multiples of 16 like pointers, because some languages use the lowest bits
    auto* handle = reinterpret_cast<vitrim_engine*>(last_);  // NOLINT(performance-no-int-to-ptr)
    engines_.emplace(handle, std::move(held));
    return handle;
  }

  Held get(const vitrim_engine* handle) {
    if (handle == nullptr) throw std::invalid_argument("engine is NULL");
    const std::lock_guard lock(mutex_);
    const auto found = engines_.find(handle);
    if (found == engines_.end())
      throw std::invalid_argument("engine was not returned by vitrim_load, or it was freed");
    return found->second;
  }

  /// Does not wait: the last call that holds the engine destroys it.
  void remove(const vitrim_engine* handle) {
    Held held;  // destroyed after the lock is released
    const std::lock_guard lock(mutex_);
    const auto found = engines_.find(handle);
    if (found == engines_.end()) return;
    held = std::move(found->second);
    engines_.erase(found);
  }

 private:
  std::mutex mutex_;
  std::map<const vitrim_engine*, Held> engines_;
  uintptr_t last_ = 0;
};

// No exception may leave a C function.
template <typename Work>
bool guarded(const Work& work) {
  try {
    try {
      work();
      return true;
    } catch (const std::exception& error) {
      const std::string_view text = error.what();
      last_error = text.substr(0, text.find('\n'));
    }
  } catch (...) {  // no memory for the sentence, or not a std::exception
    last_error.clear();
    last_error += "unknown";  // short enough to need no allocation
  }
  return false;
}

template <typename Pointer>
void need(Pointer* pointer, const char* name) {
  if (pointer == nullptr) throw std::invalid_argument(std::string(name) + " is NULL");
}

vitrim::architecture::LoadHints hints_of(const vitrim_hints* given) {
  vitrim::architecture::LoadHints out;
  if (given == nullptr) return out;
  const auto number = [](const char* name, auto value, double low, double high) {
    if (!(static_cast<double>(value) >= low && static_cast<double>(value) <= high))
      throw std::invalid_argument(std::string("the hint ") + name + " is out of range");
    return value;
  };
  if (given->num_heads != 0) out.num_heads = {number("num_heads", given->num_heads, 1, 65536)};
  if (given->image_size != 0) out.image_size = number("image_size", given->image_size, 1, 65536);
  if (given->stream_gain != 0) out.stream_gain = number("stream_gain", given->stream_gain, 1, 2);
  if (given->norm_eps != 0) out.norm_eps = number("norm_eps", given->norm_eps, 0, 1);
  if (given->activation != nullptr)
    out.activation = vitrim::architecture::parse_activation(given->activation);
  if (given->pooling != nullptr) out.pooling = vitrim::architecture::parse_pooling(given->pooling);
  if (given->weights != nullptr) out.weights = given->weights;
  return out;
}

}  // namespace

extern "C" {

vitrim_engine* vitrim_load_as(const char* path, int threads, const char* precision,
                              const vitrim_hints* hints) {
  vitrim_engine* out = nullptr;
  guarded([&] {
    need(path, "path");
    if (!std::filesystem::exists(path))
      throw std::invalid_argument(std::string(path) + ": there is no such file");
    const auto chosen = vitrim::runtime::parse_precision(precision ? precision : "auto");
    const vitrim::LogCapture said;
    const vitrim::weights::Opened model = vitrim::weights::open(path, hints_of(hints));
    auto engine = std::make_shared<Engine>(model.spec, vitrim::weights::parameters_of(model),
                                           vitrim::runtime::EngineOptions{threads, chosen});
    std::string warnings;
    const auto add = [&](const std::string& text) { warnings += (warnings.empty() ? "" : "\n") + text; };
    for (const std::string& text : said.warnings()) add(text);
    if (!model.spec.preprocess)
      add(std::string(path) +
          " does not state how its images were normalised; assumed: mean 0.5 and standard deviation 0.5");
    out = Engines::all().add({std::move(engine), std::make_shared<const std::string>(std::move(warnings))});
  });
  return out;
}

vitrim_engine* vitrim_load(const char* path, int threads, const char* precision) {
  return vitrim_load_as(path, threads, precision, nullptr);
}

const char* vitrim_warnings(const vitrim_engine* engine) {
  const char* out = "";
  guarded([&] { out = Engines::all().get(engine).warnings->c_str(); });  // the table keeps it alive
  return out;
}

int vitrim_get_shape(const vitrim_engine* engine, vitrim_shape* shape) {
  return !guarded([&] {
    const auto held = Engines::all().get(engine).engine;
    need(shape, "shape");
    const vitrim::ModelSpec& spec = held->spec();
    *shape = {spec.in_channels, spec.image_size[0], spec.image_size[1],
              held->outputs(),  {0.5f, 0.5f, 0.5f}, {0.5f, 0.5f, 0.5f}};
    for (int c = 0; spec.preprocess && c < 3; ++c) {
      shape->mean[c] = static_cast<float>(spec.preprocess->mean[static_cast<size_t>(c)]);
      shape->std[c] = static_cast<float>(spec.preprocess->std[static_cast<size_t>(c)]);
    }
  });
}

int vitrim_run_sized(vitrim_engine* engine, const float* images, int64_t image_values, int64_t batch,
                     float* out, int64_t out_values) {
  return !guarded([&] {
    const auto held = Engines::all().get(engine).engine;
    if (image_values < 0 || out_values < 0) throw std::invalid_argument("a number of values is negative");
    if (image_values > 0) need(images, "images");
    if (out_values > 0) need(out, "out");
    held->run({images, static_cast<size_t>(image_values)}, batch, {out, static_cast<size_t>(out_values)});
  });
}

int vitrim_run(vitrim_engine* engine, const float* images, int64_t batch, float* out) {
  return !guarded([&] {
    const auto held = Engines::all().get(engine).engine;
    const vitrim::ModelSpec& spec = held->spec();
    const int64_t pixels = spec.in_channels * spec.image_size[0] * spec.image_size[1];
    if (batch < 0) throw std::invalid_argument("the batch is negative");
    if (batch > INT64_MAX / 4 / std::max(pixels, held->outputs()))
      throw std::invalid_argument("the batch is larger than any memory");
    if (batch == 0) return;
    need(images, "images");
    need(out, "out");
    held->run({images, static_cast<size_t>(batch * pixels)}, batch,
              {out, static_cast<size_t>(batch * held->outputs())});
  });
}

int vitrim_prepare(const vitrim_engine* engine, const uint8_t* pixels, int64_t height, int64_t width,
                   float* out, int64_t out_values) {
  return !guarded([&] {
    const auto held = Engines::all().get(engine).engine;
    const vitrim::ModelSpec& spec = held->spec();
    const int64_t channels = vitrim::data::image_channels(spec, "this engine");
    if (!spec.preprocess)
      throw std::invalid_argument(
          "the checkpoint does not state how its images were prepared; prepare them yourself and call "
          "vitrim_run");
    if (height < 1 || width < 1 || height > vitrim::data::kMaxPixels / width)
      throw std::invalid_argument("an image has at least 1 pixel and at most " +
                                  std::to_string(vitrim::data::kMaxPixels));
    if (out_values != channels * spec.image_size[0] * spec.image_size[1])
      throw std::invalid_argument("out must hold channels * height * width floats, and " +
                                  std::to_string(out_values) + " were given");
    need(pixels, "pixels");
    need(out, "out");
    vitrim::PreprocessSpec prepared = *spec.preprocess;
    prepared.crop = spec.image_size[0];
    vitrim::data::Image image{height, width, {pixels, pixels + height * width * 3}};
    vitrim::data::ResizeLimit{vitrim::data::kMaxPixels, "the image"}.check(image, prepared);
    if (channels == 1) vitrim::data::make_grey(image);
    vitrim::data::normalize(vitrim::data::preprocess(image, prepared), prepared, out, channels);
  });
}

void vitrim_free(vitrim_engine* engine) { Engines::all().remove(engine); }

const char* vitrim_error(void) { return last_error.c_str(); }
}
