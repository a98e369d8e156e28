#include "vitrim/merge/schedule.h"

#include <algorithm>
#include <charconv>
#include <stdexcept>

#include "vitrim/architecture/cost.h"
#include "vitrim/core/log.h"
#include "vitrim/core/macs_target.h"

namespace vitrim::merge {

namespace {

int64_t parse_count(const std::string& text, const std::string& whole) {
  int64_t value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0 || value > (int64_t{1} << 20)) {
    throw std::invalid_argument(
        "'" + whole +
        "' is not a schedule; write 13 (pairs in every block), 1:24 (start and pairs) or "
        "8,8,0,16 (block by block)");
  }
  return value;
}

}  // namespace

std::vector<int> merging_blocks(const ModelSpec& spec) {
  if (spec.family != "vit") {
    throw std::invalid_argument("a model of family " + spec.family +
                                " can't merge tokens: its windows or smaller maps need every token in its "
                                "place; only ViTs and DeiTs merge");
  }
  if (spec.segmentation)
    throw std::invalid_argument(
        "a model for segmentation can't merge tokens: it labels every pixel, so every token must keep its "
        "place");
  std::vector<int> blocks;
  for (size_t i = 0; i < spec.blocks.size(); ++i) {
    if (spec.blocks[i].attention == AttentionKind::kSoftmax) blocks.push_back(static_cast<int>(i));
    // Static attention needs every token at its place, so no earlier block merges.
    if (spec.blocks[i].attention == AttentionKind::kStatic) blocks.clear();
  }
  return blocks;
}

namespace {

std::string number_that_merge(size_t count) {
  return std::to_string(count) +
         " blocks can merge tokens; a block needs softmax attention, and no layer after it may be static";
}

}  // namespace

std::vector<int64_t> constant_schedule(const ModelSpec& spec, int start, int64_t pairs) {
  const std::vector<int> blocks = merging_blocks(spec);
  if (start < 0 || start >= static_cast<int>(blocks.size())) {
    throw std::invalid_argument("a schedule can't start at " + std::to_string(start) + ": " +
                                number_that_merge(blocks.size()));
  }
  std::vector<int64_t> out(spec.blocks.size(), 0);
  for (size_t i = static_cast<size_t>(start); i < blocks.size(); ++i)
    out[static_cast<size_t>(blocks[i])] = pairs;
  return out;
}

std::vector<int64_t> parse_schedule(const std::string& text, const ModelSpec& spec) {
  const size_t colon = text.find(':');
  if (colon != std::string::npos) {
    return constant_schedule(spec, static_cast<int>(parse_count(text.substr(0, colon), text)),
                             parse_count(text.substr(colon + 1), text));
  }
  if (text.find(',') == std::string::npos) return constant_schedule(spec, 0, parse_count(text, text));
  std::vector<int64_t> pairs;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    pairs.push_back(parse_count(text.substr(begin, end - begin), text));
    begin = end + 1;
  }
  const std::vector<int> blocks = merging_blocks(spec);
  if (pairs.size() != blocks.size()) {
    throw std::invalid_argument("the schedule has " + std::to_string(pairs.size()) + " entries, but " +
                                number_that_merge(blocks.size()));
  }
  std::vector<int64_t> out(spec.blocks.size(), 0);
  for (size_t i = 0; i < blocks.size(); ++i) out[static_cast<size_t>(blocks[i])] = pairs[i];
  return out;
}

std::vector<int64_t> schedule_of(const ModelSpec& spec) {
  std::vector<int64_t> out;
  for (const BlockSpec& block : spec.blocks) out.push_back(block.merge);
  return out;
}

ModelSpec unmerged(ModelSpec spec) {
  for (BlockSpec& block : spec.blocks) block.merge = 0;
  return spec;
}

ModelSpec with_schedule(ModelSpec spec, const std::vector<int64_t>& pairs, bool quiet) {
  spec = unmerged(std::move(spec));
  for (const int i : merging_blocks(spec)) {
    const size_t at = static_cast<size_t>(i);
    const int64_t most = spec.most_merged(i);
    spec.blocks[at].merge = std::min(pairs.at(at), most);
    if (pairs[at] > most && !quiet) {
      log_warning("block " + std::to_string(i) + " merges " + std::to_string(most) + " pairs instead of " +
                  std::to_string(pairs[at]) + ": it has " + std::to_string(spec.attention_tokens(i)) +
                  " tokens, and at most half of those after the first " +
                  std::to_string(spec.prefix_tokens()) + " can be merged");
    }
  }
  validate(spec);
  return spec;
}

ModelSpec within_macs(const ModelSpec& spec, int start, int64_t macs) {
  for (int64_t pairs = 0; pairs <= spec.num_tokens() / 2; ++pairs) {
    ModelSpec merged = with_schedule(spec, constant_schedule(spec, start, pairs), /*quiet=*/true);
    if (architecture::total_macs(merged) <= macs) return merged;
  }
  const int64_t least = architecture::total_macs(
      with_schedule(spec, constant_schedule(spec, start, spec.num_tokens()), /*quiet=*/true));
  throw std::invalid_argument("merging can't bring the model below " + giga(least) + " MACs; " + giga(macs) +
                              " were requested");
}

std::string describe_schedule(const ModelSpec& spec) {
  if (!spec.merges()) return "no tokens merged";
  std::string text;
  for (size_t i = 0; i < spec.blocks.size(); ++i)
    text += (i ? "," : "") + std::to_string(spec.blocks[i].merge);
  return "pairs of tokens merged by block: " + text;
}

}  // namespace vitrim::merge
