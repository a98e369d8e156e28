#pragma once
// One pass of the unmasked model over images, looking into every block: entropies of the branches, the
// amplitude spectrum, branch norms.

#include <optional>
#include <vector>

#include "vitrim/analysis/entropy.h"
#include "vitrim/core/artifacts.h"
#include "vitrim/data/loader.h"
#include "vitrim/model/model.h"

namespace vitrim::distributed {
class Group;
}

namespace vitrim::analysis {

struct LayerTraceOptions {
  Estimator estimator = Estimator::kDiagonal;
  bool other_estimator = true;  ///< measure the other estimator too (values only)
  int64_t batch_size = 50;
  int64_t replicates = 200;
  uint64_t seed = 0;
  distributed::Group* group =
      nullptr;  ///< the ranks that each run a share of the images; null: this process alone
};

struct LayerTrace {
  std::vector<Estimate> attention,
      mlp;  ///< entropy of each branch's output over all tokens of all images; NaN where absent
  std::vector<double> other_attention, other_mlp;  ///< under the other estimator; empty if not asked for
  std::vector<double>
      attention_norm;  ///< mean over tokens of |A(LN1 x)| / |x|, for the least-norm control; NaN where absent
  Spectrum spectrum;   ///< of the patch tokens after every block
};

/// With several ranks all hold the same images, and all get the result of all of them. Throws vitrim::Error
/// where there are fewer images than ranks. Cost: one forward pass plus about a tenth; the full estimator
/// adds C^2 products per token and branch.
LayerTrace trace_layers(const model::Model& model, const data::ImageBatch& images,
                        const LayerTraceOptions& options = {});

}  // namespace vitrim::analysis
