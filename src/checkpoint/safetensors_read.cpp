#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

#include "checkpoint/mapped_file.h"
#include "checkpoint/safetensors_header.h"
#include "checkpoint/view_bytes.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/core/error.h"

namespace vitrim::checkpoint {
namespace {

static_assert(std::endian::native == std::endian::little,
              "safetensors data are little-endian and are not swapped");

constexpr size_t kLengthBytes = 8;

std::string number(uint64_t value) { return std::to_string(value); }

/// The text of the header; the data follow it.
std::string_view header_text(const MappedFile& file) {
  const std::string& path = file.path();
  if (file.size() < kLengthBytes)
    throw FormatError(path, "byte 0",
                      "the file ends after " + number(file.size()) +
                          " bytes, inside the header's length; copy or download it again");
  uint64_t length = 0;
  std::memcpy(&length, file.data(), kLengthBytes);
  if (length > kLongestHeader)
    throw FormatError(path, "byte 0",
                      "the header would be " + number(length) + " bytes long, but the format allows " +
                          number(kLongestHeader) + ", so the file is damaged or not a safetensors file");
  if (length > file.size() - kLengthBytes)
    throw FormatError(path, "byte 0",
                      "the header should be " + number(length) + " bytes long, but the file ends after " +
                          number(file.size()) + "; copy or download it again");
  const std::string_view text(reinterpret_cast<const char*>(file.data()) + kLengthBytes, length);
  if (text.empty() || text.front() != '{')
    throw FormatError(path, "byte 8",
                      "the header does not begin with {, so the file is damaged or not a safetensors file");
  return text;
}

/// Throws unless the tensor's bytes are within the data and their number matches its shape and dtype.
void check_range(const TensorRecord& tensor, uint64_t data_size, const std::string& file) {
  const std::string range = "data_offsets [" + number(tensor.begin) + ", " + number(tensor.end) + "]";
  if (tensor.begin > tensor.end) throw FormatError(file, tensor.name, range + " are out of order");
  if (tensor.end > data_size)
    throw FormatError(file, tensor.name,
                      range + " reach beyond the end of the file, which holds " + number(data_size) +
                          " bytes of data; copy or download it again");
  const std::optional<int64_t> count = element_count(tensor.shape);
  if (!count) throw FormatError(file, tensor.name, "the shape holds more elements than can be counted");
  const uint64_t expected = static_cast<uint64_t>(*count) * item_size(tensor.dtype);
  if (tensor.end - tensor.begin != expected)
    throw FormatError(file, tensor.name,
                      range + " hold " + number(tensor.end - tensor.begin) +
                          " bytes, but shape and dtype need " + number(expected));
}

/// Throws unless the tensors cover the data without overlap and without holes.
void check_cover(const std::vector<TensorRecord>& tensors, uint64_t data_size, const std::string& file) {
  std::vector<const TensorRecord*> sorted;
  sorted.reserve(tensors.size());
  for (const TensorRecord& tensor : tensors) sorted.push_back(&tensor);
  std::sort(sorted.begin(), sorted.end(), [](const TensorRecord* a, const TensorRecord* b) {
    return a->begin != b->begin ? a->begin < b->begin : a->end < b->end;
  });
  uint64_t covered = 0;
  const TensorRecord* before = nullptr;
  for (const TensorRecord* tensor : sorted) {
    if (tensor->begin < covered)
      throw FormatError(file, tensor->name, "its data overlap those of " + before->name);
    if (tensor->begin > covered)
      throw FormatError(file, tensor->name,
                        "bytes " + number(covered) + " to " + number(tensor->begin) +
                            " of the data, just before it, belong to no tensor");
    covered = tensor->end;
    before = tensor;
  }
  if (covered != data_size)
    throw FormatError(file, before ? before->name : "",
                      "bytes " + number(covered) + " to " + number(data_size) +
                          " of the data, after the last tensor, belong to no tensor");
}

}  // namespace

Checkpoint load_safetensors(const std::string& path) {
  const std::shared_ptr<const MappedFile> file = MappedFile::open(path);
  const std::string_view text = header_text(*file);
  SafetensorsHeader header = parse_header(text, path);
  const size_t data_start = kLengthBytes + text.size();
  const uint64_t data_size = file->size() - data_start;
  for (const TensorRecord& tensor : header.tensors) check_range(tensor, data_size, path);
  check_cover(header.tensors, data_size, path);

  Checkpoint state;
  state.path = path;
  state.metadata = std::move(header.metadata);
  const Bytes bytes{file, file->data(), file->size()};
  for (TensorRecord& tensor : header.tensors) {
    TensorView view;
    view.dtype = tensor.dtype;
    view.strides = contiguous_strides(tensor.shape);
    view.shape = std::move(tensor.shape);
    view = view_bytes(bytes, data_start + tensor.begin, std::move(view), path, tensor.name);
    state.add(std::move(tensor.name), std::move(view));
  }
  return state;
}

}  // namespace vitrim::checkpoint
