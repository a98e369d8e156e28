#include "architecture/nose_authors.h"

#include <string>

#include "architecture/infer.h"

namespace vitrim::architecture {

namespace {

// In their training, lambda falls from 1 to 0 by this epoch, independent of the number of epochs.
constexpr int64_t kDilutedAt = 299;

// "[0,1,3]".
std::vector<int64_t> layers(const std::string& text) {
  std::vector<int64_t> out;
  size_t at = 0;
  while (at < text.size()) {
    const size_t begin = text.find_first_of("0123456789", at);
    if (begin == std::string::npos) break;
    at = text.find_first_not_of("0123456789", begin);
    if (at == std::string::npos) at = text.size();
    if (at - begin <= 4) out.push_back(std::stoll(text.substr(begin, at - begin)));
  }
  return out;
}

std::string attention_name(int64_t block) { return "blocks." + std::to_string(block) + ".attn.qkv.weight"; }

void erase_attention(TensorTable& state, int64_t block) {
  const std::string begin = "blocks." + std::to_string(block) + ".";
  std::vector<std::string> gone;
  for (const auto& [name, tensor] : state.entries()) {
    if (name.starts_with(begin + "attn.") || name.starts_with(begin + "norm1.") ||
        name == begin + "ls1.gamma")
      gone.push_back(name);
  }
  for (const std::string& name : gone) state.erase(name);
}

}  // namespace

bool read_nose_authors(TensorTable& state) {
  const auto diluted = state.metadata.find("args.prune_layer"), done = state.metadata.find("args.done_layer");
  if (diluted == state.metadata.end() && done == state.metadata.end()) return false;
  if (done != state.metadata.end()) {
    for (const int64_t block : layers(done->second)) erase_attention(state, block);
  }
  // Their models without attention (deit_base_patch16_224_shrink) ignore the list of diluted layers.
  const bool shrunk = metadata_value(state, {"args.model"}).find("shrink") != std::string::npos;
  if (diluted == state.metadata.end() || shrunk) return true;
  for (const int64_t block : layers(diluted->second)) {
    if (!state.contains(attention_name(block))) continue;
    const auto epoch = as_number(metadata_value(state, {"epoch"}));
    if (!epoch || *epoch < kDilutedAt) {
      refuse(state, attention_name(block),
             "this layer was still being diluted (prune_layer " + diluted->second + ", epoch " +
                 (epoch ? metadata_value(state, {"epoch"}) : "unknown") +
                 ") when NOSE's training script wrote the file; use its last checkpoint, of epoch " +
                 std::to_string(kDilutedAt) + " or later");
    }
    erase_attention(state, block);
  }
  return true;
}

}  // namespace vitrim::architecture
