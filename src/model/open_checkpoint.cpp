#include "model/derive.h"
#include "model/open.h"
#include "vitrim/architecture/infer.h"
#include "vitrim/weights/open.h"

namespace vitrim::model {

OpenedCheckpoint open_checkpoint(const std::string& source, const architecture::LoadHints& hints,
                                 bool new_head) {
  weights::Opened found = weights::open(source, hints, new_head);
  OpenedCheckpoint out;
  out.spec = std::move(found.spec);
  out.weights = found.weights;
  out.names = std::move(found.names);
  out.foreign = found.foreign;
  out.sources.said = std::move(found.said);
  out.sources.assumed = std::move(found.assumed);
  return out;
}

ModelSpec infer_spec(const StateDict& state, const architecture::LoadHints& hints) {
  return architecture::infer_spec(describe(state), hints);
}

}  // namespace vitrim::model
