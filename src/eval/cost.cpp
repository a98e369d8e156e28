#include "vitrim/eval/cost.h"

#include "vitrim/architecture/cost.h"
#include "vitrim/architecture/parameters.h"
#include "vitrim/model/model.h"

namespace vitrim::eval {

ModelCost count_cost(const ModelSpec& spec) {
  ModelCost cost;
  cost.blocks.resize(spec.blocks.size());
  for (const architecture::ParameterInfo& info : architecture::parameter_layout(spec)) {
    const int64_t count = info.count();
    cost.params += count;
    switch (info.part) {
      case architecture::Part::kEmbedding:
        cost.embed_params += count;
        break;
      case architecture::Part::kAttention:
        cost.blocks[static_cast<size_t>(info.block)].attention_params += count;
        [[fallthrough]];
      case architecture::Part::kMlp:
        cost.blocks[static_cast<size_t>(info.block)].params += count;
        break;
      case architecture::Part::kNorm:
      case architecture::Part::kClassifier:
        cost.head_params += count;
        break;
    }
  }
  cost.embed_macs = architecture::embedding_macs(spec);
  cost.head_macs = architecture::classifier_macs(spec);
  cost.macs = cost.embed_macs + cost.head_macs;
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i) {
    BlockCost& block = cost.blocks[static_cast<size_t>(i)];
    block.attention_macs = architecture::attention_macs(spec, i);
    block.macs = block.attention_macs + architecture::mlp_macs(spec, i);
    cost.macs += block.macs;
  }
  return cost;
}

}  // namespace vitrim::eval
