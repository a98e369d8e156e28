#include "vitrim/runtime/engine.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <mutex>
#include <new>
#include <stdexcept>

#include "runtime/executor.h"
#include "runtime/fork_hook.h"
#include "runtime/forward.h"
#include "runtime/implementation.h"
#include "runtime/layers.h"
#include "runtime/vit_forward.h"
#include "vitrim/architecture/stages.h"
#include "vitrim/core/error.h"

namespace vitrim::runtime {

namespace {

// Number of images whose features are collected for the classifier, which then reads its weights once for all
// of them (more if there are more threads).
constexpr int64_t kChunk = 64;

template <typename T>
class FamilyEngine : public Engine::Implementation {
 public:
  FamilyEngine(std::unique_ptr<Forward<T>> forward, int threads, const Kernels& kernels)
      : forward_(std::move(forward)),
        kernels_(kernels),
        pool_(threads),
        barrier_(threads),
        chunk_(std::max<int64_t>(kChunk, kGroup * threads)),
        features_(chunk_ * forward_->feature_width()),
        head_input_(padded_rows(chunk_) * std::max<int64_t>(forward_->head().k, 1)),
        head_scratch_(padded_rows(chunk_) * kPanel) {
    solo_ = [this](int rank) {
      const int64_t size = image_size();
      // First every thread computes an equal share, in groups of even size; all threads together compute the
      // remaining images.
      const int64_t share = whole_ / pool_.size(), begin = rank * share, end = begin + share,
                    groups = (share + kGroup - 1) / kGroup;
      for (int64_t i = begin, group = 0; i < end; ++group) {
        const int64_t next = begin + share * (group + 1) / groups;
        forward_->run(images_ + i * size, next - i, rank, {}, features_at(i));
        i = next;
      }
      const ThreadContext context{rank, pool_.size(), &barrier_};
      context.wait();
      for (int64_t i = whole_; i < count_; i += kGroup)
        forward_->run(images_ + i * size, std::min(kGroup, count_ - i), rank, context, features_at(i));
    };
  }

  void run(const float* images, int64_t batch, float* out) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (torn_) {
      throw Error(
          "[runtime::Engine] this process was forked while another thread was using the engine, whose memory "
          "is half-written here: make a new engine in the forked process");
    }
    running_ = true;
    const int64_t outputs = spec().num_classes > 0 ? spec().num_classes : spec().feature_dim();
    for (int64_t begin = 0; begin < batch; begin += chunk_) {
      count_ = std::min(chunk_, batch - begin);
      whole_ = count_ / pool_.size() * pool_.size();
      images_ = images + begin * image_size();
      pool_.run(solo_);
      classify(out + begin * outputs);
    }
    running_ = false;
  }

  const ModelSpec& spec() const override { return forward_->spec(); }
  int threads() const override { return pool_.size(); }
  int64_t weight_bytes() const override { return forward_->weight_bytes(); }
  int64_t work_bytes() const override {
    return features_.bytes() + head_input_.bytes() + head_scratch_.bytes() + forward_->work_bytes();
  }

 private:
  int64_t image_size() const { return spec().in_channels * spec().image_size[0] * spec().image_size[1]; }
  float* features_at(int64_t image) const { return features_.data() + image * forward_->feature_width(); }

  void after_fork() {
    torn_ = torn_ || running_;
    running_ = false;
    pool_.forget_threads();
    barrier_.reset();
    new (&mutex_) std::mutex;  // the thread that held it does not exist in this process
  }

  void classify(float* out) {
    const int64_t width = forward_->feature_width();
    if (spec().num_classes == 0) {
      for (int64_t i = 0; i < count_; ++i)
        std::copy_n(features_at(i), spec().feature_dim(), out + i * spec().feature_dim());
      return;
    }
    const KernelSet<T>& kernels = kernels_for<T>(kernels_);
    const Matrix<T>& head = forward_->head();
    kernels.convert(features_.data(), width, count_, width, head_input_.data(), head.k);
    Gemm<T> g = product(head, Left<T>{head_input_.data(), head.k}, count_, head_scratch_.data());
    g.epilogue = Epilogue::kFloat;
    g.out = out;
    g.ldo = head.valid;
    kernels.gemm(g);
  }

  std::unique_ptr<Forward<T>> forward_;
  const Kernels& kernels_;
  Pool pool_;
  Barrier barrier_;
  int64_t chunk_;
  Buffer<float> features_;
  Buffer<T> head_input_;
  Buffer<float> head_scratch_;
  std::mutex mutex_;
  // The state of the current call.
  std::function<void(int)> solo_;
  const float* images_ = nullptr;
  int64_t count_ = 0, whole_ = 0;
  std::atomic<bool> running_{false};
  bool torn_ = false;
  ForkHook fork_{[this] { after_fork(); }};  // last member, so that it is destroyed first
};

template <typename T>
std::unique_ptr<Engine::Implementation> engine_for(const ModelSpec& spec,
                                                   const checkpoint::Checkpoint& weights, int threads,
                                                   const Kernels& kernels) {
  auto forward = spec.family == "vit" ? make_vit<T>(spec, weights, threads, kernels)
                                      : make_stages<T>(spec, weights, threads, kernels);
  return std::make_unique<FamilyEngine<T>>(std::move(forward), threads, kernels);
}

}  // namespace

