#pragma once
// One pass of the unmasked model over images that measures every block: entropy of its branches, amplitude
// spectrum, and branch norms.

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
  bool other_estimator = true;  ///< also measure the entropy with the other estimator (values only)
  int64_t batch_size = 50;
  int64_t replicates = 200;
  uint64_t seed = 0;
  distributed::Group* group =
      nullptr;  ///< the ranks that each run a share of the images; null: this process alone
};

struct LayerTrace {
  std::vector<Estimate> attention,
      mlp;  ///< entropy of each branch's output over all tokens of all images, in nats; NaN if the block has
            ///< no such branch
  std::vector<double> other_attention,
      other_mlp;                       ///< the same with the other estimator; empty if not requested
  std::vector<double> attention_norm;  ///< mean over tokens of |A(LN1 x)| / |x|, for the least-norm control;
                                       ///< NaN if there is no attention
  Spectrum spectrum;                   ///< spectrum of the patch tokens after every block
};

/// Traces the model over `images`. With several ranks, all ranks hold the same images, and all receive the
/// result over all images. Throws vitrim::Error if there are fewer images than ranks. Cost: one forward pass
/// plus about a tenth; the full estimator adds C^2 products per token and branch.
LayerTrace trace_layers(const model::Model& model, const data::ImageBatch& images,
                        const LayerTraceOptions& options = {});

}  // namespace vitrim::analysis
