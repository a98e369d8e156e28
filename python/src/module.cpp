// vitrim._library: the C++ library for Python. The package's Python files (native.py, jobs.py, engine.py)
// wrap it.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/core/grad_mode.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <torch/headeronly/version.h>

#include <chrono>
#include <exception>
#include <map>
#include <stdexcept>
#include <system_error>

#include "images.h"
#include "job.h"
#include "options.h"
#include "rules.h"
#include "tensors.h"
#include "text.h"
#include "vitrim/architecture/infer.h"
#include "vitrim/core/artifact_json.h"
#include "vitrim/core/atomic_file.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log_capture.h"
#include "vitrim/core/manifest.h"
#include "vitrim/eval/features.h"
#include "vitrim/hub/hub.h"
#include "vitrim/model/floats.h"
#include "vitrim/model/loading.h"
#include "vitrim/pipeline/quantize.h"
#include "vitrim/runtime/engine.h"

namespace vitrim::python {

namespace py = pybind11;

namespace {

using Clock = std::chrono::steady_clock;
using ModelPointer = std::shared_ptr<model::Model>;
using Images = std::shared_ptr<data::Dataset>;

data::DatasetOptions dataset_options(const py::dict& values) {
  data::DatasetOptions out;
  Options given(values);
  given.take("classes", out.classes_file);
  std::string order;
  if (given.take("class_order", order)) out.class_order = data::parse_class_order(order);
  given.take("class_names", out.class_names);
  given.take("labelled", out.labels);
  given.take("max_pixels", out.max_pixels, 1, 1e12);
  given.finish();
  return out;
}

// The result of `open`, which is called without the GIL; its warnings are appended to the list.
template <typename Open>
auto opened(py::list& warnings, const Open& open) {
  std::vector<std::string> said;
  auto out = [&] {
    const py::gil_scoped_release unlocked;
    const LogCapture capture;
    auto made = open();
    said = capture.warnings();
    return made;
  }();
  for (const std::string& text : said) warnings.append(shown(in_python(text)));
  return out;
}

ModelPointer open_model(const std::string& source, const py::dict& values, py::list& warnings) {
  Options given(values);
  const architecture::LoadHints hints = load_hints(given);
  given.finish();
  return opened(warnings, [&] { return ModelPointer(model::load_model(source, hints)); });
}

ModelPointer model_of(const std::string& spec, const py::list& state) {
  model::StateDict weights;
  for (const py::handle& item : state) {
    const auto pair = item.cast<std::pair<std::string, py::capsule>>();
    weights.add(pair.first, from_capsule(pair.second));
  }
  return model::make_model(model_spec_from_json(spec, "the module"), weights);
}

py::list state_of(const model::Model& model) {
  py::list out;
  for (const auto& [name, tensor] : model.parameters().entries())
    out.append(py::make_tuple(name, to_capsule(tensor)));
  return out;
}

py::capsule run_model(const model::Model& model, const py::capsule& images) {
  const at::Tensor input = from_capsule(images);
  at::Tensor out;
  {
    const py::gil_scoped_release unlocked;
    const at::AutoGradMode no_grad(false);
    const model::Output output = model.forward(input);
    out = output.logits.defined() ? output.logits : output.features;
  }
  return to_capsule(out);
}

data::LoadOptions load_options(const model::Model& model, const Common& common) {
  data::LoadOptions options;
  options.channels = data::image_channels(model.spec(), common.model);
  options.preprocess = common.preprocess;
  options.threads = common.threads;
  options.max_corrupt = common.max_corrupt;
  return options;
}

data::ImageBatch load(const model::Model& model, const data::Dataset& dataset, const Common& common) {
  data::LoadOptions options = load_options(model, common);
  if (common.images > 0) options.indices = data::spread_indices(dataset.size(), common.images);
  return data::load_images(dataset, options);
}

Manifest manifest_of(const Common& common, const std::string& fingerprint) {
  Manifest manifest = make_manifest(common.command, common.seed, at::get_num_threads());
  manifest.torch_version = TORCH_VERSION;
  manifest.instruction_set = at::get_cpu_capability();
  manifest.data_fingerprint = fingerprint;
  return manifest;
}

double seconds_since(Clock::time_point started) {
  return std::chrono::duration<double>(Clock::now() - started).count();
}

std::string analyze(const ModelPointer& model, const Images& images, const py::dict& values,
                    const py::object& notify) {
  Options given(values);
  const Common common = common_options(given);
  const pipeline::AnalyzeOptions options = analyze_options(given, common, model->num_blocks());
  given.finish();
  std::string json;
  run_job(notify, common.threads, [&] {
    model->set_compute_dtype(model::parse_compute_dtype(common.precision));
    const data::ImageBatch batch = load(*model, *images, common);
    LayerScores scores = pipeline::analyze(*model, batch, options);
    scores.manifest = manifest_of(common, batch.fingerprint);
    scores.model = common.model;
    json = to_json(scores);
  });
  return json;
}

// `gallery` contains the labelled images by which features are evaluated, `reference` is the model whose
// neighbours count as right; null if not requested.
std::string evaluate(const ModelPointer& model, const Images& images, const Images& gallery,
                     const ModelPointer& reference, const py::dict& values, const py::object& notify) {
  Options given(values);
  const Common common = common_options(given);
  const FeatureOptions features = feature_options(given);
  given.finish();
  eval::AccuracyOptions accuracy = accuracy_options(common, common.preprocess);
  accuracy.gallery = gallery;
  accuracy.probe = features.probe;
  if (features.knn > 0) accuracy.neighbours = features.knn;
  std::string json;
  run_job(notify, common.threads, [&] {
    model->set_compute_dtype(model::parse_compute_dtype(common.precision));
    if (reference) reference->set_compute_dtype(model::parse_compute_dtype(common.precision));
    const std::shared_ptr<const data::Dataset> some = data::spread_images(images, common.images);
    if (some != images && eval::is_gallery(*images, accuracy))
      throw std::invalid_argument(
          "train and images are the same images, so with count each would be its own nearest neighbour; "
          "leave count out, or pass other images as train");
    EvalResult result =
        reference ? eval::evaluate_retrieval(*model, *reference, *some, accuracy, common.eval_preprocess,
                                             features.neighbours, features.against)
                  : eval::evaluate(*model, *some, accuracy);
    result.manifest = manifest_of(common, some->fingerprint());
    result.model = common.model;
    json = to_json(result);
  });
  return json;
}

// The common job of compress, merge and quantize: `load` loads the images; `work` gets them (null: none were
// given) and the options of evaluation, and returns a model with its result.
template <typename Load, typename Work>
py::tuple change(const ModelPointer& model, const Images& images, const Images& evaluation,
                 const Common& common, const py::object& notify, const Load& load, const Work& work) {
  ModelPointer out;
  std::string json;
  run_job(notify, common.threads, [&] {
    const Clock::time_point started = Clock::now();
    model->set_compute_dtype(model::parse_compute_dtype(common.precision));
    if (evaluation) eval::check_evaluable(*model, *evaluation);
    std::optional<data::ImageBatch> batch;
    if (images) batch = load();
    const double loading = seconds_since(started);
    auto done = work(batch ? &*batch : nullptr, accuracy_options(common, common.eval_preprocess));
    CompressResult& result = done.result;
    result.seconds.insert(result.seconds.begin(), {"load", loading});
    result.manifest = manifest_of(common, batch ? batch->fingerprint : "");
    result.model = common.model;
    json = to_json(result);
    out = std::move(done.model);
  });
  return py::make_tuple(out, json);
}

py::tuple compress(const ModelPointer& model, const Images& images, const Images& evaluation,
                   const py::dict& values, const py::object& notify) {
  Options given(values);
  const Common common = common_options(given);
  pipeline::CompressOptions options = compress_options(given, common, model->num_blocks());
  const pipeline::ViewSettings views = view_settings(given);
  bool quantizes = false;
  given.take("quantize", quantizes);
  given.finish();
  // Targets that can't be reached are refused before any work, as far as they are known.
  pipeline::check_compress(model->spec(), options);
  const auto load_views = [&] {
    return pipeline::load_with_views(images, common.images, load_options(*model, common), views, common.seed,
                                     model->spec(), options);
  };
  return change(model, images, evaluation, common, notify, load_views,
                [&](const auto* batch, const auto& accuracy) {
                  // The returned model is the one that is evaluated.
                  const data::Dataset* first = quantizes && !options.controls ? nullptr : evaluation.get();
                  pipeline::Compressed made = pipeline::compress(*model, *batch, first, accuracy, options);
                  quantize::CalibrateOptions calibrate;
                  calibrate.batch_size = common.batch_size;
                  calibrate.seed = common.seed;
                  if (quantizes)
                    pipeline::quantize_last(*model, made, *batch, options.absorb, evaluation.get(), accuracy,
                                            calibrate);
                  return made;
                });
}

py::tuple merge(const ModelPointer& model, const Images& images, const Images& evaluation,
                const py::dict& values, const py::object& notify) {
  Options given(values);
  const Common common = common_options(given);
  const pipeline::MergeOptions options = merge_options(given, common);
  given.finish();
  pipeline::check_merge(model->spec(), options);
  const auto load_all = [&] { return load(*model, *images, common); };
  return change(model, images, evaluation, common, notify, load_all,
                [&](const auto* batch, const auto& accuracy) {
                  return pipeline::merge(*model, batch, evaluation.get(), accuracy, options);
                });
}

py::tuple quantize(const ModelPointer& model, const Images& images, const Images& evaluation,
                   const py::dict& values, const py::object& notify) {
  Options given(values);
  Common common = common_options(given);
  const quantize::QuantizeOptions options = quantize_options(given);
  const quantize::CalibrateOptions calibrate = calibrate_options(given, common);
  given.finish();
  require_float_weights(model->spec(), "quantising");
  if (common.images == 0) common.images = pipeline::kQuantizingImages;
  common.precision = "f32";  // of measurements; calibrate has the precision of the fit
  const auto load_some = [&] { return load(*model, *images, common); };
  return change(model, images, evaluation, common, notify, load_some,
                [&](const auto* batch, const auto& accuracy) {
                  return pipeline::quantize(*model, batch, evaluation.get(), accuracy, options, calibrate);
                });
}

std::shared_ptr<runtime::Engine> make_engine(const ModelPointer& model, int threads,
                                             const std::string& precision) {
  const py::gil_scoped_release unlocked;
  return std::make_shared<runtime::Engine>(
      model->spec(), model->parameters(),
      runtime::EngineOptions{threads > 0 ? threads : at::get_num_threads(),
                             runtime::parse_precision(precision)});
}

py::capsule run_engine(runtime::Engine& engine, const py::capsule& images) {
  const at::Tensor input = from_capsule(images);
  const ModelSpec& spec = engine.spec();
  const bool fits = input.scalar_type() == at::kFloat && input.is_cpu() && input.is_contiguous() &&
                    input.dim() == 4 && input.size(1) == spec.in_channels &&
                    input.size(2) == spec.image_size[0] && input.size(3) == spec.image_size[1];
  if (!fits)
    throw std::invalid_argument(
        "the engine takes contiguous float32 images of the model's size in main memory");
  const at::Tensor out = at::empty({input.size(0), engine.outputs()}, at::kFloat);
  {
    const py::gil_scoped_release unlocked;
    engine.run(model::floats_of(input), input.size(0), model::writable_floats_of(out));
  }
  return to_capsule(out);
}

at::ScalarType dtype_of(const std::string& name) {
  if (name == "f32") return at::kFloat;
  if (name == "f16") return at::kHalf;
  if (name == "bf16") return at::kBFloat16;
  throw std::invalid_argument("dtype must be f32, f16 or bf16, not '" + name + "'");
}

// Writes the checkpoint at `output`, or a folder with it and the text files for the result `document`.
void save_result(const model::Model& model, const std::string& output, const std::string& dtype,
                 const std::string& document) {
  const auto type = dtype_of(dtype);
  const py::gil_scoped_release unlocked;
  CompressResult result = compress_result_from_json(document, "the result");
  result.output = output;
  hub::NewFolder folder(output);
  OutputSet files;
  std::map<std::string, std::string> notes;
  if (result.quantization) notes[kQuantizationMetadataKey] = to_json(*result.quantization);
  model::save_model(model, hub::weights_path(output), type, notes);
  hub::describe(result, model::quantization_config(model));
  files.commit();
  folder.keep();
}

void translate(std::exception_ptr pending) {
  const auto set = [](const py::handle& type, std::string_view text) {
    PyErr_SetObject(type.ptr(), shown(in_python(text)).ptr());
  };
  const auto raise = [&](const char* name, const std::exception& error) {
    set(py::module_::import("vitrim.errors").attr(name), error.what());
  };
  try {
    if (pending) std::rethrow_exception(pending);
  } catch (const Interrupted& error) {
    set(PyExc_KeyboardInterrupt, error.what());
  } catch (const FormatError& error) {
    raise("FormatError", error);
  } catch (const Error& error) {
    raise("Error", error);
  } catch (const c10::Error& error) {
    set(PyExc_RuntimeError, error.what_without_backtrace());
  } catch (const std::invalid_argument& error) {
    set(PyExc_ValueError, error.what());
  } catch (const std::system_error& error) {  // errors of file systems too
    raise("Error", error);
  }
}

}  // namespace

}  // namespace vitrim::python

