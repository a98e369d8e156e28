#include "exporter/merging.h"

#include <ATen/ATen.h>

#include "vitrim/core/merging.h"

namespace vitrim::exporter {

namespace {

// Below every cosine, also after a cosine is added to it.
constexpr double kNever = -10;

// rows [B, k] (int64) of x [B, n, width] -> [B, k, width]
Value rows_of(LayerBuilder& layers, const std::string& label, const Value& x, const Value& rows,
              int64_t width) {
  Graph& graph = layers.graph();
  // GatherND could read whole rows, but ONNX Runtime's shape inference fails for it with separate batches.
  const Value column = graph.node("Unsqueeze", label + "_at", {rows, graph.integers({-1})}, Type::kInt64);
  const Value indices =
      graph.node("Expand", label + "_everywhere", {column, graph.integers({1, 1, width})}, Type::kInt64);
  return graph.node("GatherElements", label, {x, indices}, x.type, {{"axis", int64_t{1}}});
}

// [1, first, second]: added values that exclude prefix tokens on both sides of a pair.
Value protection(LayerBuilder& layers, int64_t first, int64_t second, int64_t prefix) {
  at::Tensor table = at::zeros({1, first, second});
  table.slice(1, 0, (prefix + 1) / 2).fill_(kNever);
  table.slice(2, 0, prefix / 2).fill_(kNever);
  return layers.graph().shared_tensor("protection:" + std::to_string(first) + "x" + std::to_string(second),
                                      table, Type::kFloat);
}

struct Matching {
  Value kept, gone, target;  // int64 [B, first - count], [B, count], [B, count]; as in the model
};

Matching match(LayerBuilder& layers, const Value& metric, int64_t tokens, int64_t count) {
  Graph& graph = layers.graph();
  const int64_t first = (tokens + 1) / 2, second = tokens / 2;
  const Value length = layers.binary("Max", "length", layers.reduce("ReduceL2", "norm", metric, -1, true),
                                     graph.scalar(1e-12, Type::kFloat));
  const Value direction = layers.binary("Div", "direction", metric, length);
  const Value even = layers.slice("even", direction, 1, 0, tokens, 2);
  const Value odd =
      layers.transpose("odd_transposed", layers.slice("odd", direction, 1, 1, tokens, 2), {0, 2, 1});
  const Value scores = layers.scaled(
      "rounded",
      layers.unary("Round", "steps",
                   layers.scaled("in_steps", layers.binary("MatMul", "cosines", even, odd), 1 / kCosineStep)),
      kCosineStep);
  const Value cosines = layers.binary("Add", "protected", scores,
                                      protection(layers, first, second, layers.spec().prefix_tokens()));
  const Value best = layers.reduce("ReduceMax", "best", cosines, -1, false);
  const Value partner = graph.node("ArgMax", "partner", {cosines}, Type::kInt64,
                                   {{"axis", int64_t{-1}}, {"keepdims", int64_t{0}}});
  // The two outputs have different types: the type of the indices is set here.
  std::vector<Value> ranked = graph.outputs("TopK", {"ranked", "order"}, {best, graph.integers({first})},
                                            Type::kFloat, {{"axis", int64_t{-1}}});
  Value order = ranked[1];
  order.type = Type::kInt64;
  Matching out;
  out.gone = layers.slice("gone", order, 1, 0, count);
  out.target =
      graph.node("GatherElements", "target", {partner, out.gone}, Type::kInt64, {{"axis", int64_t{1}}});
  // Sorted as float32, which represents these small numbers exactly and which TopK of every reader supports.
  const Value stay = layers.cast(layers.slice("staying", order, 1, count, first), Type::kFloat);
  const Value sorted = graph
                           .outputs("TopK", {"sorted", "sorted_at"}, {stay, graph.integers({first - count})},
                                    Type::kFloat, {{"axis", int64_t{-1}}, {"largest", int64_t{0}}})
                           .front();
  out.kept = layers.cast(sorted, Type::kInt64);
  return out;
}

// Prefix tokens come first, in their order, then the rest of each half.
Value arrange(LayerBuilder& layers, const Value& kept, const Value& second, int64_t num_kept,
              int64_t num_second) {
  const int64_t prefix = layers.spec().prefix_tokens();
  Value all = layers.concat("left", {kept, second}, 1);
  if (prefix <= 1) return all;
  std::vector<int64_t> order;
  for (int64_t i = 0; i < prefix; ++i) order.push_back(i % 2 == 0 ? i / 2 : num_kept + i / 2);
  for (int64_t i = (prefix + 1) / 2; i < num_kept; ++i) order.push_back(i);
  for (int64_t i = prefix / 2; i < num_second; ++i) order.push_back(num_kept + i);
  const Value places = layers.graph().shared_tensor(
      "arrangement:" + std::to_string(num_kept) + "+" + std::to_string(num_second),
      at::tensor(order, at::kLong), Type::kInt64);
  return layers.graph().node("Gather", "arranged", {all, places}, all.type, {{"axis", int64_t{1}}});
}

}  // namespace

Value merge_tokens(LayerBuilder& layers, const Value& y, const Value& metric, int64_t count,
                   MergedStream& merged) {
  Graph& graph = layers.graph();
  const Graph::Scope scope(graph, "merge");
  const int64_t tokens = merged.tokens, width = layers.spec().embed_dim, first = (tokens + 1) / 2,
                second = tokens / 2;
  const Matching matching = match(layers, layers.to_float(metric), tokens, count);
  Value weighted;  // [B, N, C + 1]: sums, and their divisors
  if (merged.sizes.defined()) {
    weighted =
        layers.concat("weighted", {layers.binary("Mul", "times_size", y, merged.sizes), merged.sizes}, 2);
  } else {
    weighted =
        graph.node("Pad", "weighted",
                   {y, graph.integers({0, 0, 0, 0, 0, 1}), graph.scalar(1.0, Type::kFloat)}, Type::kFloat);
  }
  const Value even = layers.slice("first", weighted, 1, 0, tokens, 2),
              odd = layers.slice("second", weighted, 1, 1, tokens, 2);
  // One row per token of the second half, with a 1 at each token that is merged into it.
  std::vector<int64_t> numbers;
  for (int64_t i = 0; i < second; ++i) numbers.push_back(i);
  const Value column =
      graph.shared_tensor("numbers:" + std::to_string(second),
                          at::tensor(numbers, at::kLong).reshape({1, second, 1}), Type::kInt64);
  const Value wanted =
      graph.node("Unsqueeze", "target_row", {matching.target, graph.integers({1})}, Type::kInt64);
  const Value hits = graph.node("Equal", "goes_to", {wanted, column}, Type::kBool);
  const Value one_hot =
      graph.node("Cast", "one_hot", {hits}, Type::kFloat, {{"to", static_cast<int64_t>(Type::kFloat)}});
  const Value sums = layers.binary(
      "Add", "sums", odd,
      layers.binary("MatMul", "added", one_hot, rows_of(layers, "going", even, matching.gone, width + 1)));
  const Value all =
      arrange(layers, rows_of(layers, "kept", even, matching.kept, width + 1), sums, first - count, second);
  const std::vector<Value> parts = layers.split({"sum", "sizes"}, all, 2, {width, 1});
  merged = {tokens - count, parts[1]};
  return layers.binary("Div", "mean", parts[0], parts[1]);
}

Value mean_of_tokens(LayerBuilder& layers, const Value& x, const MergedStream& merged) {
  const int64_t prefix = layers.spec().prefix_tokens();
  const auto patches = [&](const std::string& label, const Value& t) {
    return prefix > 0 ? layers.slice(label, t, 1, prefix, merged.tokens) : t;
  };
  const Value left = patches("patches", x);
  if (!merged.sizes.defined()) return layers.reduce("ReduceMean", "pooled", left, 1, false);
  Graph& graph = layers.graph();
  const auto sum = [&](const std::string& label, const Value& t) {
    return graph.node("ReduceSum", label, {t, graph.integers({1})}, Type::kFloat, {{"keepdims", int64_t{0}}});
  };
  const Value sizes = patches("patch_sizes", merged.sizes);
  return layers.binary("Div", "pooled", sum("sum", layers.binary("Mul", "times_size", left, sizes)),
                       sum("count", sizes));
}

}  // namespace vitrim::exporter
