#include "runtime/attention_static.h"

#include <algorithm>

namespace vitrim::runtime {

template <typename T>
StaticWeights<T>::StaticWeights(const WeightSource& source, const ModelSpec& spec, int block,
                                const std::string& names, const std::string& norm1)
    : grid(spec.block_grid(block)),
      prefix(spec.prefix_tokens()),
      side(spec.blocks[static_cast<size_t>(block)].filter) {
  const BlockSpec& shape = spec.blocks[static_cast<size_t>(block)];
  const int64_t width = shape.num_heads * shape.v_dim, dim = shape.embed_dim, places = side * side,
                kinds = 1 + spec.prefix_tokens();
  Linear values = source.linear(names + "v", width, dim, spec.qkv_bias);
  norm = source.norm_before(values, norm1, dim);
  v = Matrix<T>(values);
  // The checkpoint stores them channel by channel; here channels are last, and padded ones are zero.
  auto channels_last = [&](const std::string& name, int64_t count) {
    Buffer<float> out(count * v.columns);
    const std::vector<float> from = source.values(name, width * count);
    for (int64_t c = 0; c < width; ++c) {
      for (int64_t i = 0; i < count; ++i)
        out.data()[i * v.columns + c] = from[static_cast<size_t>(c * count + i)];
    }
    return out;
  };
  taps = channels_last(names + "filter.weight", places);
  shares = channels_last(names + "shares", kinds * kinds);
}

namespace {

// The shares of the image's mean and prefix tokens for every kind of token: taken [to, channels].
template <typename T>
void take_shares(const StaticCall<T>& call, const T* values, float* sources, float* taken) {
  const StaticWeights<T>& w = call.weights;
  const int64_t channels = w.channels(), groups = w.groups();
  std::fill_n(sources, groups * channels, 0.0f);
  call.kernels.add_columns(values + w.prefix * channels, channels, w.grid.size(), channels, sources);
  const float each = 1.0f / static_cast<float>(w.grid.size());
  for (int64_t c = 0; c < channels; ++c) sources[c] *= each;
  for (int64_t i = 0; i < w.prefix * channels; ++i) sources[channels + i] = to_float(values[i]);
  for (int64_t to = 0; to < groups; ++to) {
    float* out = taken + to * channels;
    std::fill_n(out, channels, 0.0f);
    for (int64_t from = 0; from < groups; ++from) {
      const float* share = w.shares.data() + (to * groups + from) * channels;
      const float* source = sources + from * channels;
      for (int64_t c = 0; c < channels; ++c) out[c] += share[c] * source[c];
    }
  }
}

}  // namespace

template <typename T>
void static_attention(const StaticCall<T>& call, ThreadContext context) {
  const StaticWeights<T>& w = call.weights;
  const int64_t channels = w.channels(), tokens = w.tokens();
  float* sources = call.scratch;
  float* taken = sources + w.groups() * channels;
  const bool whole = call.queries == tokens;
  // Threads take whole images if there is one for each thread; otherwise they share the lines of each image.
  const bool alone = call.group >= context.size;
  for (int64_t image = 0; image < call.group; ++image) {
    if (alone && image % context.size != context.rank) continue;
    const Rows lines = alone ? Rows{0, w.grid.height} : share(w.grid.height, context);
    const bool first = alone || context.first();
    if (!first && (!whole || lines.count() <= 0)) continue;
    const T* values = call.values + image * tokens * channels;
    T* mixed = call.mixed + image * call.queries * call.ldm;
    take_shares(call, values, sources, taken);
    if (first) {
      for (int64_t p = 0; p < std::min(w.prefix, call.queries); ++p) {
        T* row = mixed + p * call.ldm;
        for (int64_t c = 0; c < channels; ++c) set_float(row + c, taken[(1 + p) * channels + c]);
        std::fill(row + channels, row + call.ldm, T{});
      }
    }
    if (!whole || lines.count() <= 0) continue;
    T* out = mixed + (w.prefix + lines.begin * w.grid.width) * call.ldm;
    std::fill_n(out, lines.count() * w.grid.width * call.ldm, T{});
    Depthwise<T> d;
    d.in = values + w.prefix * channels;
    d.ldi = channels;
    d.height = w.grid.height;
    d.width = w.grid.width;
    d.begin = lines.begin;
    d.end = lines.end;
    d.filter = w.taps.data();
    d.bias = taken;  // the share of the patches is equal at every place
    d.side = w.side;
    d.channels = channels;
    d.out = out;
    d.ldo = call.ldm;
    call.kernels.depthwise(d);
  }
}

template struct StaticWeights<float>;
template struct StaticWeights<Bf16>;
template void static_attention(const StaticCall<float>&, ThreadContext);
template void static_attention(const StaticCall<Bf16>&, ThreadContext);

}  // namespace vitrim::runtime
