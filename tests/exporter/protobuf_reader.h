#pragma once
// Reads the ONNX writer's output, field by field, without code of the writer.

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace vitrim::test {

/// The fields of one protobuf message, by number and in order; text of byte strings, numbers of varints.
struct Fields {
  std::map<int, std::vector<std::string_view>> texts;
  std::map<int, std::vector<int64_t>> integers;

  explicit Fields(std::string_view bytes) {
    size_t at = 0;
    const auto varint = [&] {
      uint64_t value = 0;
      for (int shift = 0;; shift += 7) {
        if (at >= bytes.size() || shift > 63) throw std::runtime_error("a varint ends nowhere");
        const auto byte = static_cast<unsigned char>(bytes[at++]);
        value |= static_cast<uint64_t>(byte & 0x7f) << shift;
        if (byte < 0x80) return value;
      }
    };
    while (at < bytes.size()) {
      const uint64_t tag = varint();
      const int field = static_cast<int>(tag >> 3);
      switch (tag & 7) {
        case 0:
          integers[field].push_back(static_cast<int64_t>(varint()));
          break;
        case 5:
          if (bytes.size() - at < 4) throw std::runtime_error("four bytes are cut off");
          texts[field].push_back(bytes.substr(at, 4));
          at += 4;
          break;
        case 2: {
          const uint64_t length = varint();
          if (length > bytes.size() - at) throw std::runtime_error("a byte string reaches past its message");
          texts[field].push_back(bytes.substr(at, length));
          at += length;
          break;
        }
        default:
          throw std::runtime_error("no such wire type here");
      }
    }
  }

  std::string text(int field) const {
    return texts.contains(field) ? std::string(texts.at(field).front()) : "";
  }
  int64_t integer(int field) const { return integers.contains(field) ? integers.at(field).front() : 0; }
  std::vector<Fields> messages(int field) const {
    std::vector<Fields> out;
    if (texts.contains(field)) {
      for (std::string_view bytes : texts.at(field)) out.emplace_back(bytes);
    }
    return out;
  }
  std::vector<std::string> strings(int field) const {
    return texts.contains(field) ? std::vector<std::string>(texts.at(field).begin(), texts.at(field).end())
                                 : std::vector<std::string>();
  }
};

/// An ONNX file in the numbers of onnx.proto: model 7 graph, 8 opset, 14 metadata; graph 1 node, 5
/// initializer, 11 input, 12 output; node 1 inputs, 2 outputs, 3 name, 4 operator; tensor 1 dims, 2 type, 8
/// name, 9 raw, 13 external, 14 location.
struct OnnxFile {
  explicit OnnxFile(std::string_view bytes)
      : model(bytes), graph(model.messages(7).at(0)), nodes(graph.messages(1)), tensors(graph.messages(5)) {}
  Fields model, graph;
  std::vector<Fields> nodes, tensors;

  int64_t count(const std::string& op) const {
    int64_t found = 0;
    for (const Fields& node : nodes) found += node.text(4) == op;
    return found;
  }
  std::map<std::string, std::string> metadata() const {
    std::map<std::string, std::string> out;
    for (const Fields& entry : model.messages(14)) out[entry.text(1)] = entry.text(2);
    return out;
  }
};

}  // namespace vitrim::test
