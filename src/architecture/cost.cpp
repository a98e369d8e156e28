#include "vitrim/architecture/cost.h"

#include <algorithm>

#include "architecture/segmentation.h"
#include "vitrim/architecture/attention.h"

namespace vitrim::architecture {

namespace {

int64_t squared(int64_t x) { return x * x; }

// MACs of queries, keys and values. To make a smaller map, every token of the map is read once.
int64_t projection_macs(const AttentionSite& site, int64_t queries) {
  const int64_t dim = site.block.embed_dim;
  const int64_t reduction = site.block.sr_ratio > 1 ? site.grid.size() * dim * dim : 0;
  return queries * dim * site.qk_width() + num_keys(site) * dim * (site.qk_width() + site.v_width()) +
         reduction;
}

// MACs of one branch, in all its regions together.
int64_t branch_macs(const AttentionSite& site, const AttentionBranch& branch, int64_t queries) {
  const BlockSpec& block = site.block;
  const int64_t qk = block.qk_dim, v = block.v_dim, heads = branch.heads;
  int64_t total =
      has_position_filter(block.attention) ? site.grid.size() * heads * v * squared(kPositionFilter) : 0;
  if (is_linear_attention(block.attention)) {
    const int64_t n = site.grid.size(), keys = key_grid(site).size();
    return total + heads * (n * qk + keys * qk * v + n * qk * v + n * v * squared(site.spec.filter_size));
  }
  const int64_t keys = block.attention == AttentionKind::kSoftmax ? num_keys(site) : branch.region.size();
  return total + queries * keys * heads * (qk + v);
}

// MACs of static attention: values of all tokens, filters over the map (unless only tokens before it are
// read), shares of the sources, which are summed once per kind of token, and the last projection.
int64_t static_macs(const AttentionSite& site, int64_t live) {
  const int64_t width = site.v_width(), dim = site.block.embed_dim, sources = 1 + site.prefix,
                read = live > 0 ? std::min(live, site.tokens()) : site.tokens(),
                filtered = read == site.tokens() ? site.grid.size() : 0;
  return (site.tokens() + read) * dim * width + filtered * width * squared(site.block.filter) +
         sources * sources * width;
}

}  // namespace

std::vector<int64_t> live_tokens(const ModelSpec& spec) {
  std::vector<int64_t> out(spec.blocks.size(), 0);
  if (spec.pooling != Pooling::kToken || spec.segmentation) return out;
  for (size_t i = spec.blocks.size(); i-- > 0;) {
    out[i] = spec.distillation_token ? 2 : 1;
    if (spec.blocks[i].attention != AttentionKind::kNone) break;
  }
  return out;
}

int64_t attention_macs(const ModelSpec& spec, int index, int64_t live) {
  const BlockSpec& block = spec.blocks[static_cast<size_t>(index)];
  if (block.attention == AttentionKind::kNone) return 0;
  const AttentionSite site = attention_site(spec, index);
  if (block.attention == AttentionKind::kStatic) return static_macs(site, live);
  const int64_t queries = live > 0 ? std::min(live, site.tokens()) : site.tokens();
  int64_t total = projection_macs(site, queries) + queries * block.embed_dim * site.v_width();
  for (const AttentionBranch& branch : attention_branches(site)) total += branch_macs(site, branch, queries);
  return total;
}

int64_t mlp_macs(const ModelSpec& spec, int index, int64_t live) {
  const BlockSpec& block = spec.blocks[static_cast<size_t>(index)];
  const int64_t convolution = has_mlp_convolution(spec) ? squared(kMlpFilter) * block.mlp_dim : 0;
  const int64_t tokens = live > 0 ? std::min(live, spec.mlp_tokens(index)) : spec.mlp_tokens(index);
  return tokens * (block.embed_dim * (spec.fc1_rows(index) + block.mlp_dim) + convolution);
}

int64_t embedding_macs(const ModelSpec& spec) {
  int64_t total = 0;
  for (int stage = 0; stage < spec.num_stages(); ++stage) {
    total += spec.stage_grid(stage).size() * spec.stage_dim(stage) * step_channels(spec, stage) *
             squared(step_layout(spec, stage).kernel);
  }
  return total;
}

int64_t classifier_macs(const ModelSpec& spec) {
  if (spec.segmentation) return segmentation_macs(spec);
  return spec.feature_dim() * spec.num_classes * (spec.distillation_token ? 2 : 1);
}

int64_t total_macs(const ModelSpec& spec) {
  int64_t total = embedding_macs(spec) + classifier_macs(spec);
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i)
    total += attention_macs(spec, i) + mlp_macs(spec, i);
  return total;
}

int64_t live_macs(const ModelSpec& spec) {
  const std::vector<int64_t> live = live_tokens(spec);
  int64_t total = embedding_macs(spec) + classifier_macs(spec);
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i)
    total += attention_macs(spec, i, live[static_cast<size_t>(i)]) +
             mlp_macs(spec, i, live[static_cast<size_t>(i)]);
  return total;
}

}  // namespace vitrim::architecture
