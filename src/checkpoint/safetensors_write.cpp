#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <stdexcept>

#include "checkpoint/dtype.h"
#include "checkpoint/safetensors_header.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/core/atomic_file.h"
#include "vitrim/core/error.h"

namespace vitrim::checkpoint {
namespace {

constexpr size_t kHeaderAlignment = 8;

/// A JSON string. Throws if `text` is not UTF-8, which JSON requires.
std::string quoted(const std::string& text, const std::string& what) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::exception&) {
    throw std::invalid_argument("[save_safetensors] " + what + " is not valid UTF-8; rename it");
  }
}

void check_writable_tensor(const std::string& name, const TensorView& tensor) {
  const std::string start = "[save_safetensors] tensor " + name;
  if (name == kMetadataName)
    throw std::invalid_argument(start + ": the name is reserved for metadata; rename it");
  if (safetensors_name(tensor.dtype).empty())
    throw std::invalid_argument(start + " has dtype " + std::string(dtype_name(tensor.dtype)) +
                                "; convert it to one of " + safetensors_names());
}

/// Positions of the entries in the order of their data: the largest elements first, so that every tensor is
/// aligned to its element's size although the format allows no gaps. With a single dtype, the order does not
/// change.
std::vector<size_t> data_order(const std::vector<Checkpoint::Entry>& entries) {
  std::vector<size_t> order(entries.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return item_size(entries[a].second.dtype) > item_size(entries[b].second.dtype);
  });
  return order;
}

std::string header_json(const Checkpoint& state, const std::vector<size_t>& order) {
  const auto& entries = state.entries();
  std::vector<uint64_t> begins(entries.size());
  uint64_t end = 0;
  for (const size_t i : order) {
    begins[i] = end;
    end += entries[i].second.nbytes();
  }
  std::string json = "{";
  if (!state.metadata.empty()) {
    json += quoted(kMetadataName, "") + ":{";
    for (const auto& [key, value] : state.metadata) {
      if (json.back() != '{') json += ',';
      json += quoted(key, "a metadata key") + ":" + quoted(value, "the metadata of " + key);
    }
    json += '}';
  }
  for (size_t i = 0; i < entries.size(); ++i) {
    const auto& [name, tensor] = entries[i];
    if (json.size() > 1) json += ',';
    json += quoted(name, "the tensor name " + name) + ":{\"dtype\":\"" +
            std::string(safetensors_name(tensor.dtype)) + "\",\"shape\":[";
    for (int64_t d = 0; d < tensor.dim(); ++d) {
      if (d > 0) json += ',';
      json += std::to_string(tensor.size(d));
    }
    json += "],\"data_offsets\":[" + std::to_string(begins[i]) + "," +
            std::to_string(begins[i] + tensor.nbytes()) + "]}";
  }
  json += '}';
  // Spaces, which JSON allows at the end, align the data.
  while (json.size() % kHeaderAlignment != 0) json += ' ';
  if (json.size() > kLongestHeader)
    throw std::invalid_argument("[save_safetensors] the header would be " + std::to_string(json.size()) +
                                " bytes long, but the format allows " + std::to_string(kLongestHeader) +
                                "; shorten the metadata");
  return json;
}

}  // namespace

void save_safetensors(const Checkpoint& state, const std::string& path) {
  // All arguments are checked before the file is touched.
  for (const auto& [name, tensor] : state.entries()) check_writable_tensor(name, tensor);
  const std::vector<size_t> order = data_order(state.entries());
  const std::string header = header_json(state, order);

  AtomicFile file(path);
  const uint64_t length = header.size();
  file.write(&length, sizeof length);
  file.write(header);
  for (const size_t i : order) {
    const TensorView tensor = contiguous(state.entries()[i].second);
    if (tensor.nbytes() > 0) file.write(tensor.data, tensor.nbytes());
  }
  file.commit();
}

}  // namespace vitrim::checkpoint
