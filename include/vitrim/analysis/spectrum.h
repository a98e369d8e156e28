#pragma once
// Frequency content of patch tokens (NOSE's feature expressivity analysis).

#include <ATen/core/Tensor.h>

#include <vector>

#include "vitrim/core/artifacts.h"
#include "vitrim/data/loader.h"
#include "vitrim/model/model.h"

namespace vitrim::distributed {
class Group;
}

namespace vitrim::analysis {

inline constexpr int64_t kSpectrumRadii = 11;

/// Radial amplitude of patch tokens: [B, H, W, C] (a map of any grid size) -> float64 [kSpectrumRadii]. It is
/// the amplitude of the 2-d DFT, averaged over images, channels and all frequencies at radius r = 0, 0.1,
/// ..., 1 (in units of pi). The radius of a frequency is the larger of |f_y| and |f_x|; values are
/// interpolated linearly between the rings that the grid has.
at::Tensor radial_amplitude(const at::Tensor& tokens);

/// Averages radial_amplitude() over batches for each block, and converts it into the log amplitude relative
/// to radius 0.
class SpectrumAccumulator {
 public:
  explicit SpectrumAccumulator(const ModelSpec& spec);
  /// Adds x, the stream [B, N, C] after block `block`.
  void add(int block, const at::Tensor& x);
  /// Adds what the other ranks have added.
  void merge_ranks(distributed::Group& group);
  Spectrum result() const;

 private:
  ModelSpec spec_;
  std::vector<at::Tensor> sums_;
  std::vector<int64_t> images_;
};

/// Measures a model's spectrum in one pass over the images; each rank of `group` (null: this process alone)
/// runs a share of them.
Spectrum measure_spectrum(const model::Model& model, const data::ImageBatch& images, int64_t batch_size = 50,
                          distributed::Group* group = nullptr);

}  // namespace vitrim::analysis
