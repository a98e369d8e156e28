// The contents of an ONNX file. ONNX Runtime checks whether its graph computes the right values
// (onnxruntime_test.py).

#include "vitrim/exporter/onnx.h"

#include <ATen/ATen.h>

#include <cstring>
#include <set>

#include "core/expect_message.h"
#include "core/expect_throw.h"
#include "core/temp_dir.h"
#include "exporter/executor.h"
#include "exporter/graph.h"
#include "exporter/protobuf.h"
#include "models.h"
#include "protobuf_reader.h"
#include "vitrim/core/atomic_file.h"
#include "vitrim/core/error.h"

namespace vitrim::exporter {
namespace {

using test::Fields;
using test::OnnxFile;

std::string bytes(std::initializer_list<int> values) {
  std::string out;
  for (int value : values) out += static_cast<char>(value);
  return out;
}

// The numbers are those of protobuf's own description of the format: 150 is 96 01, "testing" in field 2 is 12
// 07 ...
TEST(Protobuf, WritesTheKnownBytes) {
  EXPECT_EQ(Message().integer(1, 150).data(), bytes({0x08, 0x96, 0x01}));
  EXPECT_EQ(Message().text(2, "testing").data(), bytes({0x12, 0x07}) + "testing");
  EXPECT_EQ(Message().message(3, Message().integer(1, 150)).data(), bytes({0x1a, 0x03, 0x08, 0x96, 0x01}));
  EXPECT_EQ(Message().integer(1, 0).data(), bytes({0x08, 0x00}));
  EXPECT_EQ(Message().integer(1, 127).data(), bytes({0x08, 0x7f}));
  EXPECT_EQ(Message().integer(1, 128).data(), bytes({0x08, 0x80, 0x01}));
  EXPECT_EQ(Message().integer(1, -1).data(),
            bytes({0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}));
  EXPECT_EQ(Message().integer(16, 1).data(), bytes({0x80, 0x01, 0x01}));  // a tag of two bytes
  EXPECT_EQ(Message().number(2, 1.0f).data(), bytes({0x15, 0x00, 0x00, 0x80, 0x3f}));
  EXPECT_EQ(Message().text(1, "").data(), bytes({0x0a, 0x00}));
  EXPECT_EQ(Message().announce(9, 300).data(), bytes({0x4a, 0xac, 0x02}));
}

OnnxFile exported(const surgery::SpecAndWeights& parts, std::string& storage,
                  const OnnxOptions& options = {}) {
  const TempDir folder;
  const OnnxSummary summary = write_onnx(*test::make(parts), folder.file("m.onnx"), options);
  storage = read_text_file(folder.file("m.onnx"));
  EXPECT_EQ(summary.files.at(0).bytes, static_cast<int64_t>(storage.size()));
  OnnxFile file(storage);
  EXPECT_EQ(summary.nodes, static_cast<int64_t>(file.nodes.size()));
  return file;
}

const std::vector<test::NamedModel>& models() {
  static const std::vector<test::NamedModel> all = test::export_models();
  return all;
}

const surgery::SpecAndWeights& model_of(const std::string& name) {
  for (const test::NamedModel& model : models()) {
    if (model.name == name) return model.parts;
  }
  throw std::out_of_range(name);
}

int64_t width_of(int64_t type) {
  switch (static_cast<Type>(type)) {
    case Type::kUint8:
    case Type::kInt8:
    case Type::kBool:
      return 1;
    case Type::kHalf:
      return 2;
    case Type::kInt64:
      return 8;
    default:
      return 4;
  }
}

// Every name is defined once and before it is read, nothing is scattered, every constant is read, and every
// weight is completely in the file.
TEST(Onnx, GraphsAreInOrder) {
  std::vector<test::NamedModel> all = models();
  for (test::NamedModel& model : test::int8_models()) all.push_back(std::move(model));
  for (const test::NamedModel& model : all) {
    for (const bool half : {false, true}) {
      SCOPED_TRACE(model.name + (half ? " f16" : ""));
      std::string storage;
      OnnxOptions options;
      options.half = half;
      const OnnxFile file = exported(model.parts, storage, options);
      std::set<std::string> defined, node_names, read;
      for (const Fields& tensor : file.tensors) {
        EXPECT_TRUE(defined.insert(tensor.text(8)).second) << tensor.text(8);
        int64_t elements = 1;
        for (int64_t size : tensor.integers.contains(1) ? tensor.integers.at(1) : std::vector<int64_t>())
          elements *= size;
        EXPECT_EQ(static_cast<int64_t>(tensor.text(9).size()), elements * width_of(tensor.integer(2)))
            << tensor.text(8);
      }
      for (const Fields& input : file.graph.messages(11)) defined.insert(input.text(1));
      for (const Fields& node : file.nodes) {
        EXPECT_TRUE(node_names.insert(node.text(3)).second) << node.text(3);
        EXPECT_EQ(node.text(4).find("Scatter"), std::string::npos);
        EXPECT_FALSE(node.texts.contains(7)) << "a domain of its own";
        for (const std::string& input : node.strings(1)) {
          EXPECT_TRUE(defined.contains(input)) << node.text(3) << " reads " << input;
          read.insert(input);
        }
        for (const std::string& output : node.strings(2))
          EXPECT_TRUE(defined.insert(output).second) << output;
      }
      for (const Fields& tensor : file.tensors)
        EXPECT_TRUE(read.contains(tensor.text(8))) << tensor.text(8) << " is read by nobody";
      ASSERT_EQ(file.graph.messages(12).size(), 1u);
      EXPECT_TRUE(defined.contains(file.graph.messages(12)[0].text(1)));
    }
  }
}

TEST(Onnx, SaysWhatAModelIs) {
  const surgery::SpecAndWeights& plain = model_of("plain");
  std::string storage;
  OnnxOptions options;
  for (int i = 0; i < 10; ++i) options.class_names.push_back("class \"" + std::to_string(i) + "\"");
  const OnnxFile file = exported(plain, storage, options);
  EXPECT_EQ(file.model.messages(8).at(0).integer(2), kOpset);
  EXPECT_EQ(model_spec_from_json(file.metadata().at(kSpecMetadataKey), "onnx"), plain.spec);
  EXPECT_EQ(file.metadata().at("mean"), "[0.5,0.5,0.5]");
  EXPECT_EQ(file.metadata().at("image_size"), "[32,32]");
  EXPECT_EQ(file.metadata().at("class_names").substr(0, 16), R"(["class \"0\"",")");
  // One block: softmax, two norms, four linear layers and two products of attention, all under the model's
  // names.
  EXPECT_EQ(file.count("Softmax"), 4);
  EXPECT_EQ(file.count("LayerNormalization"), 9);
  EXPECT_EQ(file.count("MatMul"), 4 * 6 + 1);
  EXPECT_EQ(file.count("Erf"), 4);
  EXPECT_EQ(file.count("Cast"), 0);
  std::set<std::string> names;
  for (const Fields& node : file.nodes) names.insert(node.text(3));
  for (const char* name : {"/patch_embed/proj", "/blocks.0/norm1", "/blocks.0/attn/qkv",
                           "/blocks.0/attn/softmax", "/blocks.3/mlp/fc2", "/norm", "/head"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
}

// The ranges that a graph with fixed scales needs, all of them [-1, 3].
InputRanges some_ranges(const ModelSpec& spec) {
  InputRanges out;
  for (const std::string& name : int8_layers(spec)) out[name] = {-1, 3};
  return out;
}

TEST(Onnx, Int8WeightsStandInTheFile) {
  const surgery::SpecAndWeights parts = test::quantised(model_of("plain"));
  for (const bool fixed : {false, true}) {
    std::string storage;
    OnnxOptions options;
    if (fixed) options.input_ranges = some_ranges(parts.spec);
    const OnnxFile file = exported(parts, storage, options);
    EXPECT_EQ(file.count("QuantizeLinear"), 16);
    EXPECT_EQ(file.count("MatMulInteger"), fixed ? 0 : 16);
    EXPECT_EQ(file.count("DequantizeLinear"), fixed ? 32 : 0);
    EXPECT_EQ(file.count("MatMul"), 4 * (fixed ? 6 : 2) + 1);
    int weights = 0;
    for (const Fields& tensor : file.tensors) {
      if (tensor.text(8) == "blocks.2.mlp.fc1.weight") {
        const at::Tensor wanted = parts.weights.at("blocks.2.mlp.fc1.weight").t().contiguous();
        EXPECT_EQ(tensor.text(9), std::string_view(static_cast<const char*>(wanted.const_data_ptr()),
                                                   static_cast<size_t>(wanted.numel())));
      }
      weights += tensor.integer(2) == static_cast<int64_t>(Type::kInt8) && tensor.text(9).size() > 256;
      if (tensor.text(8) == "blocks.2.mlp.fc1.input_scale") {
        float scale = 0;
        std::memcpy(&scale, tensor.text(9).data(), sizeof scale);
        EXPECT_FLOAT_EQ(scale, 4.0f / 255);
      }
    }
    EXPECT_EQ(weights, 16);
  }
}

TEST(Onnx, RangesAreThoseOfTheInt8Layers) {
  const TempDir folder;
  const auto dense = test::make(model_of("plain"));
  const auto model = test::make(test::quantised(model_of("plain")));
  OnnxOptions options;
  options.input_ranges = some_ranges(model->spec());
  const auto says = [&](const model::Model& of) {
    return message_of<std::invalid_argument>([&] { write_onnx(of, folder.file("m.onnx"), options); });
  };
  EXPECT_TRUE(contains(says(*dense), "not int8"));
  options.input_ranges.erase("blocks.3.attn.proj");
  EXPECT_TRUE(contains(says(*model), "no range was passed for the input of blocks.3.attn.proj"));
  EXPECT_EQ(folder.entries(), 0u);
}

// The ranges found block by block are those of the layers' inputs: the norm's output is within the square
// root of its width, and fc2 reads GELU's output, which is never below -0.17.
TEST(InputRanges, AreThoseOfTheImages) {
  const auto model = test::make(test::quantised(model_of("plain")));
  data::ImageBatch images;
  images.pixels = at::randint(0, 256, {5, 3, 32, 32}, at::kByte);
  images.labels.assign(5, -1);
  images.preprocess.mean.fill(0.5);
  images.preprocess.std.fill(0.25);
  const InputRanges ranges = input_ranges(*model, images, 2);
  EXPECT_EQ(ranges.size(), 16u);
  EXPECT_GE(ranges.at("blocks.0.mlp.fc2").low, -0.1701f);
  EXPECT_LT(ranges.at("blocks.0.mlp.fc2").low, 0);
  const at::NoGradGuard no_grad;
  const at::Tensor normed = model->layer_norm(model->embed(data::normalized(images, 0, 5)), "blocks.0.norm1");
  EXPECT_FLOAT_EQ(ranges.at("blocks.0.attn.qkv").high, normed.max().item<float>());
  EXPECT_FLOAT_EQ(ranges.at("blocks.0.attn.qkv").low, normed.min().item<float>());
  EXPECT_TRUE(contains(
      message_of<std::invalid_argument>([&] { input_ranges(*test::make(model_of("plain")), images, 2); }),
      "no layer of the model is int8"));
}

TEST(Onnx, RemovedAttentionIsNotThere) {
  std::string storage;
  const OnnxFile file = exported(model_of("plain_removed"), storage);
  EXPECT_EQ(file.count("Softmax"), 3);
  for (const Fields& tensor : file.tensors) EXPECT_NE(tensor.text(8).substr(0, 14), "blocks.1.attn.");
}

TEST(Onnx, MergingGathers) {
  std::string storage;
  const OnnxFile file = exported(model_of("plain_merged"), storage);
  EXPECT_EQ(file.count("TopK"), 4);            // two blocks merge, each ranks matches and sorts what stays
  EXPECT_EQ(file.count("GatherND"), 0);        // ONNX Runtime infers no shape for one with batches apart
  EXPECT_EQ(file.count("GatherElements"), 6);  // for each: merged tokens, remaining tokens, and their targets
  EXPECT_EQ(file.count("Equal"), 2);
}

// Dimension 1 of a value's shape: field 2 (type) / 1 (tensor) / 2 (shape) / 1 (dimension), with a number in 1
// or a name in 2.
Fields first_dimension(const Fields& value) {
  return value.messages(2).at(0).messages(1).at(0).messages(2).at(0).messages(1).at(0);
}

TEST(Onnx, BatchIsFixedOrNamed) {
  std::string storage;
  OnnxOptions options;
  options.batch = 5;
  EXPECT_EQ(
      first_dimension(exported(model_of("plain"), storage, options).graph.messages(11).at(0)).integer(1), 5);
  options.batch.reset();
  const OnnxFile file = exported(model_of("plain"), storage, options);
  EXPECT_EQ(first_dimension(file.graph.messages(11).at(0)).text(2), "batch");
  EXPECT_EQ(first_dimension(file.graph.messages(12).at(0)).text(2), "batch");
}

TEST(Onnx, LargeModelsKeepWeightsInASecondFile) {
  const TempDir folder;
  OnnxOptions options;
  options.longest_file = 100000;
  const auto model = test::make(model_of("plain"));
  const OnnxSummary summary = write_onnx(*model, folder.file("m.onnx"), options);
  ASSERT_EQ(summary.files.size(), 2u);
  EXPECT_EQ(summary.files[1].path, folder.file("m.onnx.data"));
  EXPECT_EQ(folder.entries(), 2u);
  const std::string storage = read_text_file(folder.file("m.onnx")),
                    data = read_text_file(folder.file("m.onnx.data"));
  EXPECT_EQ(summary.files[0].bytes, static_cast<int64_t>(storage.size()));
  EXPECT_EQ(summary.files[1].bytes, static_cast<int64_t>(data.size()));
  const OnnxFile file(storage);
  int outside = 0;
  for (const Fields& tensor : file.tensors) {
    if (tensor.integer(14) != 1) continue;
    ++outside;
    std::map<std::string, std::string> place;
    for (const Fields& entry : tensor.messages(13)) place[entry.text(1)] = entry.text(2);
    EXPECT_EQ(place.at("location"), "m.onnx.data");
    EXPECT_EQ(std::stoll(place.at("offset")) % 4096, 0);
    if (tensor.text(8) != "blocks.2.mlp.fc1.weight") continue;
    const at::Tensor wanted = model->parameter("blocks.2.mlp.fc1.weight").t().contiguous();
    ASSERT_EQ(std::stoull(place.at("length")), wanted.nbytes());
    EXPECT_EQ(data.compare(std::stoul(place.at("offset")), wanted.nbytes(),
                           static_cast<const char*>(wanted.const_data_ptr()), wanted.nbytes()),
              0);
  }
  EXPECT_GE(outside, 4 * 4);
  EXPECT_TRUE(contains(message_of<Error>([&] { write_onnx(*model, "/dev/null", options); }),
                       "second file beside the first"));
  EXPECT_FALSE(std::filesystem::exists("/dev/null.data"));
  // If the other file can't be written, the model is not written either.
  const TempDir other;
  std::filesystem::create_directory(other.file("m.onnx.data"));
  message_of<Error>([&] { write_onnx(*model, other.file("m.onnx"), options); });
  EXPECT_EQ(other.entries(), 1u);
}

TEST(Executor, WritersDeclareWhatTheyFollow) {
  for (const test::NamedModel& model : models()) {
    EXPECT_EQ(architecture::undeclared(executor(), model.parts.spec), std::nullopt);
    EXPECT_EQ(architecture::undeclared(checkpoint_executor(), model.parts.spec), std::nullopt);
  }
  ModelSpec spec = model_of("plain").spec;
  spec.blocks[1].int8.fc1 = true;
  using What = architecture::Undeclared::What;
  EXPECT_EQ(architecture::undeclared(executor(), spec), std::nullopt);
  EXPECT_EQ(architecture::undeclared(checkpoint_executor(), spec),
            (architecture::Undeclared{What::kField, "blocks.int8"}));
  spec.segmentation.emplace();
  EXPECT_EQ(architecture::undeclared(executor(), spec),
            (architecture::Undeclared{What::kField, "segmentation"}));
  expect_message<std::invalid_argument>([&] { architecture::check_declared(executor(), spec, "[x] "); },
                                        "[x] " + architecture::why_not(executor(), spec));
}

TEST(Onnx, RefusesWhatItCannotWrite) {
  const TempDir folder;
  const std::string path = folder.file("m.onnx");
  const auto model = test::make(model_of("plain"));
  OnnxOptions options;
  options.batch = 0;
  EXPECT_TRUE(contains(message_of<std::invalid_argument>([&] { write_onnx(*model, path, options); }),
                       "at least one image"));
  options = {};
  options.class_names = {"cat", "dog"};
  EXPECT_TRUE(contains(message_of<std::invalid_argument>([&] { write_onnx(*model, path, options); }),
                       "2 class names for 10 classes"));
  options.class_names = std::vector<std::string>(10, "\xff");
  EXPECT_TRUE(
      contains(message_of<std::invalid_argument>([&] { write_onnx(*model, path, options); }), "UTF-8"));
  const auto gated = model->clone();
  gated->set_gates(2, {{}, {}, at::ones({64})});
  EXPECT_TRUE(
      contains(message_of<std::invalid_argument>([&] { write_onnx(*gated, path); }), "block 2 is gated"));
  const auto large = model->clone();
  large->set_parameter("blocks.1.mlp.fc2.weight", at::full({32, 64}, 1e5));
  options = {};
  options.half = true;
  EXPECT_TRUE(contains(message_of<Error>([&] { write_onnx(*large, path, options); }),
                       "blocks.1.mlp.fc2.weight holds 100000"));
  EXPECT_TRUE(
      contains(message_of<Error>([&] { write_onnx(*model, folder.file("none/m.onnx")); }), "none/m.onnx"));
  EXPECT_EQ(folder.entries(), 0u);
}

}  // namespace
}  // namespace vitrim::exporter
