#pragma once
// An ONNX graph under construction: nodes, the constants that they read, and unique names that show the place
// of a node in the model.

#include <ATen/core/Tensor.h>

#include <map>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "exporter/protobuf.h"
#include "vitrim/exporter/onnx.h"

namespace vitrim::exporter {

/// Element types, numbered as ONNX does.
enum class Type { kFloat = 1, kUint8 = 2, kInt8 = 3, kInt32 = 6, kInt64 = 7, kBool = 9, kHalf = 10 };

/// An output of a node, or a tensor of the graph.
struct Value {
  std::string name;
  Type type = Type::kFloat;
  bool defined() const { return !name.empty(); }
};

/// A tensor of the file. It is converted to `type` and made contiguous when it is written.
struct Initializer {
  std::string name;
  at::Tensor tensor;
  Type type;
  int64_t bytes() const;
};

using Attribute = std::pair<std::string, std::variant<int64_t, double, std::vector<int64_t>>>;
/// Dimensions of a tensor; -1 is the symbolic "batch".
using Shape = std::vector<int64_t>;

class Graph {
 public:
  /// The scope's name is the prefix of every node's name: "/blocks.0/attn".
  class Scope {
   public:
    Scope(Graph& graph, const std::string& name);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Graph& graph_;
    size_t outer_;
  };

  Value input(const std::string& name, Type type, const Shape& shape);
  /// Adds the output as an Identity node with the output's name, without renaming.
  void output(const std::string& name, const Value& value, const Shape& shape);
  /// Writes the shape of a value into the file, for readers of the graph.
  void describe(const Value& value, const Shape& shape);

  /// A tensor of the file under exactly this name, which must be new.
  Value tensor(const std::string& name, const at::Tensor& tensor, Type type);
  /// The same, stored once for all callers with this name.
  Value shared_tensor(const std::string& name, const at::Tensor& tensor, Type type);
  /// A list of integers, stored once.
  Value integers(const std::vector<int64_t>& values);
  /// A number, stored once per type; it must be an integer for integer types.
  Value scalar(double value, Type type);

  /// A node with one output; both get the name `label` in the scope.
  Value node(const std::string& op, const std::string& label, const std::vector<Value>& inputs, Type type,
             const std::vector<Attribute>& attributes = {});
  /// A node with several outputs of one type.
  std::vector<Value> outputs(const std::string& op, const std::vector<std::string>& labels,
                             const std::vector<Value>& inputs, Type type,
                             const std::vector<Attribute>& attributes = {});

  int64_t num_nodes() const { return num_nodes_; }
  const std::vector<Initializer>& initializers() const { return initializers_; }
  /// The GraphProto without its initializers.
  const Message& message() const { return message_; }
  const OnnxTensor& input_info() const { return input_; }
  const OnnxTensor& output_info() const { return output_; }

 private:
  std::string unique(const std::string& label);

  std::string scope_;
  Message message_;
  std::vector<Initializer> initializers_;
  std::map<std::string, Value> shared_;
  std::set<std::string> names_;
  OnnxTensor input_, output_;
  int64_t num_nodes_ = 0;
};

}  // namespace vitrim::exporter
