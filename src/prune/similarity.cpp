#include "vitrim/prune/similarity.h"

#include <ATen/ATen.h>

#include <stdexcept>

#include "prune/trace_units.h"
#include "prune/weight_rows.h"
#include "vitrim/architecture/channels.h"
#include "vitrim/core/suggest.h"
#include "vitrim/model/query_keys.h"

namespace vitrim::prune {

using architecture::ChannelGroup;

namespace {

// s = (1 - c) / mean_h(1 - c); if all channels are equal, s is 1.
at::Tensor weights_of(const at::Tensor& apart) {
  const at::Tensor mean = apart.mean(1, true);
  return at::where(mean > 1e-6, (apart / mean.clamp_min(1e-6)).clamp_min(1e-6), at::ones_like(apart));
}

// 1 - mean |cos| (or cos) to the others, from inner products [heads, width, width].
at::Tensor apart_by_cosine(const at::Tensor& gram, bool with_sign) {
  const at::Tensor norm = gram.diagonal(0, 1, 2).clamp_min(1e-60).sqrt();
  at::Tensor cosines = gram / norm.unsqueeze(1) / norm.unsqueeze(2);
  if (!with_sign) cosines = cosines.abs();
  return 1 - (cosines.sum(2) - cosines.diagonal(0, 1, 2)) / static_cast<double>(gram.size(1) - 1);
}

// 1 - R^2 of a channel on the others of its head: 1 / (G_ii (G^-1)_ii) of the correlation matrix, whose ridge
// bounds it from below.
at::Tensor apart_by_residual(const at::Tensor& gram) {
  const at::Tensor norm = gram.diagonal(0, 1, 2).clamp_min(1e-60).sqrt();
  constexpr double kRidge = 1e-2;
  const at::Tensor correlation =
      gram / norm.unsqueeze(1) / norm.unsqueeze(2) + kRidge * at::eye(gram.size(1), at::kDouble);
  return 1 / (at::linalg_inv(correlation).diagonal(0, 1, 2) * (1 + kRidge));
}

// q's and k's, or v's, rows of the projections.
at::Tensor weight_gram(const model::Model& model, const Unit& unit) {
  std::vector<at::Tensor> rows;
  for (const architecture::ChannelSlice& slice : architecture::channel_slices(model.spec(), unit.block)) {
    if (slice.group == unit.group && slice.dim == 0 && slice.heads == unit.heads &&
        model.parameter(slice.parameter).dim() == 2) {
      rows.push_back(weight_rows(model, slice, unit.width));
    }
  }
  const at::Tensor all = at::cat(rows, 2);  // [heads, width, rest]
  return at::matmul(all, all.transpose(1, 2));
}

// Inner products of the channels' activations on images. QK: of the channels' terms q_i k_i^T of the scores,
// that is, the product of two Gram matrices; softmax ignores anything that is equal for all keys, so k is
// centred. V: of the projection's input, centred over tokens.
void add_activations(const model::Model& model, const Unit& unit, const model::BlockTrace& trace,
                     at::Tensor& gram) {
  if (unit.group == ChannelGroup::kV) {
    at::Tensor t = trace.mixed.to(at::kFloat);
    t = (t - t.mean(1, true))
            .reshape({-1, unit.heads, unit.width})
            .transpose(0, 1);  // [heads, tokens, width]
    gram += at::matmul(t.transpose(1, 2), t).to(at::kDouble).cpu();
    return;
  }
  const bool softmax = !is_linear_attention(model.spec().blocks[static_cast<size_t>(unit.block)].attention);
  for (const model::QueryKeys& part : model::query_keys(model, unit.block, trace.input)) {
    const at::Tensor k = softmax ? part.k - part.k.mean(2, true) : part.k;
    const at::Tensor products = at::matmul(part.q.transpose(2, 3), part.q) *
                                at::matmul(k.transpose(2, 3), k);  // [regions, heads, width, width]
    gram.narrow(0, part.head_begin, part.q.size(1)).add_(products.sum(0).to(at::kDouble).cpu());
  }
}

std::vector<at::Tensor> activation_grams(const model::Model& model, const std::vector<Unit>& units,
                                         const data::ImageBatch& images, int64_t batch_size) {
  std::vector<at::Tensor> grams;
  for (const Unit& unit : units)
    grams.push_back(at::zeros({unit.heads, unit.width, unit.width}, at::kDouble));
  trace_units(model, units, images, batch_size, "channel similarity",
              [&](size_t u, const model::BlockTrace& trace) {
                if (units[u].group != ChannelGroup::kMlp) add_activations(model, units[u], trace, grams[u]);
              });
  return grams;
}

// In the order of the enum.
const std::vector<std::string> kSimilarityNames = {"none",     "weights",        "activations",
                                                   "residual", "weights_signed", "activations_signed"};

bool of_weights(Similarity similarity) {
  return similarity == Similarity::kWeights || similarity == Similarity::kWeightsSigned;
}

}  // namespace

Similarity parse_similarity(const std::string& name) {
  for (size_t i = 0; i < kSimilarityNames.size(); ++i) {
    if (kSimilarityNames[i] == name) return static_cast<Similarity>(i);
  }
  throw std::invalid_argument("unknown similarity '" + name + "'; did you mean '" +
                              nearest(name, kSimilarityNames) + "'?");
}

std::string to_string(Similarity similarity) { return kSimilarityNames[static_cast<size_t>(similarity)]; }

std::vector<at::Tensor> similarity_weights(const model::Model& model, const std::vector<Unit>& units,
                                           Similarity similarity, const data::ImageBatch& images,
                                           int64_t batch_size) {
  std::vector<at::Tensor> grams;
  if (similarity != Similarity::kNone && !of_weights(similarity))
    grams = activation_grams(model, units, images, batch_size);
  std::vector<at::Tensor> out;
  for (size_t u = 0; u < units.size(); ++u) {
    const Unit& unit = units[u];
    if (similarity == Similarity::kNone || unit.group == ChannelGroup::kMlp || unit.width == 1) {
      out.push_back(at::ones({unit.heads, unit.width}, at::kDouble));
      continue;
    }
    const at::Tensor gram = of_weights(similarity) ? weight_gram(model, unit) : grams[u];
    const bool with_sign =
        similarity == Similarity::kWeightsSigned || similarity == Similarity::kActivationsSigned;
    out.push_back(weights_of(similarity == Similarity::kResidual ? apart_by_residual(gram)
                                                                 : apart_by_cosine(gram, with_sign)));
  }
  return out;
}

}  // namespace vitrim::prune
