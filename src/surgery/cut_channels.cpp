#include "vitrim/surgery/cut_channels.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>

#include "vitrim/architecture/channels.h"
#include "vitrim/architecture/stages.h"

namespace vitrim::surgery {

using architecture::ChannelGroup;
using architecture::ChannelSlice;

namespace {

// One group of one block: the factors, and the kept channels of each head.
struct Group {
  at::Tensor factors;  // [heads, width], double
  std::vector<std::vector<int64_t>> kept;
  int64_t width = 0;
};

class BlockCut {
 public:
  BlockCut(const ModelSpec& spec, int index, const model::ChannelGates& gates) : spec_(spec), index_(index) {
    const BlockSpec& block = spec.blocks[static_cast<size_t>(index)];
    add(ChannelGroup::kQk, gates.qk, block.num_heads, block.qk_dim, "q and k");
    add(ChannelGroup::kV, gates.v, block.num_heads, block.v_dim, "v");
    add(ChannelGroup::kMlp, gates.mlp.defined() ? gates.mlp.reshape({1, -1}) : gates.mlp, 1, block.mlp_dim,
        "the MLP");
    if (groups_.contains(ChannelGroup::kQk) && spec.qk_norm)
      fail("query-key channels before a q/k norm can't be pruned");
  }

  void apply(BlockSpec& block, model::StateDict& weights) {
    if (groups_.empty()) return;
    fold(block, weights);
    cut(weights);
    if (const Group* g = group(ChannelGroup::kQk)) block.qk_dim = static_cast<int64_t>(g->kept[0].size());
    if (const Group* g = group(ChannelGroup::kMlp)) block.mlp_dim = static_cast<int64_t>(g->kept[0].size());
    if (const Group* g = group(ChannelGroup::kV)) {
      block.v_dim = static_cast<int64_t>(g->kept[0].size());
      block.per_head_filters = block.per_head_filters || (is_linear_attention(block.attention) && !alike(*g));
    }
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw std::invalid_argument("[surgery::cut_channels] block " + std::to_string(index_) + ": " + what);
  }
  const Group* group(ChannelGroup kind) const {
    const auto found = groups_.find(kind);
    return found == groups_.end() ? nullptr : &found->second;
  }

  void add(ChannelGroup kind, const at::Tensor& gate, int64_t heads, int64_t width, const std::string& name) {
    if (!gate.defined()) return;
    if (gate.dim() != 2 || gate.size(0) != heads || gate.size(1) != width)
      fail("the gates on " + name + " have another shape");
    Group g{gate.detach().to(at::kDouble).cpu().contiguous(), {}, width};
    for (int64_t h = 0; h < heads; ++h) {
      g.kept.emplace_back();
      for (int64_t c = 0; c < width; ++c) {
        if (g.factors[h][c].item<double>() != 0) g.kept.back().push_back(c);
      }
      if (g.kept.back().empty()) fail("no channel of " + name + " is left in head " + std::to_string(h));
      if (g.kept.back().size() != g.kept.front().size())
        fail("heads keep different numbers of channels of " + name);
    }
    groups_.emplace(kind, std::move(g));
  }

  // The factors of a slice's channels, in the order of the slice.
  static at::Tensor factors(const Group& g, const ChannelSlice& slice) {
    return g.factors.slice(0, slice.head_begin, slice.head_begin + slice.heads).flatten();
  }

  static void multiply(model::StateDict& weights, const ChannelSlice& slice, const at::Tensor& factors) {
    const at::Tensor old = weights.at(slice.parameter);
    at::Tensor now = old.clone();
    std::vector<int64_t> shape(static_cast<size_t>(old.dim()), 1);
    shape[static_cast<size_t>(slice.dim)] = factors.numel();
    now.narrow(slice.dim, slice.offset, factors.numel()).mul_(factors.reshape(shape).to(old.scalar_type()));
    weights.set(slice.parameter, now);
  }

