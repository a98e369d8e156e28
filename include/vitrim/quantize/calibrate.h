#pragma once
// int8 that is fitted to unlabelled images (docs/quantization.md).

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <optional>

#include "vitrim/data/loader.h"
#include "vitrim/quantize/quantize.h"

namespace vitrim::quantize {

struct CalibrateOptions {
  double held_out = 0.2;   ///< share of the images that choose and measure, and do not fit
  double ridge = 0.1;      ///< pull of the refits towards the weights as they are (absorb::RidgeFit)
  double cls_weight = 10;  ///< weight of a prefix token against a patch token
  int64_t patches = 48;    ///< patch tokens of an image that the refits see
  int64_t batch_size = 50;
  uint64_t seed = 0;
  /// Dtype of the matrix products while layers are fitted; the model's own where there is none. What is
  /// measured is measured in float32: rounding to bfloat16 moves the KL as much as one int8 layer does.
  std::optional<at::ScalarType> fit_dtype;
  std::optional<double> budget_kl;  ///< mean KL on the held-out images that may be added, nats
};

/// As quantize(), and block by block, on the stream that the int8 blocks below make: channels of what a layer
/// reads are equalised with the exponent that brings the block's output nearest to the float model's on the
/// held-out images; biases are corrected by the mean that quantising shifts; proj and fc2 are refitted in
/// closed form on quantised inputs. What brings a block no nearer is taken back, and the plain form is kept
/// where all of it together has a larger KL on the held-out images. Then the KL of every layer alone is
/// measured there, on as many images as that takes minutes for at most; with a budget the layers with the
/// largest return to float, as few as hold it. Throws as quantize(), std::invalid_argument for fewer than 8
/// images and for a budget without a classifier, Error where the budget can't be held. Cost: about four
/// passes of all images. Memory: three streams of all images, and one of the held-out images a block.
Quantized calibrate(const model::Model& model, const data::ImageBatch& images, const QuantizeOptions& options,
                    const CalibrateOptions& calibrate);

}  // namespace vitrim::quantize
