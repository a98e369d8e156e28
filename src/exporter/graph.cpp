#include "exporter/graph.h"

#include <ATen/ATen.h>

#include <cstdio>
#include <stdexcept>

namespace vitrim::exporter {

namespace {

// Field numbers of onnx.proto's messages.
namespace node_field {
enum { kInput = 1, kOutput = 2, kName = 3, kOp = 4, kAttribute = 5 };
}
namespace attribute_field {
enum { kName = 1, kFloat = 2, kInt = 3, kInts = 8, kType = 20 };
}
namespace attribute_type {
enum { kFloat = 1, kInt = 2, kInts = 7 };
}
namespace graph_field {
enum { kNode = 1, kName = 2, kInput = 11, kOutput = 12, kValueInfo = 13 };
}
namespace value_field {
enum { kName = 1, kType = 2 };
}
namespace type_field {
enum { kTensor = 1 };
}
namespace tensor_type_field {
enum { kElement = 1, kShape = 2 };
}
namespace shape_field {
enum { kDimension = 1 };
}
namespace dimension_field {
enum { kValue = 1, kName = 2 };
}

Message attribute_message(const Attribute& attribute) {
  Message out;
  out.text(attribute_field::kName, attribute.first);
  if (const auto* integer = std::get_if<int64_t>(&attribute.second)) {
    out.integer(attribute_field::kInt, *integer).integer(attribute_field::kType, attribute_type::kInt);
  } else if (const auto* number = std::get_if<double>(&attribute.second)) {
    out.number(attribute_field::kFloat, static_cast<float>(*number))
        .integer(attribute_field::kType, attribute_type::kFloat);
  } else {
    for (int64_t value : std::get<std::vector<int64_t>>(attribute.second))
      out.integer(attribute_field::kInts, value);
    out.integer(attribute_field::kType, attribute_type::kInts);
  }
  return out;
}

Message value_message(const Value& value, const Shape& shape) {
  Message dimensions;
  for (int64_t size : shape) {
    Message dimension;
    if (size < 0) {
      dimension.text(dimension_field::kName, "batch");
    } else {
      dimension.integer(dimension_field::kValue, size);
    }
    dimensions.message(shape_field::kDimension, dimension);
  }
  Message tensor;
  tensor.integer(tensor_type_field::kElement, static_cast<int64_t>(value.type))
      .message(tensor_type_field::kShape, dimensions);
  return Message()
      .text(value_field::kName, value.name)
      .message(value_field::kType, Message().message(type_field::kTensor, tensor));
}

int64_t element_bytes(Type type) {
  switch (type) {
    case Type::kHalf:
      return 2;
    case Type::kFloat:
    case Type::kInt32:
      return 4;
    case Type::kInt64:
      return 8;
    case Type::kUint8:
    case Type::kInt8:
    case Type::kBool:
      break;
  }
  return 1;
}

}  // namespace

int64_t Initializer::bytes() const { return tensor.numel() * element_bytes(type); }

Graph::Scope::Scope(Graph& graph, const std::string& name) : graph_(graph), outer_(graph.scope_.size()) {
  graph_.scope_ += "/" + name;
}
Graph::Scope::~Scope() { graph_.scope_.resize(outer_); }

std::string Graph::unique(const std::string& label) {
  std::string name = scope_ + "/" + label;
  if (names_.insert(name).second) return name;
  for (int i = 2;; ++i) {
    std::string numbered = name + "." + std::to_string(i);
    if (names_.insert(numbered).second) return numbered;
  }
}

Value Graph::input(const std::string& name, Type type, const Shape& shape) {
  names_.insert(name);
  Value value{name, type};
  message_.text(graph_field::kName, "vitrim").message(graph_field::kInput, value_message(value, shape));
  input_ = {name, shape};
  return value;
}

void Graph::output(const std::string& name, const Value& value, const Shape& shape) {
  const Value out{name, value.type};
  message_.message(graph_field::kNode, Message()
                                           .text(node_field::kInput, value.name)
                                           .text(node_field::kOutput, name)
                                           .text(node_field::kName, "/" + name)
                                           .text(node_field::kOp, "Identity"));
  ++num_nodes_;
  message_.message(graph_field::kOutput, value_message(out, shape));
  output_ = {name, shape};
}

void Graph::describe(const Value& value, const Shape& shape) {
  message_.message(graph_field::kValueInfo, value_message(value, shape));
}

Value Graph::tensor(const std::string& name, const at::Tensor& tensor, Type type) {
  if (!names_.insert(name).second) throw std::logic_error("[exporter::Graph] two tensors are called " + name);
  initializers_.push_back({name, tensor, type});
  return {name, type};
}

Value Graph::shared_tensor(const std::string& name, const at::Tensor& value, Type type) {
  const auto found = shared_.find(name);
  return found != shared_.end() ? found->second : shared_[name] = tensor(name, value, type);
}

Value Graph::integers(const std::vector<int64_t>& values) {
  std::string name = "integers";
  for (size_t i = 0; i < values.size(); ++i) name += (i ? "," : ":") + std::to_string(values[i]);
  return shared_tensor(name, at::tensor(values, at::kLong), Type::kInt64);
}

Value Graph::scalar(double value, Type type) {
  const char* kind = type == Type::kHalf    ? "half"
                     : type == Type::kUint8 ? "uint8"
                     : type == Type::kInt8  ? "int8"
                                            : "number";
  char text[64];
  std::snprintf(text, sizeof text, "%s:%.9g", kind, value);
  return shared_tensor(text, at::scalar_tensor(value, at::kDouble), type);
}

std::vector<Value> Graph::outputs(const std::string& op, const std::vector<std::string>& labels,
                                  const std::vector<Value>& inputs, Type type,
                                  const std::vector<Attribute>& attributes) {
  Message node;
  for (const Value& input : inputs) node.text(node_field::kInput, input.name);
  std::vector<Value> out;
  for (const std::string& label : labels) {
    out.push_back({unique(label), type});
    node.text(node_field::kOutput, out.back().name);
  }
  // Names of nodes and names of values are separate, so a node has the name of its first output.
  node.text(node_field::kName, out.front().name).text(node_field::kOp, op);
  for (const Attribute& attribute : attributes)
    node.message(node_field::kAttribute, attribute_message(attribute));
  message_.message(graph_field::kNode, node);
  ++num_nodes_;
  return out;
}

Value Graph::node(const std::string& op, const std::string& label, const std::vector<Value>& inputs,
                  Type type, const std::vector<Attribute>& attributes) {
  return outputs(op, {label}, inputs, type, attributes).front();
}

}  // namespace vitrim::exporter