std::unique_ptr<Engine::Implementation> make_implementation(const ModelSpec& spec,
                                                            const checkpoint::Checkpoint& weights,
                                                            int threads, Precision precision,
                                                            const Kernels& kernels) {
  validate(spec);
  const std::string reason = why_not(spec);
  if (!reason.empty()) throw std::invalid_argument("[runtime::Engine] " + reason);
  if (threads < 1 || threads > 1024)
    throw std::invalid_argument("[runtime::Engine] " + std::to_string(threads) + " threads");
  auto out = precision == Precision::kBf16 ? engine_for<Bf16>(spec, weights, threads, kernels)
                                           : engine_for<float>(spec, weights, threads, kernels);
  out->precision = precision;
  return out;
}

Precision parse_precision(const std::string& name) {
  if (name == "auto") return Precision::kAuto;
  if (name == "f32") return Precision::kF32;
  if (name == "bf16") return Precision::kBf16;
  throw std::invalid_argument("there is no precision '" + name + "'; use f32, bf16 or auto");
}

Precision resolve(Precision precision) {
  if (precision != Precision::kAuto) return precision;
  return chosen_isa() >= Isa::kAvx512Bf16 ? Precision::kBf16 : Precision::kF32;
}

std::string why_not(const ModelSpec& spec) {
  if (spec.segmentation) return "the native engine classifies images, not their pixels; use LibTorch's path";
  if (std::string reason = architecture::why_not(executor(), spec); !reason.empty() || spec.family == "vit")
    return reason;
  if (spec.qk_norm)
    return "the native engine supports q/k norms in ViTs only, not in family " + spec.family +
           "; use LibTorch's path";
  if (spec.prefix_tokens() > 0)
    return "the native engine does not support class, distillation or register tokens in family " +
           spec.family + "; use LibTorch's path";
  for (const BlockSpec& block : spec.blocks) {
    if (block.sr_ratio > 1 && !architecture::separate_queries(spec))
      return "the native engine supports smaller maps of keys in PVTs only, not in family " + spec.family +
             "; use LibTorch's path";
  }
  return "";
}

Engine::Engine(const ModelSpec& spec, const checkpoint::Checkpoint& weights, const EngineOptions& options) {
  const Isa isa = chosen_isa();
  implementation_ =
      make_implementation(spec, weights, options.threads, resolve(options.precision), kernels_of(isa));
  implementation_->isa = isa;
}

Engine::~Engine() = default;
Engine::Engine(Engine&&) noexcept = default;

void Engine::run(std::span<const float> images, int64_t batch, std::span<float> out) {
  const ModelSpec& s = spec();
  const auto need = [batch](const char* what, size_t given, std::initializer_list<int64_t> shape) {
    uint64_t each = 1;  // the model passed validate(), so this can't overflow
    for (const int64_t size : shape) each *= static_cast<uint64_t>(size);
    // Divides, because a multiplication by an arbitrary batch could overflow.
    if (given % each == 0 && given / each == static_cast<uint64_t>(batch)) return;
    std::string text;
    for (const int64_t size : shape) text += (text.empty() ? "" : ", ") + std::to_string(size);
    throw std::invalid_argument("[runtime::Engine] " + std::string(what) + " of " + std::to_string(batch) +
                                " images must be [" + std::to_string(batch) + ", " + text + "], but " +
                                std::to_string(given) + " values were given");
  };
  if (batch < 0) throw std::invalid_argument("[runtime::Engine] the batch is negative");
  need("the pixels", images.size(), {s.in_channels, s.image_size[0], s.image_size[1]});
  need("the outputs", out.size(), {outputs()});
  if (batch > 0) implementation_->run(images.data(), batch, out.data());
}
const ModelSpec& Engine::spec() const { return implementation_->spec(); }
int64_t Engine::outputs() const { return spec().num_classes > 0 ? spec().num_classes : spec().feature_dim(); }
int Engine::threads() const { return implementation_->threads(); }
Precision Engine::precision() const { return implementation_->precision; }
Isa Engine::isa() const { return implementation_->isa; }
int64_t Engine::weight_bytes() const { return implementation_->weight_bytes(); }
int64_t Engine::work_bytes() const { return implementation_->work_bytes(); }

}  // namespace vitrim::runtime
