#include "checkpoint/safetensors_header.h"

#include <nlohmann/json.hpp>
#include <unordered_set>

#include "checkpoint/dtype.h"
#include "checkpoint/view_bytes.h"
#include "vitrim/core/error.h"

namespace vitrim::checkpoint {
namespace {

/// Handles the parser's events one by one. A tree would keep only the last of two equal names, and would use
/// memory before anything is checked. Because the header has a fixed form, its state is small.
class HeaderEvents : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit HeaderEvents(const std::string& file) : file_(file) {}
  SafetensorsHeader header;

  bool start_object(std::size_t) override {
    if (position_ == Position::kStart) {
      position_ = Position::kTop;
    } else if (position_ == Position::kTop) {
      position_ = name_ == kMetadataName ? Position::kMetadata : Position::kTensor;
      seen_dtype_ = seen_shape_ = seen_offsets_ = false;
      record_ = TensorRecord{};
      record_.name = name_;
    } else {
      wrong_value();
    }
    return true;
  }

  bool key(string_t& text) override {
    if (position_ == Position::kTop) {
      name_ = text;
      if (!names_.insert(text).second) fail(name_, "the name occurs twice in the header");
    } else {
      key_ = text;
      if (position_ == Position::kMetadata && header.metadata.count(text))
        fail(kMetadataName, "the key " + key_ + " occurs twice");
      if (position_ == Position::kTensor && key_ != "dtype" && key_ != "shape" && key_ != "data_offsets")
        fail(name_, "the header's key " + key_ + " is not one of dtype, shape and data_offsets");
    }
    return true;
  }

  bool end_object() override {
    if (position_ == Position::kTensor) {
      if (!seen_dtype_) fail(name_, "the header states no dtype");
      if (!seen_shape_) fail(name_, "the header states no shape");
      if (!seen_offsets_) fail(name_, "the header states no data_offsets");
      header.tensors.push_back(std::move(record_));
    }
    position_ = position_ == Position::kTop ? Position::kEnd : Position::kTop;
    return true;
  }

  bool string(string_t& text) override {
    if (position_ == Position::kMetadata) {
      header.metadata.emplace(key_, text);
    } else if (position_ == Position::kTensor && key_ == "dtype") {
      once(seen_dtype_);
      const auto dtype = dtype_from_safetensors(text);
      if (!dtype)
        fail(name_, "dtype " + text + " is not supported; convert it to one of " + safetensors_names());
      record_.dtype = *dtype;
    } else {
      wrong_value();
    }
    return true;
  }

  bool start_array(std::size_t) override {
    if (position_ != Position::kTensor || key_ == "dtype") wrong_value();
    once(key_ == "shape" ? seen_shape_ : seen_offsets_);
    position_ = key_ == "shape" ? Position::kShape : Position::kOffsets;
    offsets_ = 0;
    return true;
  }

  bool number_unsigned(number_unsigned_t value) override {
    if (position_ == Position::kShape) {
      if (value > static_cast<uint64_t>(INT64_MAX))
        fail(name_, "size " + std::to_string(value) + " in the shape is too large");
      if (record_.shape.size() == kMostDimensions)
        fail(name_, "the shape has more than " + std::to_string(kMostDimensions) + " dimensions");
      record_.shape.push_back(static_cast<int64_t>(value));
    } else if (position_ == Position::kOffsets) {
      if (offsets_ == 2) fail(name_, "data_offsets must be two numbers, begin and end");
      (offsets_++ == 0 ? record_.begin : record_.end) = value;
    } else {
      wrong_value();
    }
    return true;
  }

  bool end_array() override {
    if (position_ == Position::kOffsets && offsets_ != 2)
      fail(name_, "data_offsets must be two numbers, begin and end");
    position_ = Position::kTensor;
    return true;
  }

  bool number_integer(number_integer_t value) override {
    if (position_ == Position::kShape)
      fail(name_, "the shape holds a negative size, " + std::to_string(value));
    if (position_ == Position::kOffsets)
      fail(name_, "data_offsets holds a negative number, " + std::to_string(value));
    return wrong_value();
  }
  bool number_float(number_float_t, const string_t&) override { return wrong_value(); }
  bool null() override { return wrong_value(); }
  bool boolean(bool) override { return wrong_value(); }
  bool binary(binary_t&) override { return wrong_value(); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) override {
    // The parser counts from 1, and the header begins after the 8 bytes of its length.
    fail("byte " + std::to_string(position + 7),
         "the header is not valid JSON; copy or download the file again");
  }

 private:
  enum class Position { kStart, kTop, kMetadata, kTensor, kShape, kOffsets, kEnd };

  [[noreturn]] void fail(const std::string& where, const std::string& what) const {
    throw FormatError(file_, where, what);
  }

  void once(bool& seen) {
    if (seen) fail(name_, "the key " + key_ + " occurs twice");
    seen = true;
  }

  /// A value of a kind that is not valid at this place of the header.
  [[noreturn]] bool wrong_value() const {
    switch (position_) {
      case Position::kStart:
      case Position::kEnd:
        fail("byte 8", "the header is not a JSON object");
      case Position::kTop:
        fail(name_, "the header's entry is not a JSON object");
      case Position::kMetadata:
        fail(kMetadataName, "the value of " + key_ + " is not text");
      case Position::kTensor:
        fail(name_, key_ + (key_ == "dtype" ? " is not text" : " is not an array of numbers"));
      case Position::kShape:
      case Position::kOffsets:
        break;
    }
    fail(name_, key_ + " holds something that is not a whole number below 2^64");
  }

  const std::string& file_;
  Position position_ = Position::kStart;
  std::string name_, key_;
  std::unordered_set<std::string> names_;
  TensorRecord record_;
  bool seen_dtype_ = false, seen_shape_ = false, seen_offsets_ = false;
  int offsets_ = 0;
};

}  // namespace

SafetensorsHeader parse_header(std::string_view text, const std::string& file) {
  HeaderEvents events(file);
  nlohmann::json::sax_parse(text.begin(), text.end(), &events);
  return std::move(events.header);
}

}  // namespace vitrim::checkpoint