PYBIND11_MODULE(_library, m) {
  namespace py = pybind11;
  namespace model = vitrim::model;
  namespace data = vitrim::data;
  namespace runtime = vitrim::runtime;
  using namespace vitrim::python;  // NOLINT(google-build-using-namespace)

  m.attr("TORCH_VERSION") = TORCH_VERSION;
  m.attr("VERSION") = vitrim::version();
  py::register_local_exception_translator(translate);

  py::class_<model::Model, std::shared_ptr<model::Model>>(m, "Model")
      .def_property_readonly("spec", [](const model::Model& self) { return vitrim::to_json(self.spec()); })
      .def("state", state_of)
      .def("run", run_model)
      .def("set_precision",
           [](model::Model& self, const std::string& name) {
             self.set_compute_dtype(model::parse_compute_dtype(name));
           })
      .def("save",
           [](const model::Model& self, const std::string& path, const std::string& dtype) {
             const auto type = dtype_of(dtype);
             const py::gil_scoped_release unlocked;
             model::save_model(self, path, type);
           })
      .def("save_result", save_result);
  m.def("open_model", open_model);
  m.def("model_of", model_of);
  m.def("stored_dtype", [](const std::string& source, const std::string& weights) {
    vitrim::architecture::LoadHints hints;
    hints.weights = weights;
    const auto dtype = model::stored_dtype(source, hints);
    return dtype == at::kHalf ? "f16" : dtype == at::kBFloat16 ? "bf16" : "f32";
  });
  m.def("check_output", [](const std::string& output) {
    for (const std::string& path : vitrim::hub::files_of(output)) vitrim::hub::check_writable(path, output);
  });

  py::class_<data::Dataset, std::shared_ptr<data::Dataset>>(m, "Images")
      .def_property_readonly("size", &data::Dataset::size)
      .def_property_readonly("fingerprint",
                             [](const data::Dataset& self) { return shown(self.fingerprint()); })
      .def_property_readonly("description",
                             [](const data::Dataset& self) { return shown(self.description()); });
  m.def("open_images", [](const std::string& source, const py::dict& values, py::list& warnings) -> Images {
    const data::DatasetOptions options = dataset_options(values);
    return opened(warnings, [&] { return Images(data::open_dataset(source, options)); });
  });
  m.def("array_images",
        [](const py::capsule& pixels, const std::vector<int64_t>& labels) -> std::shared_ptr<data::Dataset> {
          return array_images(from_capsule(pixels), labels);
        });
  m.def("file_images",
        [](const std::vector<std::string>& files, const std::vector<int64_t>& labels,
           const py::dict& values) -> std::shared_ptr<data::Dataset> {
          return file_images(files, labels, dataset_options(values));
        });

  m.def("check_options", check_options);
  m.def("analyze", analyze);
  m.def("evaluate", evaluate);
  m.def("compress", compress);
  m.def("merge", merge);
  m.def("quantize", quantize);

  m.def("why_no_engine", [](const model::Model& self) { return runtime::why_not(self.spec()); });
  py::class_<runtime::Engine, std::shared_ptr<runtime::Engine>>(m, "Engine")
      .def(py::init(&make_engine))
      .def("run", run_engine)
      .def_property_readonly("outputs", &runtime::Engine::outputs)
      .def_property_readonly("threads", &runtime::Engine::threads)
      .def_property_readonly("isa",
                             [](const runtime::Engine& self) { return runtime::to_string(self.isa()); })
      .def_property_readonly("precision", [](const runtime::Engine& self) {
        return self.precision() == runtime::Precision::kBf16 ? "bf16" : "f32";
      });
}