  void fold(const BlockSpec& block, model::StateDict& weights) const {
    const std::string readers[] = {architecture::projection_name(spec_, index_) + ".weight",
                                   architecture::block_prefix(spec_, index_) + "mlp.fc2.weight"};
    for (const ChannelSlice& slice : architecture::channel_slices(spec_, index_)) {
      const Group* g = group(slice.group);
      if (!g) continue;
      if (slice.group != ChannelGroup::kQk) {
        if (slice.parameter == readers[0] || slice.parameter == readers[1])
          multiply(weights, slice, factors(*g, slice));
      } else if (architecture::qk_fold(spec_, index_) == architecture::QkFold::kQueryRows) {
        const double root =
            std::sqrt(static_cast<double>(g->kept[0].size()) / static_cast<double>(block.qk_dim));
        if (slice.query) multiply(weights, slice, factors(*g, slice) * root);
      } else if (slice.parameter.ends_with(".scale")) {
        fold_into_scale(weights, slice, factors(*g, slice));
      }
    }
  }

  // softplus(new) = softplus(old) / factor; removed channels keep their value.
  void fold_into_scale(model::StateDict& weights, const ChannelSlice& slice,
                       const at::Tensor& factors) const {
    if ((factors < 0).any().item<bool>()) fail("a factor on q and k of focused linear attention is negative");
    const at::Tensor old = weights.at(slice.parameter).to(at::kDouble).flatten();
    const at::Tensor wanted = at::softplus(old) / at::where(factors > 0, factors, at::ones_like(factors));
    const at::Tensor folded = wanted + (-at::expm1(-wanted)).log();  // softplus's inverse
    const at::Tensor now = at::where(factors == 1, old, folded);
    weights.set(
        slice.parameter,
        now.reshape(weights.at(slice.parameter).sizes()).to(weights.at(slice.parameter).scalar_type()));
  }

  void cut(model::StateDict& weights) const {
    std::map<std::pair<std::string, int64_t>, std::vector<ChannelSlice>> by_place;
    for (const ChannelSlice& slice : architecture::channel_slices(spec_, index_))
      by_place[{slice.parameter, slice.dim}].push_back(slice);
    for (auto& [place, slices] : by_place) {
      if (std::none_of(slices.begin(), slices.end(), [&](const ChannelSlice& s) { return group(s.group); }))
        continue;
      std::sort(slices.begin(), slices.end(),
                [](const ChannelSlice& a, const ChannelSlice& b) { return a.offset < b.offset; });
      std::vector<int64_t> rows;
      for (const ChannelSlice& slice : slices) append(rows, slice);
      weights.set(place.first,
                  weights.at(place.first).index_select(place.second, at::tensor(rows, at::kLong)));
    }
  }

  // Whether all heads keep the same channels.
  static bool alike(const Group& g) {
    return std::all_of(g.kept.begin(), g.kept.end(),
                       [&](const std::vector<int64_t>& kept) { return kept == g.kept.front(); });
  }

  void append(std::vector<int64_t>& rows, const ChannelSlice& slice) const {
    const BlockSpec& block = spec_.blocks[static_cast<size_t>(index_)];
    const Group* g = group(slice.group);
    const int64_t width = g                                  ? g->width
                          : slice.group == ChannelGroup::kQk ? block.qk_dim
                          : slice.group == ChannelGroup::kV  ? block.v_dim
                                                             : block.mlp_dim;
    for (int64_t h = 0; h < slice.heads; ++h) {
      const int64_t begin = slice.offset + (slice.shared ? 0 : h * width);
      if (slice.shared && h > 0 && (!g || alike(*g))) break;  // one filter per channel still serves all heads
      if (g) {
        for (int64_t c : g->kept[static_cast<size_t>(slice.head_begin + h)]) rows.push_back(begin + c);
      } else {
        for (int64_t c = 0; c < width; ++c) rows.push_back(begin + c);
      }
    }
  }

  const ModelSpec& spec_;
  int index_;
  std::map<ChannelGroup, Group> groups_;
};

}  // namespace

SpecAndWeights cut_channels(const SpecAndWeights& model, const std::vector<model::ChannelGates>& gates) {
  require_float_weights(model.spec, "cutting channels");
  if (gates.size() != model.spec.blocks.size()) {
    throw std::invalid_argument("[surgery::cut_channels] " + std::to_string(gates.size()) + " gates for " +
                                std::to_string(model.spec.blocks.size()) + " blocks");
  }
  SpecAndWeights out = model;
  for (int i = 0; i < static_cast<int>(gates.size()); ++i) {
    BlockCut(model.spec, i, gates[static_cast<size_t>(i)])
        .apply(out.spec.blocks[static_cast<size_t>(i)], out.weights);
  }
  validate(out.spec);
  return out;
}

}  // namespace vitrim::surgery
