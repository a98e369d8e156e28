// vitrim export: a model as ONNX, as a folded checkpoint, or as the dense checkpoint that timm loads.

#include <cstdio>
#include <filesystem>

#include "analyze_flags.h"
#include "command.h"
#include "core/json.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/core/atomic_file.h"
#include "vitrim/core/error.h"
#include "vitrim/data/class_list.h"
#include "vitrim/exporter/checkpoints.h"
#include "vitrim/exporter/input_ranges.h"
#include "vitrim/exporter/onnx.h"

namespace vitrim::app {

namespace {

using nlohmann::ordered_json;

struct ExportFlags {
  CommonFlags common;
  ModelFlags model;
  DataFlags data;
  std::string format, output, precision = "f32", classes, calib;
  bool dynamic_batch = false;
  int64_t batch = 0, images = 200;
  int64_t longest_file = exporter::kLongestMessage;
};

// Whether -o means a folder: it exists, or the name ends like a folder's.
bool names_folder(const std::string& output) {
  return output.ends_with('/') || std::filesystem::is_directory(output);
}

// The name of a graph's file in a folder, by the convention of model hubs and the libraries that read them.
// The instruction set in it is the one that the graph's uint8 inputs and int8 weights suit best; other
// machines run the graph too.
std::string file_in(const std::string& folder, bool int8, bool half) {
  return (std::filesystem::path(folder) / (int8   ? "model_qint8_avx512_vnni.onnx"
                                           : half ? "model_fp16.onnx"
                                                  : "model.onnx"))
      .string();
}

// The format of --format, else by the extension of the name.
std::string format_of(const ExportFlags& flags) {
  const bool nowhere = flags.output == "/dev/null" || names_folder(flags.output);
  if (names_folder(flags.output) && !flags.format.empty() && flags.format != "onnx")
    throw UsageError(flags.output +
                     " is a folder, which is for --format onnx only; name a .safetensors file");
  std::string format = flags.format;
  if (format.empty()) format = flags.output.ends_with(".safetensors") ? "safetensors" : "onnx";
  const std::string ending = format == "onnx" ? ".onnx" : ".safetensors";
  if (!nowhere && !flags.output.ends_with(ending)) {
    throw UsageError(flags.output + ": " +
                     (flags.format.empty() ? "end the name in .onnx or .safetensors"
                                           : "--format " + format + " writes " + ending +
                                                 " files; give the name that ending"));
  }
  return format;
}

void check_output(const std::string& output, const std::string& json) {
  check_writable(output);
  if (!json.empty() && json != "-" && json != "/dev/null" &&
      (std::filesystem::weakly_canonical(json) == std::filesystem::weakly_canonical(output) ||
       std::filesystem::weakly_canonical(json) == std::filesystem::weakly_canonical(output + ".data"))) {
    throw UsageError(json + " is the name of two outputs; name a separate file for each");
  }
}

// One name per line.
std::vector<std::string> read_classes(const std::string& path, int64_t num_classes) {
  std::vector<std::string> names = data::read_class_list(path);
  if (static_cast<int64_t>(names.size()) != num_classes) {
    throw FormatError(path, "",
                      "has " + std::to_string(names.size()) + " lines, but the model has " +
                          std::to_string(num_classes) + " classes; write one name per line");
  }
  return names;
}

ordered_json tensor_json(const exporter::OnnxTensor& tensor) {
  ordered_json shape = ordered_json::array();
  for (int64_t size : tensor.shape) shape.push_back(size < 0 ? ordered_json("batch") : ordered_json(size));
  return {{"name", tensor.name}, {"type", "float32"}, {"shape", shape}};
}

void export_onnx(const ExportFlags& flags, const model::Model& model, const std::string& output,
                 ordered_json& result) {
  exporter::OnnxOptions options;
  options.half = flags.precision == "f16";
  options.longest_file = flags.longest_file;
  options.batch = flags.batch > 0 ? flags.batch : 1;
  if (flags.dynamic_batch) options.batch.reset();
  if (!flags.classes.empty()) options.class_names = read_classes(flags.classes, model.spec().num_classes);
  const bool int8 = model.spec().quantized();
  if (!flags.calib.empty()) {
    const data::ImageBatch images =
        load_unlabelled(flags.calib, flags.images, flags.common, flags.data, model.spec(), flags.model.model);
    options.input_ranges = exporter::input_ranges(model, images, flags.common.batch_size);
  }
  if (int8) {
    result["int8_layers"] = exporter::int8_layers(model.spec()).size();
    result["int8_inputs"] = flags.calib.empty() ? "dynamic" : "static";
  }
  const exporter::OnnxSummary summary = exporter::write_onnx(model, output, options);
  for (const auto& file : summary.files)
    result["files"].push_back({{"path", file.path}, {"bytes", file.bytes}});
  result["nodes"] = summary.nodes;
  result["opset"] = exporter::kOpset;
  result["inputs"] = {tensor_json(summary.input)};
  result["outputs"] = {tensor_json(summary.output)};
}

void export_timm(const ExportFlags& flags, const model::Model& model, ordered_json& result) {
  const exporter::TimmModel timm = exporter::timm_model(model);
  checkpoint::save_safetensors(timm.dense.weights, flags.output);
  result["class"] = timm.class_name;
  result["arguments"] = json::parse(timm.arguments, "timm's arguments");
}

void export_folded(const ExportFlags& flags, const model::Model& model) {
  const surgery::SpecAndWeights parts = exporter::folded(model);
  model::save_model(*model::make_model(parts.spec, parts.weights), flags.output,
                    flags.precision == "f16" ? at::kHalf : at::kFloat);
}

void describe(const ordered_json& result, const std::string& format) {
  for (const auto& file : result["files"]) {
    tell("wrote %s (%.1f MB)\n", file["path"].get<std::string>().c_str(), file["bytes"].get<double>() / 1e6);
  }
  if (format == "onnx") {
    const auto text = [](const ordered_json& tensor) {
      return tensor["name"].get<std::string>() + " " + tensor["shape"].dump();
    };
    tell("opset %d, %d nodes, %s -> %s\n", result["opset"].get<int>(), result["nodes"].get<int>(),
         text(result["inputs"][0]).c_str(), text(result["outputs"][0]).c_str());
    if (result.contains("int8_layers"))
      tell("%d int8 layers, whose inputs have %s\n", result["int8_layers"].get<int>(),
           result["int8_inputs"] == "dynamic" ? "one scale per token, computed at run time"
                                              : "one fixed scale per tensor");
  } else if (format == "timm") {
    tell("load it with strict=True into %s(**%s)\n", result["class"].get<std::string>().c_str(),
         json::dump(result["arguments"], -1).c_str());
  }
}

void run(const ExportFlags& flags) {
  flags.common.apply();
  const std::string format = format_of(flags);
  if (!names_folder(flags.output)) check_output(flags.output, flags.common.json);
  const auto model = flags.model.load("f32");
  const bool int8 = model->spec().quantized();
  if (int8 && format != "onnx")
    throw Error(flags.model.model +
                ": its layers are int8, which only --format onnx supports; export the model from before "
                "vitrim quantize");
  if (!int8 && !flags.calib.empty())
    throw UsageError("--calib applies to models with int8 layers, but " + flags.model.model +
                     " has none; make them with vitrim quantize");
  const std::string output =
      names_folder(flags.output) ? file_in(flags.output, int8, flags.precision == "f16") : flags.output;
  if (output != flags.output) {
    std::error_code error;
    std::filesystem::create_directories(flags.output, error);
    if (error)
      throw Error(flags.output + ": can't be made a folder (" + error.message() +
                  "); name another one with -o");
    check_output(output, flags.common.json);
  }
  ordered_json result;
  result["format"] = format;
  result["precision"] = flags.precision;
  result["files"] = ordered_json::array();
  OutputSet files;
  try {
    if (format == "onnx") {
      export_onnx(flags, *model, output, result);
    } else if (format == "timm") {
      export_timm(flags, *model, result);
    } else {
      export_folded(flags, *model);
    }
  } catch (const std::invalid_argument& error) {
    // The sentence with the model's name in place of the function's name.
    const std::string text = error.what();
    const size_t end = text.starts_with('[') ? text.find("] ") : std::string::npos;
    throw Error(flags.model.model + ": " + (end == std::string::npos ? text : text.substr(end + 2)));
  }
  if (format != "onnx") result["files"].push_back({{"path", output}, {"bytes", files.bytes(output)}});
  flags.common.write_json(json::dump(result, 2));
  files.commit();
  if (flags.common.speaks()) describe(result, format);
}

}  // namespace

void add_export(CLI::App& app, Context& context) {
  auto flags = std::make_shared<ExportFlags>();
  CLI::App* command = app.add_subcommand(
      "export", "write a model for other tools: ONNX, a folded checkpoint, or one that timm loads");
  flags->model.add_to(*command);
  flags->data.add_to(*command);
  for (const char* of_labels : {"--classes", "--class-order"})
    command->remove_option(command->get_option(of_labels));
  command
      ->add_option(
          "-o,--output", flags->output,
          "file to write (.onnx or .safetensors), or a folder for an ONNX file with the conventional name")
      ->required();
  command
      ->add_option("--format", flags->format,
                   "format of the file: onnx, safetensors (timm's names, gains folded) or timm (dense, for "
                   "timm's own class); default: by the ending of its name")
      ->check(CLI::IsMember({"onnx", "safetensors", "timm"}));
  command->add_option("--precision", flags->precision, "data type of weights and matrix products: f32 or f16")
      ->check(CLI::IsMember({"f32", "f16"}))
      ->capture_default_str();
  auto* dynamic =
      command->add_flag("--dynamic-batch", flags->dynamic_batch, "onnx: accept any number of images at once");
  command->add_option("--batch", flags->batch, "onnx: fixed number of images at once; default: 1")
      ->check(CLI::Range(1, 65536))
      ->excludes(dynamic);
  command
      ->add_option("--classes", flags->classes,
                   "onnx: file with the names of the classes, one per line, for the file's metadata, or "
                   "imagenet-1k, the built-in list of ILSVRC2012's ids")
      ->type_name("FILE");
  command->add_option("--calib", flags->calib,
                      "onnx of an int8 model: images (labels unused) for fixed scales of its layers' inputs; "
                      "without this option every token has its own scale");
  command
      ->add_option("--images", flags->images, "number of images of --calib to use, spread over the whole set")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  // For tests: external data without gigabytes of weights.
  command->add_option("--longest-file", flags->longest_file)->check(CLI::NonNegativeNumber)->group("");
  flags->common.add_to(*command, /*computes=*/false);
  command->callback([flags, &context] { context.run = [flags] { run(*flags); }; });
}

}  // namespace vitrim::app
