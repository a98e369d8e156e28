#include "vitrim/architecture/channels.h"

#include <stdexcept>

#include "vitrim/architecture/attention.h"

namespace vitrim::architecture {

namespace {

void add_projections(const AttentionSite& site, std::vector<ChannelSlice>& out) {
  const int64_t heads = site.block.num_heads, queries = site.qk_width();
  for (const char* kind : {"weight", "bias"}) {
    if (!site.spec.qkv_bias && std::string(kind) == "bias") continue;
    const std::string q = site.names + (site.separate_q ? "q." : "qkv.") + kind,
                      kv = site.names + (site.separate_q ? "kv." : "qkv.") + kind;
    const int64_t keys = site.separate_q ? 0 : queries;
    out.push_back({q, 0, 0, ChannelGroup::kQk, 0, heads, /*shared=*/false, /*query=*/true});
    out.push_back({kv, 0, keys, ChannelGroup::kQk, 0, heads});
    out.push_back({kv, 0, keys + queries, ChannelGroup::kV, 0, heads});
  }
}

void add_branch(const AttentionSite& site, const AttentionBranch& branch, std::vector<ChannelSlice>& out) {
  const int64_t first = branch.head_begin, heads = branch.heads;
  if (is_linear_attention(site.block.attention)) {
    for (const char* name : {"scale", "positional_encoding"})
      out.push_back({branch.names + name, 2, 0, ChannelGroup::kQk, first, heads});
    for (const char* name : {"dwc.weight", "dwc.bias"})
      out.push_back(
          {branch.names + name, 0, 0, ChannelGroup::kV, first, heads, !site.block.per_head_filters});
  }
  if (!has_position_filter(site.block.attention)) return;
  for (const char* name : {"get_v.weight", "get_v.bias"})
    out.push_back({branch.names + name, 0, 0, ChannelGroup::kV, first, heads});
}

}  // namespace

std::vector<ChannelSlice> channel_slices(const ModelSpec& spec, int index) {
  const BlockSpec& block = spec.blocks[static_cast<size_t>(index)];
  std::vector<ChannelSlice> out;
  const std::string prefix = block_prefix(spec, index);
  for (const char* name : {"mlp.fc1.weight", "mlp.fc1.bias"}) {
    for (int64_t from = 0; from < spec.fc1_rows(index); from += block.mlp_dim)
      out.push_back({prefix + name, 0, from, ChannelGroup::kMlp});
  }
  if (has_mlp_convolution(spec)) {
    for (const char* name : {"mlp.dwconv.dwconv.weight", "mlp.dwconv.dwconv.bias"})
      out.push_back({prefix + name, 0, 0, ChannelGroup::kMlp});
  }
  out.push_back({prefix + "mlp.fc2.weight", 1, 0, ChannelGroup::kMlp});
  if (block.attention == AttentionKind::kNone) return out;
  const AttentionSite site = attention_site(spec, index);
  if (block.attention == AttentionKind::kStatic) {
    for (const char* name : {"v.weight", "v.bias", "filter.weight", "shares"}) {
      if (!spec.qkv_bias && std::string(name) == "v.bias") continue;
      out.push_back({site.names + name, 0, 0, ChannelGroup::kV, 0, block.num_heads});
    }
  } else {
    add_projections(site, out);
  }
  for (const AttentionBranch& branch : attention_branches(site)) add_branch(site, branch, out);
  out.push_back({site.names + "proj.weight", 1, 0, ChannelGroup::kV, 0, block.num_heads});
  return out;
}

QkFold qk_fold(const ModelSpec& spec, int block) {
  const AttentionKind kind = spec.blocks[static_cast<size_t>(block)].attention;
  if (kind == AttentionKind::kNone)
    throw std::invalid_argument("[architecture::qk_fold] this block has no attention");
  if (kind == AttentionKind::kStatic)
    throw std::invalid_argument("[architecture::qk_fold] static attention has no queries and keys");
  return is_linear_attention(kind) ? QkFold::kScale : QkFold::kQueryRows;
}

bool can_prune(const ModelSpec& spec, int block, ChannelGroup group) {
  if (group == ChannelGroup::kMlp) return true;
  if (spec.blocks[static_cast<size_t>(block)].attention == AttentionKind::kNone) return false;
  if (group == ChannelGroup::kV) return true;
  return spec.blocks[static_cast<size_t>(block)].qk_dim > 0 && !spec.qk_norm;
}

}  // namespace vitrim::architecture
