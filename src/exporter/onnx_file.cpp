#include "exporter/onnx_file.h"

#include <ATen/ATen.h>

#include <bit>
#include <filesystem>
#include <memory>

#include "vitrim/core/atomic_file.h"
#include "vitrim/core/error.h"
#include "vitrim/core/manifest.h"

namespace vitrim::exporter {

namespace {

namespace model_field {
enum { kIrVersion = 1, kProducer = 2, kProducerVersion = 3, kGraph = 7, kOpset = 8, kMetadata = 14 };
}
namespace opset_field {
enum { kVersion = 2 };
}
namespace graph_field {
enum { kInitializer = 5 };
}
namespace tensor_field {
enum { kDims = 1, kType = 2, kName = 8, kRaw = 9, kExternal = 13, kLocation = 14 };
}
namespace entry_field {
enum { kKey = 1, kValue = 2 };
}

constexpr int64_t kIrVersion = 8;  // opset 17's
constexpr int64_t kExternalLocation = 1;
// Small tensors stay in the model file, so that shapes and constants can be read without the data file.
constexpr int64_t kSmallestExternal = 1024;
// Offsets at page boundaries can be mapped into memory.
constexpr int64_t kPage = 4096;

static_assert(std::endian::native == std::endian::little, "ONNX keeps raw data with the low byte first");

Message entry(const std::string& key, const std::string& value) {
  return Message().text(entry_field::kKey, key).text(entry_field::kValue, value);
}

// The TensorProto without the fields for the place of its data.
Message description(const Initializer& initializer) {
  Message out;
  for (int64_t size : initializer.tensor.sizes()) out.integer(tensor_field::kDims, size);
  return out.integer(tensor_field::kType, static_cast<int64_t>(initializer.type))
      .text(tensor_field::kName, initializer.name);
}

// One initializer as written: its message up to the data, if the data follow.
struct Entry {
  const Initializer* initializer;
  Message head;
  bool inside = true;
  int64_t offset = 0;  // offset in the data file
  int64_t message_bytes() const {
    return static_cast<int64_t>(head.data().size()) + (inside ? initializer->bytes() : 0);
  }
};

std::vector<Entry> entries(const Graph& graph, const std::string& data_name) {
  std::vector<Entry> out;
  int64_t end = 0;
  for (const Initializer& initializer : graph.initializers()) {
    Entry next{&initializer, description(initializer)};
    const int64_t bytes = initializer.bytes();
    next.inside = data_name.empty() || bytes < kSmallestExternal;
    if (next.inside) {
      next.head.announce(tensor_field::kRaw, static_cast<uint64_t>(bytes));
    } else {
      next.offset = (end + kPage - 1) / kPage * kPage;
      end = next.offset + bytes;
      for (const Message& said : {entry("location", data_name), entry("offset", std::to_string(next.offset)),
                                  entry("length", std::to_string(bytes))}) {
        next.head.message(tensor_field::kExternal, said);
      }
      next.head.integer(tensor_field::kLocation, kExternalLocation);
    }
    out.push_back(std::move(next));
  }
  return out;
}

// Everything except the graph.
Message model_head(const std::map<std::string, std::string>& metadata) {
  Message out;
  out.integer(model_field::kIrVersion, kIrVersion)
      .text(model_field::kProducer, "vitrim")
      .text(model_field::kProducerVersion, version());
  out.message(model_field::kOpset, Message().integer(opset_field::kVersion, kOpset));
  for (const auto& [key, value] : metadata) out.message(model_field::kMetadata, entry(key, value));
  return out;
}

Message beginning(const Entry& entry) {
  return Message().announce(graph_field::kInitializer, static_cast<uint64_t>(entry.message_bytes()));
}

int64_t graph_bytes(const Graph& graph, const std::vector<Entry>& all) {
  int64_t total = static_cast<int64_t>(graph.message().data().size());
  for (const Entry& entry : all)
    total += static_cast<int64_t>(beginning(entry).data().size()) + entry.message_bytes();
  return total;
}

int64_t file_bytes(const Message& head, const Graph& graph, const std::vector<Entry>& all) {
  const int64_t inner = graph_bytes(graph, all);
  return static_cast<int64_t>(
             head.data().size() +
             Message().announce(model_field::kGraph, static_cast<uint64_t>(inner)).data().size()) +
         inner;
}

at::ScalarType stored_as(Type type) {
  switch (type) {
    case Type::kFloat:
      return at::kFloat;
    case Type::kUint8:
      return at::kByte;
    case Type::kInt8:
      return at::kChar;
    case Type::kInt32:
      return at::kInt;
    case Type::kInt64:
      return at::kLong;
    case Type::kBool:
      return at::kBool;
    case Type::kHalf:
      break;
  }
  return at::kHalf;
}

void write_data(AtomicFile& file, const Initializer& initializer) {
  const at::Tensor raw = initializer.tensor.detach().cpu().to(stored_as(initializer.type)).contiguous();
  if (raw.nbytes() > 0) file.write(raw.const_data_ptr(), raw.nbytes());
}

void write_outside(AtomicFile& file, const std::vector<Entry>& all) {
  const std::string padding(kPage, '\0');
  int64_t at = 0;
  for (const Entry& entry : all) {
    if (entry.inside) continue;
    file.write(padding.data(), static_cast<size_t>(entry.offset - at));
    write_data(file, *entry.initializer);
    at = entry.offset + entry.initializer->bytes();
  }
}

int64_t outside_bytes(const std::vector<Entry>& all) {
  int64_t end = 0;
  for (const Entry& entry : all) {
    if (!entry.inside) end = entry.offset + entry.initializer->bytes();
  }
  return end;
}

}  // namespace

std::vector<OnnxSummary::File> write_graph(const Graph& graph,
                                           const std::map<std::string, std::string>& metadata,
                                           const std::string& path, int64_t longest) {
  const Message head = model_head(metadata);
  std::vector<Entry> all = entries(graph, "");
  const bool two_files = file_bytes(head, graph, all) > longest;
  const std::string data_path = path + ".data";
  if (two_files && std::filesystem::exists(path) && !std::filesystem::is_regular_file(path)) {
    throw Error("[exporter::write_onnx] " + path +
                ": a model this large needs a second file beside the first; name a file in a folder");
  }
  if (two_files) all = entries(graph, std::filesystem::path(data_path).filename().string());
  const int64_t bytes = file_bytes(head, graph, all);
  if (bytes > kLongestMessage)
    throw Error("[exporter::write_onnx] the graph alone takes " + std::to_string(bytes) +
                " bytes, more than ONNX allows");

  const at::NoGradGuard no_grad;
  OutputSet both;
  AtomicFile file(path);
  std::unique_ptr<AtomicFile> data;
  if (two_files) {
    data = std::make_unique<AtomicFile>(data_path);
    write_outside(*data, all);
  }
  file.write(head.data());
  file.write(Message().announce(model_field::kGraph, static_cast<uint64_t>(graph_bytes(graph, all))).data());
  file.write(graph.message().data());
  for (const Entry& entry : all) {
    file.write(beginning(entry).data());
    file.write(entry.head.data());
    if (entry.inside) write_data(file, *entry.initializer);
  }
  // The data file is renamed first, because a model without its weights would be worse than weights without
  // their model.
  if (data) data->commit();
  file.commit();
  both.commit();
  std::vector<OnnxSummary::File> out = {{path, bytes}};
  if (two_files) out.push_back({data_path, outside_bytes(all)});
  return out;
}

}  // namespace vitrim::exporter
