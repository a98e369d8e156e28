#include "runtime/stage_weights.h"

#include <algorithm>
#include <cmath>

namespace vitrim::runtime {

namespace {

using architecture::AttentionBranch;
using architecture::AttentionSite;
using architecture::block_prefix;
using architecture::kMlpFilter;
using architecture::kPositionFilter;

const float kLog2e = static_cast<float>(std::log2(std::exp(1.0)));

size_t at(int64_t i) { return static_cast<size_t>(i); }

// Reorders the columns of `layer` from [outer, inner] to [inner, outer].
Linear swap_inputs(const Linear& layer, int64_t outer, int64_t inner) {
  Linear out = layer;
  for (int64_t r = 0; r < layer.out; ++r) {
    for (int64_t o = 0; o < outer; ++o) {
      for (int64_t i = 0; i < inner; ++i)
        out.weight[at(r * layer.in + i * outer + o)] = layer.weight[at(r * layer.in + o * inner + i)];
    }
  }
  return out;
}

template <typename T>
StepWeights<T> step_weights(const WeightSource& source, const ModelSpec& spec, int stage) {
  StepWeights<T> out;
  out.layout = architecture::step_layout(spec, stage);
  out.channels = architecture::step_channels(spec, stage);
  const architecture::StepLayout& layout = out.layout;
  const int64_t dim = spec.stage_dim(stage), side = layout.kernel, taps = side * side,
                in = taps * out.channels;
  Linear layer = source.linear(layout.projection, dim, in, layout.bias);
  if (!layout.norm_patch.empty()) {
    const NormWeights norm = source.norm(layout.norm_patch, in);
    layer.fold_input(norm.gain, norm.shift);
  }
  if (layout.linear) {  // [across, down, channels] -> [down, across, channels]
    Linear turned = layer;
    for (int64_t r = 0; r < dim; ++r) {
      for (int64_t x = 0; x < side; ++x) {
        for (int64_t y = 0; y < side; ++y) {
          std::copy_n(layer.weight.data() + r * in + (x * side + y) * out.channels, out.channels,
                      turned.weight.data() + r * in + (y * side + x) * out.channels);
        }
      }
    }
    layer = turned;
  } else if (stage > 0) {
    layer = swap_inputs(layer, out.channels, taps);
  }
  out.matrix = Matrix<T>(layer);
  if (!layout.norm_before.empty()) out.before = source.norm(layout.norm_before, out.channels);
  if (!layout.norm_after.empty()) out.after = source.norm(layout.norm_after, dim);
  if (!layout.positions.empty())
    out.positions = source.values(layout.positions, spec.stage_grid(stage).size() * dim);
  return out;
}

// The heads [first, first + heads) of a layer with rows of heads of `width`, each padded.
Linear padded_heads(const Linear& layer, int64_t first, int64_t heads, int64_t width, int64_t pad) {
  Linear out{0, layer.in, {}, {}, {}};
  for (int64_t h = first; h < first + heads; ++h) {
    Linear one = layer.rows(h * width, (h + 1) * width);
    one.pad_rows(pad);
    out.append(one);
  }
  return out;
}

// Adds filters [channels, side * side] to `out`, which may be larger. padded(channel) is the column of a
// channel.
template <typename PaddedIndex>
void add_filter(FilterWeights& out, const std::vector<float>& weight, const std::vector<float>& bias,
                int64_t side, PaddedIndex&& padded) {
  const int64_t rim = (out.side - side) / 2;
  for (size_t c = 0; c < bias.size(); ++c) {
    const int64_t to = padded(static_cast<int64_t>(c));
    out.bias.data()[to] += bias[c];
    for (int64_t y = 0; y < side; ++y) {
      for (int64_t x = 0; x < side; ++x)
        out.taps.data()[((y + rim) * out.side + x + rim) * out.channels + to] +=
            weight[c * at(side * side) + at(y * side + x)];
    }
  }
}

FilterWeights empty_filter(int64_t side, int64_t channels) {
  FilterWeights out;
  out.side = side;
  out.channels = channels;
  out.taps = Buffer<float>(side * side * channels);
  out.bias = Buffer<float>(channels);
  return out;
}

// Loads the parameters of one attention into a StageBlock.
struct AttentionLinears {
  Linear q, k, v;
  NormWeights norm1, key_norm;
};

AttentionLinears projections(const WeightSource& source, const ModelSpec& spec, int index,
                             const std::string& names) {
  const BlockSpec& block = spec.blocks[at(index)];
  const int64_t dim = block.embed_dim, qk = block.num_heads * block.qk_dim, v = block.num_heads * block.v_dim;
  const std::string norm1 = block_prefix(spec, index) + "norm1";
  AttentionLinears out;
  if (architecture::separate_queries(spec)) {
    out.q = source.linear(names + "q", qk, dim, spec.qkv_bias);
    out.norm1 = source.norm_before(out.q, norm1, dim);
    Linear kv = source.linear(names + "kv", qk + v, dim, spec.qkv_bias);
    out.key_norm = source.norm_before(kv, block.sr_ratio > 1 ? names + "norm" : norm1, dim);
    out.k = kv.rows(0, qk);
    out.v = kv.rows(qk, qk + v);
  } else {
    Linear qkv = source.linear(names + "qkv", 2 * qk + v, dim, spec.qkv_bias);
    out.norm1 = source.norm_before(qkv, norm1, dim);
    out.q = qkv.rows(0, qk);
    out.k = qkv.rows(qk, 2 * qk);
    out.v = qkv.rows(2 * qk, 2 * qk + v);
  }
  return out;
}

template <typename T>
void add_window_bias(const WeightSource& source, const std::string& names, BranchWeights<T>& branch) {
  const Regions& regions = branch.regions;
  const int64_t n = regions.size(), side = regions.region.width, columns = round_up(n, kColumnStep),
                offsets = 2 * side - 1, heads = branch.heads;
  const std::vector<float> table =
      source.values(names + "relative_position_bias_table", offsets * offsets * heads);
  branch.bias = Buffer<float>(heads * n * columns);
  for (int64_t a = 0; a < n; ++a) {
    for (int64_t b = 0; b < n; ++b) {
      const int64_t row = (a / side - b / side + side - 1) * offsets + a % side - b % side + side - 1;
      for (int64_t h = 0; h < heads; ++h)
        branch.bias.data()[(h * n + a) * columns + b] = kLog2e * table[at(row * heads + h)];
    }
  }
  if (regions.shift == 0) return;
  branch.masks = Buffer<float>(3 * n * columns);
  for (int edge = 1; edge <= 3; ++edge) {
    for (int64_t a = 0; a < n; ++a) {
      for (int64_t b = 0; b < n; ++b)
        branch.masks.data()[((edge - 1) * n + a) * columns + b] =
            regions.meet(edge, a, b) ? 0 : -100 * kLog2e;
    }
  }
}

template <typename T>
void add_focused(const WeightSource& source, const ModelSpec& spec, const BlockSpec& block,
                 const std::string& names, const StageBlock<T>& out, BranchWeights<T>& branch) {
  const int64_t width = branch.heads * block.qk_dim, padded = branch.heads * out.qk_pad;
  auto place = [&](int64_t c) { return c / block.qk_dim * out.qk_pad + c % block.qk_dim; };
  const std::vector<float> scale = source.values(names + "scale", width);
  branch.factor = Buffer<float>(padded);
  for (int64_t c = 0; c < width; ++c) {
    const double s = scale[at(c)];
    branch.factor.data()[place(c)] =
        static_cast<float>(1 / (s > 20 ? s : std::log1p(std::exp(s))));  // reciprocal of softplus
  }
  const std::vector<float> positions = source.values(names + "positional_encoding", branch.keys * width);
  branch.offset = Buffer<float>(branch.keys * padded);
  for (int64_t i = 0; i < branch.keys; ++i) {
    for (int64_t c = 0; c < width; ++c)
      branch.offset.data()[i * padded + place(c)] = positions[at(i * width + c)];
  }
  const int64_t side = spec.filter_size,
                filters = block.per_head_filters ? branch.heads * block.v_dim : block.v_dim;
  const std::vector<float> weight = source.values(names + "dwc.weight", filters * side * side),
                           bias = source.values(names + "dwc.bias", filters);
  for (int64_t h = 0; h < (block.per_head_filters ? 1 : branch.heads); ++h) {
    add_filter(branch.filter, weight, bias, side,
               [&](int64_t c) { return (h + c / block.v_dim) * out.v_pad + c % block.v_dim; });
  }
}

template <typename T>
BranchWeights<T> branch_weights(const StageBlock<T>& out, const BlockSpec& block,
                                const AttentionLinears& layers, int64_t first, int64_t heads,
                                const Regions& regions) {
  BranchWeights<T> branch;
  branch.first_head = first;
  branch.heads = heads;
  branch.regions = regions;
  branch.keys = out.reduces() ? out.key_tokens() : regions.size();
  Linear q = padded_heads(layers.q, first, heads, block.qk_dim, out.qk_pad);
  if (!out.linear()) q.scale(kLog2e / static_cast<float>(std::sqrt(static_cast<double>(block.qk_dim))));
  branch.q = Matrix<T>(q);
  branch.k = Matrix<T>(padded_heads(layers.k, first, heads, block.qk_dim, out.qk_pad));
  branch.v = Matrix<T>(padded_heads(layers.v, first, heads, block.v_dim, out.v_pad));
  return branch;
}

template <typename T>
void add_attention(const WeightSource& source, const ModelSpec& spec, int index, StageBlock<T>& out) {
  const BlockSpec& block = spec.blocks[at(index)];
  const AttentionSite site = architecture::attention_site(spec, index);
  const std::string& names = site.names;
  const AttentionLinears layers = projections(source, spec, index, names);
  out.norm1 = layers.norm1;
  out.key_norm = layers.key_norm;
  const bool positioned = architecture::has_position_filter(block.attention);
  for (const AttentionBranch& part : architecture::attention_branches(site)) {
    out.branches.push_back(branch_weights(out, block, layers, part.head_begin, part.heads,
                                          Regions(out.grid, part.region, block.shift)));
    BranchWeights<T>& branch = out.branches.back();
    if (architecture::has_relative_positions(block.attention)) add_window_bias(source, part.names, branch);
    // The sum of two filters of v is one filter.
    const int64_t side = std::max(out.linear() ? spec.filter_size : 0, positioned ? kPositionFilter : 0);
    if (side > 0) branch.filter = empty_filter(side, branch.heads * out.v_pad);
    if (out.linear()) add_focused(source, spec, block, part.names, out, branch);
    if (!positioned) continue;
    const int64_t filters = branch.heads * block.v_dim;
    add_filter(branch.filter,
               source.values(part.names + "get_v.weight", filters * kPositionFilter * kPositionFilter),
               source.values(part.names + "get_v.bias", filters), kPositionFilter,
               [&](int64_t c) { return c / block.v_dim * out.v_pad + c % block.v_dim; });
  }
  if (out.reduces()) {
    const int64_t taps = block.sr_ratio * block.sr_ratio, dim = block.embed_dim;
    Linear reduce = swap_inputs(source.linear(names + "sr", dim, taps * dim), dim, taps);
    const NormWeights norm1 = source.norm(block_prefix(spec, index) + "norm1", dim);
    NormWeights every;  // the norm's affine part at every tap; these maps have no padding
    for (int64_t i = 0; i < taps; ++i) {
      every.gain.insert(every.gain.end(), norm1.gain.begin(), norm1.gain.end());
      every.shift.insert(every.shift.end(), norm1.shift.begin(), norm1.shift.end());
    }
    reduce.fold_input(every.gain, every.shift);
    out.reduce = Matrix<T>(reduce);
  }
  const int64_t heads = block.num_heads, v = heads * block.v_dim, dim = block.embed_dim;
  const Linear proj = source.linear(names + "proj", dim, v);
  Linear padded{dim, heads * out.v_pad, std::vector<float>(at(dim * heads * out.v_pad), 0.0f), proj.bias,
                proj.factor};
  for (int64_t r = 0; r < dim; ++r) {
    for (int64_t c = 0; c < v; ++c)
      padded.weight[at(r * padded.in + c / block.v_dim * out.v_pad + c % block.v_dim)] =
          proj.weight[at(r * v + c)];
  }
  if (spec.layer_scale) padded.fold_output(source.values(block_prefix(spec, index) + "ls1.gamma", dim));
  out.proj = Matrix<T>(padded);
}

template <typename T>
StageBlock<T> stage_block(const WeightSource& source, const ModelSpec& spec, int index) {
  const BlockSpec& block = spec.blocks[at(index)];
  StageBlock<T> out;
  out.kind = block.attention;
  out.grid = spec.block_grid(index);
  out.dim = block.embed_dim;
  out.stream_gain = static_cast<float>(block.stream_gain);
  if (block.attention == AttentionKind::kStatic) {
    const std::string names = architecture::attention_prefix(spec, index);
    out.fixed = StaticWeights<T>(source, spec, index, names, block_prefix(spec, index) + "norm1");
    out.heads = 1;
    out.v_pad = out.fixed.channels();
    Linear proj = source.linear(names + "proj", block.embed_dim, block.num_heads * block.v_dim);
    if (spec.layer_scale)
      proj.fold_output(source.values(block_prefix(spec, index) + "ls1.gamma", block.embed_dim));
    out.proj = Matrix<T>(proj);
  } else if (block.attention != AttentionKind::kNone) {
    out.heads = block.num_heads;
    out.qk_pad = round_up(block.qk_dim, 32);
    out.v_pad = round_up(block.v_dim, kColumnStep);
    out.sr_ratio = block.sr_ratio;
    out.focusing = spec.focusing_factor;
    add_attention(source, spec, index, out);
  }
  const std::string prefix = block_prefix(spec, index);
  out.mlp = MlpWeights<T>(source, spec, block, prefix);
  if (architecture::has_mlp_convolution(spec)) {
    out.mlp_filter = empty_filter(kMlpFilter, out.mlp.fc1.columns);
    add_filter(out.mlp_filter,
               source.values(prefix + "mlp.dwconv.dwconv.weight", kMlpFilter * kMlpFilter * block.mlp_dim),
               source.values(prefix + "mlp.dwconv.dwconv.bias", block.mlp_dim), kMlpFilter,
               [](int64_t c) { return c; });
  }
  return out;
}

}  // namespace

template <typename T>
int64_t BranchWeights<T>::bytes() const {
  return q.bytes() + k.bytes() + v.bytes() + bias.bytes() + masks.bytes() + factor.bytes() + offset.bytes() +
         filter.bytes() + static_cast<int64_t>(regions.order.size() * sizeof(int32_t));
}

template <typename T>
int64_t StageBlock<T>::bytes() const {
  int64_t total = fixed.bytes() + reduce.bytes() + proj.bytes() + mlp.bytes() + mlp_filter.bytes();
  for (const BranchWeights<T>& branch : branches) total += branch.bytes();
  return total;
}

template <typename T>
StageWeights<T>::StageWeights(const ModelSpec& model, const checkpoint::Checkpoint& weights) : spec(model) {
  const WeightSource source(weights);
  for (int stage = 0; stage < spec.num_stages(); ++stage) {
    steps.push_back(step_weights<T>(source, spec, stage));
    bytes +=
        steps.back().matrix.bytes() + static_cast<int64_t>(steps.back().positions.size() * sizeof(float));
  }
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i) {
    blocks.push_back(stage_block<T>(source, spec, i));
    bytes += blocks.back().bytes();
  }
  const std::string norm_name = architecture::final_norm_name(spec);
  if (!norm_name.empty()) norm = source.norm(norm_name, spec.feature_dim());
  if (spec.num_classes > 0)
    head = Matrix<T>(source.linear(architecture::head_name(spec), spec.num_classes, spec.feature_dim()));
  bytes += head.bytes();
}

template struct BranchWeights<float>;
template struct BranchWeights<Bf16>;
template struct StageBlock<float>;
template struct StageBlock<Bf16>;
template struct StageWeights<float>;
template struct StageWeights<Bf16>;

}  // namespace vitrim::runtime
