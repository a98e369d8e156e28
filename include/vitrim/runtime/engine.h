#pragma once
// Inference on the CPU without LibTorch's modules and without autograd: weights are packed once, memory is
// laid out once, a call allocates nothing.

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
  kAuto,  ///< bfloat16 where the CPU multiplies it, else float32
  kF32,
  kBf16,  ///< weights and what is multiplied; sums, LayerNorm, softmax and the stream between blocks are
          ///< float32
};

/// "auto", "f32" or "bf16"; throws std::invalid_argument.
Precision parse_precision(const std::string& name);
/// kF32 or kBf16: what kAuto means with chosen_isa().
Precision resolve(Precision precision);

struct EngineOptions {
  int threads = 1;
  Precision precision = Precision::kAuto;
};

/// Empty where the engine can run this architecture, else why not.
std::string why_not(const ModelSpec& spec);

/// A model ready to run. It copies what it needs of the weights, and computes architecture::live_macs() an
/// image: after the last attention only what the classifier reads.
class Engine {
 public:
  /// Throws std::invalid_argument for what why_not() names, and FormatError for missing weights.
  Engine(const ModelSpec& spec, const checkpoint::Checkpoint& weights, const EngineOptions& options = {});
  ~Engine();
  Engine(Engine&&) noexcept;

  /// images float32 [batch, in_channels, H, W], normalised -> out float32 [batch, outputs()]: logits, or
  /// features where the model has no classifier. Throws std::invalid_argument where either holds another
  /// number of values: images of other channels or another size than the model's are never read as its own.
  /// Safe to call from several threads; calls then follow one another (for work side by side, make an engine
  /// for each). A batch of any size is taken; images are spread over the threads, what is left over is shared
  /// among them. A row of the result depends on its image alone, not on the batch or the number of threads.
  void run(std::span<const float> images, int64_t batch, std::span<float> out);

  const ModelSpec& spec() const;
  int64_t outputs() const;
  int threads() const;
  Precision precision() const;  ///< kF32 or kBf16
  Isa isa() const;
  /// Bytes of packed weights, and of everything else that the engine holds.
  int64_t weight_bytes() const;
  int64_t work_bytes() const;

  class Implementation;

 private:
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace vitrim::runtime
