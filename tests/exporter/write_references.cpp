// For tests in other languages: writes models, what vitrim makes of an input, and the exports.
//
//   export_references FOLDER             every small model of models.h
//   export_references FOLDER MODEL...    these files or known architectures
//
// Of each model NAME: NAME.onnx and NAME.f16.onnx (dynamic batch), of one with int8 layers NAME.static.onnx
// too (with ranges of its input), NAME.timm.safetensors where timm has such a class (else NAME.timm.txt,
// which says why not), and NAME.reference.safetensors with `input` and `output` (LibTorch, float32).

#include <ATen/ATen.h>

#include <cstdio>
#include <exception>
#include <filesystem>

#include "models.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/core/atomic_file.h"
#include "vitrim/exporter/checkpoints.h"
#include "vitrim/exporter/input_ranges.h"
#include "vitrim/exporter/onnx.h"
#include "vitrim/model/loading.h"

namespace {

using namespace vitrim;

void write(const model::Model& model, const std::string& path) {
  const ModelSpec& spec = model.spec();
  const at::NoGradGuard no_grad;
  at::Generator generator = at::detail::createCPUGenerator(3);
  // Coarse structure and some noise: no two patches are alike, so that rounding does not decide the matching
  // of tokens.
  const at::Tensor coarse = at::randn({3, spec.in_channels, 4, 4}, generator);
  at::Tensor images =
      at::upsample_bilinear2d(coarse, {spec.image_size[0], spec.image_size[1]}, false) +
      0.3 * at::randn({3, spec.in_channels, spec.image_size[0], spec.image_size[1]}, generator);
  data::ImageBatch batch;
  if (spec.quantized()) {  // calibration takes pictures
    batch.pixels = images.mul(32).add(128).round().clamp(0, 255).to(at::kByte);
    batch.labels.assign(static_cast<size_t>(images.size(0)), -1);
    batch.preprocess.mean.fill(0.5);
    batch.preprocess.std.fill(0.25);
    images = data::normalized(batch, 0, images.size(0));
  }
  const model::Output out = model.forward(images);
  model::StateDict reference;
  reference.add("input", images);
  reference.add("output", spec.num_classes > 0 ? out.logits : out.features);
  checkpoint::save_safetensors(reference, path + ".reference.safetensors");
  exporter::OnnxOptions options;
  options.batch.reset();
  exporter::write_onnx(model, path + ".onnx", options);
  options.half = true;
  exporter::write_onnx(model, path + ".f16.onnx", options);
  if (spec.quantized()) {
    options.half = false;
    options.input_ranges = exporter::input_ranges(model, batch, /*batch_size=*/2);
    exporter::write_onnx(model, path + ".static.onnx", options);
  }
  if (spec.quantized()) return;
  try {
    checkpoint::save_safetensors(exporter::timm_model(model).dense.weights, path + ".timm.safetensors");
  } catch (const std::invalid_argument& refusal) {
    write_text_file(path + ".timm.txt", refusal.what());
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc < 2) throw std::invalid_argument("usage: export_references FOLDER [MODEL...]");
    const std::string folder = std::string(argv[1]) + "/";
    for (int i = 2; i < argc; ++i)
      write(*model::load_model(argv[i]), folder + std::filesystem::path(argv[i]).stem().string());
    if (argc > 2) return 0;
    for (const test::NamedModel& model : test::export_models())
      write(*test::make(model.parts), folder + model.name);
    for (const test::NamedModel& model : test::int8_models())
      write(*test::make(model.parts), folder + model.name);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "export_references: %s\n", error.what());
    return 1;
  }
}
