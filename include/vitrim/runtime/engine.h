#pragma once
// Inference on the CPU without LibTorch. Weights are packed once and memory is laid out once; a call
// allocates nothing.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "vitrim/checkpoint/tensor_view.h"
#include "vitrim/core/model_spec.h"
#include "vitrim/runtime/isa.h"

namespace vitrim::runtime {

enum class Precision {
  kAuto,  ///< bfloat16 if the CPU multiplies it in hardware, else float32
  kF32,
  kBf16,  ///< bfloat16 for weights and inputs of matrix products; sums, LayerNorm, softmax and the stream
          ///< between blocks are float32
};

/// "auto", "f32" or "bf16"; throws std::invalid_argument.
Precision parse_precision(const std::string& name);
/// The precision to use, kF32 or kBf16; kAuto depends on chosen_isa().
Precision resolve(Precision precision);

struct EngineOptions {
  int threads = 1;
  Precision precision = Precision::kAuto;
};

/// Empty if the engine can run this architecture, else the reason why not.
std::string why_not(const ModelSpec& spec);

/// A model that is ready to run. The engine copies the weights that it needs. It computes
/// architecture::live_macs() multiply-adds per image: after the last attention, only the tokens that the
/// classifier reads.
class Engine {
 public:
  /// Throws std::invalid_argument if why_not() gives a reason, FormatError if weights are missing.
  Engine(const ModelSpec& spec, const checkpoint::Checkpoint& weights, const EngineOptions& options = {});
  ~Engine();
  Engine(Engine&&) noexcept;

  /// Runs a batch of any size: images float32 [batch, in_channels, H, W], normalised -> out float32 [batch,
  /// outputs()], which are logits, or features if the model has no classifier. Throws std::invalid_argument
  /// if either span has another number of values, so images with other channels or another size are never
  /// misread. It may be called from several threads; the calls then run one after another (for parallel
  /// calls, create one engine per thread). The images are divided equally among the engine's threads; the
  /// remaining images are computed by all threads together. A row of the result depends only on its image,
  /// not on the batch or the number of threads.
  void run(std::span<const float> images, int64_t batch, std::span<float> out);

  const ModelSpec& spec() const;
  int64_t outputs() const;
  int threads() const;
  Precision precision() const;  ///< kF32 or kBf16
  Isa isa() const;
  /// Bytes of the packed weights, and of all other memory of the engine.
  int64_t weight_bytes() const;
  int64_t work_bytes() const;

  class Implementation;

 private:
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace vitrim::runtime
