#pragma once
// Runs images through a model and inspects every block that has units, for scores and similarities.

#include <ATen/ATen.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "vitrim/core/log.h"
#include "vitrim/data/loader.h"
#include "vitrim/prune/units.h"

namespace vitrim::prune {

/// Calls look(u, trace) for every unit's block, batch by batch; `stage` is the name of the progress. Runs one
/// forward pass, without gradients.
inline void trace_units(const model::Model& model, const std::vector<Unit>& units,
                        const data::ImageBatch& images, int64_t batch_size, const std::string& stage,
                        const std::function<void(size_t u, const model::BlockTrace& trace)>& look) {
  const at::NoGradGuard no_grad;
  Progress progress(stage, images.size(), "images");
  for (int64_t begin = 0; begin < images.size(); begin += batch_size) {
    const int64_t end = std::min(images.size(), begin + batch_size);
    at::Tensor x = model.embed(normalized(images, begin, end));
    for (int i = 0; i < model.num_blocks(); ++i) {
      model::BlockTrace trace;
      x = model.run_block(i, x, model::kKeep, &trace);
      for (size_t u = 0; u < units.size(); ++u) {
        if (units[u].block == i) look(u, trace);
      }
    }
    progress.advance(end - begin);
  }
}

}  // namespace vitrim::prune
