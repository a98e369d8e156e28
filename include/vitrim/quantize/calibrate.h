#pragma once
// Fits int8 layers to unlabelled images (docs/quantization.md).

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <optional>

#include "vitrim/data/loader.h"
#include "vitrim/quantize/quantize.h"

namespace vitrim::quantize {

struct CalibrateOptions {
  double held_out = 0.2;   ///< share of the images that are held out from the fit, to choose and to measure
  double ridge = 0.1;      ///< ridge strength of the refits, towards the current weights (absorb::RidgeFit)
  double cls_weight = 10;  ///< weight of a prefix token relative to a patch token
  int64_t patches = 48;    ///< patch tokens per image that the refits use
  int64_t batch_size = 50;
  uint64_t seed = 0;
  /// Dtype of matrix products while layers are fitted; empty: the model's own. Measurements use float32,
  /// because rounding to bfloat16 changes the KL divergence as much as one int8 layer does.
  std::optional<at::ScalarType> fit_dtype;
  std::optional<double> budget_kl;  ///< largest mean KL divergence to add, on the held-out images, in nats
};

/// Quantises as quantize() does, then fits block by block, on the stream that the int8 blocks below compute.
/// The input channels of a layer are equalised, with the exponent that brings the block's output nearest to
/// the float model's on the held-out images. Biases are corrected by the mean shift that quantisation causes.
/// proj and fc2 are refitted in closed form on quantised inputs. A change that does not bring the block
/// nearer is undone; the result without calibration is kept if all changes together have a larger KL
/// divergence on the held-out images. Then the KL divergence of every layer alone is measured there, on as
/// many images as take a few minutes at most. With a budget, the layers with the largest one return to float,
/// as few as are needed to meet it. Throws as quantize() does; std::invalid_argument for fewer than 8 images
/// and for a budget without a classifier; Error if the budget can't be met. Cost: about four passes over all
/// images. Memory: three streams of all images, and per block one stream of the held-out images.
Quantized calibrate(const model::Model& model, const data::ImageBatch& images, const QuantizeOptions& options,
                    const CalibrateOptions& calibrate);

}  // namespace vitrim::quantize
