#include "vitrim/bench/bench.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <functional>
#include <stdexcept>

#include "bench/interleaved.h"
#include "bench/torch_path.h"
#include "vitrim/architecture/cost.h"
#include "vitrim/architecture/known.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"
#include "vitrim/model/floats.h"
#include "vitrim/model/model.h"
#include "vitrim/runtime/peak.h"

namespace vitrim::bench {

namespace {

using runtime::Precision;

double since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

bool is_bf16(Precision precision, bool cuda = false) {
  return (cuda && precision == Precision::kAuto) || runtime::resolve(precision) == Precision::kBf16;
}

// An entry that is ready to run at one batch size.
struct Ready {
  std::unique_ptr<runtime::Engine> engine;
  std::unique_ptr<TorchPath> torch;
  at::Tensor images, out;
  std::vector<double> seconds;

  void call() {
    if (engine) {
      engine->run(model::floats_of(images), images.size(0), model::writable_floats_of(out));
    } else {
      torch->run();
    }
  }
  at::Tensor outputs() const { return engine ? out : torch->outputs(); }
};

Ready make_ready(const Entry& entry, const at::Tensor& images, const BenchOptions& options) {
  Ready ready;
  ready.images = images;
  if (entry.native) {
    ready.engine =
        std::make_unique<runtime::Engine>(entry.model->spec(), entry.model->parameters(),
                                          runtime::EngineOptions{options.threads, entry.precision});
    ready.out = at::empty({images.size(0), ready.engine->outputs()});
  } else {
    ready.torch = std::make_unique<TorchPath>(*entry.model, is_bf16(entry.precision, options.cuda), images,
                                              options.cuda);
  }
  return ready;
}

// Checks before timing that every entry computes what its model does: ||got - wanted|| / ||wanted|| over some
// images.
double check_outputs(const Entry& entry, Ready& ready, bool bf16) {
  const at::NoGradGuard no_grad;
  ready.call();
  const at::ScalarType old = entry.model->compute_dtype();
  entry.model->set_compute_dtype(at::kFloat);
  const int64_t some = std::min<int64_t>(ready.images.size(0), 4);
  const model::Output plain = entry.model->forward(ready.images.slice(0, 0, some));
  entry.model->set_compute_dtype(old);
  const at::Tensor wanted = plain.logits.defined() ? plain.logits : plain.features;
  const at::Tensor got = ready.outputs().slice(0, 0, some).to(at::kCPU, at::kFloat);
  const double difference = (got - wanted).norm().item<double>() / wanted.norm().item<double>();
  const double allowed = output_tolerance(entry.model->spec(), bf16);
  if (!(difference <= allowed)) {
    throw Error(entry.name + ": its outputs are " + std::to_string(difference) +
                " away from the model's float32 outputs (at most " + std::to_string(allowed) +
                " can be rounding); it is not timed");
  }
  return difference;
}

// Of this program image; getrusage's would be that of the parent process if that was larger.
int64_t peak_memory() {
  std::ifstream file("/proc/self/status");
  for (std::string key; file >> key;) {
    int64_t kilobytes = 0;
    if (key == "VmHWM:" && file >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

// The speed of LibTorch's best single product, at shapes of a DeiT-B's layers and a large square one.
double library_peak(bool bf16, double seconds, bool cuda) {
  const at::NoGradGuard no_grad;
  const at::TensorOptions options =
      at::TensorOptions(bf16 ? at::kBFloat16 : at::kFloat).device(cuda ? at::kCUDA : at::kCPU);
  double best = 0;
  const std::vector<std::vector<int64_t>> shapes = {
      {2048, 2048, 2048}, {32 * 197, 768, 3072}, {1024, 1024, 1024}};
  for (const std::vector<int64_t>& shape : shapes) {
    const at::Tensor a = at::randn({shape[0], shape[1]}, options),
                     w = at::randn({shape[2], shape[1]}, options);
    at::linear(a, w);
    const auto started = std::chrono::steady_clock::now();
    while (since(started) < seconds / static_cast<double>(shapes.size())) {
      const auto begin = std::chrono::steady_clock::now();
      at::linear(a, w);
      synchronize(cuda);
      best = std::max(best, 2.0 * static_cast<double>(shape[0] * shape[1] * shape[2]) / since(begin));
    }
  }
  return best * 1e-12;
}

BenchRow row_of(const Entry& entry, const Ready& ready, const Ready& first, const Entry& first_entry,
                bool bf16) {
  BenchRow row;
  row.name = entry.name;
  row.model = entry.model->spec().name;
  row.engine = entry.native ? "native" : "libtorch";
  // For a quantised model: the precision of its other layers.
  row.precision = std::string(entry.model->spec().quantized() ? "int8, " : "") + (bf16 ? "bf16" : "f32");
  row.batch = ready.images.size(0);
  for (const auto& [name, tensor] : entry.model->parameters().entries())
    row.params += name.ends_with(".weight_scale") ? 0 : tensor.numel();
  row.macs = architecture::total_macs(entry.model->spec());
  row.rounds = static_cast<int64_t>(ready.seconds.size());
  row.latency = percentile(ready.seconds, 0.5);
  row.latency_p10 = percentile(ready.seconds, 0.1);
  row.latency_p90 = percentile(ready.seconds, 0.9);
  row.images_per_second = static_cast<double>(row.batch) / row.latency;
  const int64_t executed = entry.native ? architecture::live_macs(entry.model->spec()) : row.macs;
  row.tflops = 2e-12 * static_cast<double>(executed * row.batch) / row.latency;
  std::vector<double> ratios;
  for (size_t i = 0; i < ready.seconds.size(); ++i) ratios.push_back(first.seconds[i] / ready.seconds[i]);
  row.speedup = percentile(ratios, 0.5);
  row.speedup_p10 = percentile(ratios, 0.1);
  row.speedup_p90 = percentile(ratios, 0.9);
  row.predicted = static_cast<double>(architecture::total_macs(first_entry.model->spec())) /
                  static_cast<double>(row.macs);
  if (ready.engine) {
    row.isa = runtime::to_string(ready.engine->isa());
    row.weight_bytes = ready.engine->weight_bytes();
    row.work_bytes = ready.engine->work_bytes();
  }
  return row;
}

}  // namespace

double output_tolerance(const ModelSpec& spec, bool bf16) {
  // The roundings of blocks add up as the square root of their number, and a trained network enlarges them by
  // some factor (float32: nine sums of at most 4096 terms, times 10; bfloat16: nine roundings to 2^-9, times
  // 5, which is 0.1 for twelve blocks). With merged tokens, a rounding can change the pairs, which moves
  // outputs by more. Outputs of a broken model, for example all zeros, have a distance of 1. In int8 layers,
  // a float32 rounding can move a value by one step, as much as bfloat16 does.
  const double blocks = static_cast<double>(spec.blocks.size());
  const double rounding = bf16 || spec.quantized() ? std::sqrt(9 * blocks) * std::ldexp(1.0, -9) * 5
                                                   : std::sqrt(4096 * 9 * blocks) * std::ldexp(1.0, -24) * 10;
  return std::min(spec.merges() ? 4 * rounding + 0.1 : rounding, 0.5);
}

BenchResult run(const std::vector<Entry>& entries, const BenchOptions& options) {
  if (entries.empty()) throw std::invalid_argument("[bench::run] nothing to time");
  if (options.thread_time && options.threads != 1)
    throw std::invalid_argument("[bench::run] processor time of one thread is no measure of several");
  if (options.rounds < 1) throw std::invalid_argument("[bench::run] no rounds");
  BenchResult result;
  result.device = options.cuda ? "cuda" : "cpu";
  result.threads = options.threads;
  at::set_num_threads(options.threads);
  for (const Entry& entry : entries) {
    if (entry.model->spec().image_size != entries.front().model->spec().image_size)
      throw std::invalid_argument("[bench::run] images of different sizes");
  }
  auto bf16 = [&](const Entry& entry) { return is_bf16(entry.precision, options.cuda && !entry.native); };
  Progress progress("benchmark",
                    static_cast<int64_t>(options.batches.size() * entries.size()) * options.rounds, "calls");
  at::Generator generator = at::detail::createCPUGenerator(options.seed);
  for (const int64_t batch : options.batches) {
    std::vector<Ready> ready;
    for (const Entry& entry : entries) {
      const ModelSpec& spec = entry.model->spec();
      const at::Tensor images =
          at::randn({batch, spec.in_channels, spec.image_size[0], spec.image_size[1]}, generator);
      ready.push_back(make_ready(entry, images, options));
      result.output_difference =
          std::max(result.output_difference, check_outputs(entry, ready.back(), bf16(entry)));
      warm_up([&] { ready.back().call(); }, options.warmup);
    }
    std::vector<std::function<void()>> calls;
    for (Ready& one : ready) calls.emplace_back([&one] { one.call(); });
    const std::vector<std::vector<double>> seconds = time_interleaved(
        calls, options.rounds, &progress, options.thread_time ? Clock::kThread : Clock::kWall);
    for (size_t i = 0; i < ready.size(); ++i) ready[i].seconds = seconds[i];
    for (size_t i = 0; i < ready.size(); ++i)
      result.rows.push_back(row_of(entries[i], ready[i], ready[0], entries[0], bf16(entries[i])));
  }
  if (!options.cuda && options.peak_seconds > 0) {
    result.tile_peak =
        runtime::measure_tile_peak(entries.front().precision, options.threads, options.peak_seconds);
  }
  if (options.peak_seconds > 0)
    result.library_peak = library_peak(bf16(entries.front()), options.peak_seconds, options.cuda);
  const bool int8 = std::any_of(entries.begin(), entries.end(), [](const Entry& entry) {
    return entry.native && entry.model->spec().quantized();
  });
  if (int8 && options.peak_seconds > 0)
    result.byte_peak = runtime::measure_byte_peak(options.threads, options.peak_seconds);
  const double float_peak = std::max(result.tile_peak, result.library_peak);
  for (size_t i = 0; i < result.rows.size(); ++i) {
    BenchRow& row = result.rows[i];
    const Entry& entry = entries[i % entries.size()];
    const double peak = entry.native && entry.model->spec().quantized() ? result.byte_peak : float_peak;
    const bool measured =
        peak > 0 && !(options.cuda && row.engine == "native");  // the GPU's peak does not apply to the CPU
    row.share_of_peak = measured ? row.tflops / peak : 0;
  }
  result.peak_memory = peak_memory();
  return result;
}

Compared compare(const model::Model& before, const model::Model& after, const BenchOptions& options,
                 runtime::Precision precision) {
  if (options.batches.size() != 1)
    throw std::invalid_argument("[bench::compare] one batch size, not " +
                                std::to_string(options.batches.size()));
  const std::vector<BenchRow> rows =
      run({{"before", before.clone(), true, precision}, {"after", after.clone(), true, precision}}, options)
          .rows;
  const BenchRow& row = rows.back();
  return {rows.front().latency,
          row.latency,
          row.predicted,
          {"native", row.batch, options.threads, row.speedup, row.speedup_p10, row.speedup_p90}};
}

ModelSpec dense_like(const ModelSpec& spec) {
  ModelSpec out = spec;
  if (architecture::is_known_name(spec.name)) {
    const ModelSpec known = architecture::known_spec(spec.name);
    if (known.blocks.size() == spec.blocks.size() && known.image_size == spec.image_size) {
      out.blocks = known.blocks;
      return out;
    }
  }
  BlockSpec widest;
  for (const BlockSpec& block : spec.blocks) {
    if (block.num_heads * block.qk_dim > widest.num_heads * widest.qk_dim) widest = block;
  }
  if (spec.family != "vit" || widest.num_heads == 0) {
    throw std::invalid_argument(
        "the dense form of this model can't be inferred from its weights; name the dense checkpoint instead "
        "of `dense`");
  }
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i) {
    BlockSpec& block = out.blocks[static_cast<size_t>(i)];
    // Channels may be pruned in all blocks, so the dense width of a head is derived from the stream's width.
    block = widest;
    block.merge = 0;
    block.qk_dim = block.v_dim = std::max(widest.qk_dim, spec.embed_dim / widest.num_heads);
    for (const BlockSpec& other : spec.blocks) block.mlp_dim = std::max(block.mlp_dim, other.mlp_dim);
    block.stream_gain = 1;
    block.int8 = block.int4 = {};
  }
  return out;
}

}  // namespace vitrim::bench
