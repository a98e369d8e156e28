#include "vitrim/bench/spec_timer.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "bench/interleaved.h"
#include "vitrim/architecture/parameters.h"
#include "vitrim/model/floats.h"
#include "vitrim/model/model.h"
#include "vitrim/quantize/quantize.h"

namespace vitrim::bench {

namespace {

struct TimedSpec {
  std::unique_ptr<runtime::Engine> engine;
  at::Tensor images, out;
};

// The spec without int8 layers.
ModelSpec without_int8(ModelSpec spec) {
  for (BlockSpec& block : spec.blocks) block.int8 = block.int4 = {};
  return spec;
}

// The linear layers that are not int8.
std::vector<std::string> float_layers(const ModelSpec& spec) {
  std::vector<std::string> out;
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i) {
    for (const architecture::QuantizableLayer& layer : architecture::quantizable_layers(spec, i)) {
      if (!(spec.blocks[static_cast<size_t>(i)].int8.*layer.member)) out.push_back(layer.name);
    }
  }
  return out;
}

TimedSpec make_timed(const ModelSpec& spec, const SpecTimerOptions& options) {
  TimedSpec ready;
  auto model = model::make_random_model(without_int8(spec), options.seed);
  if (spec.quantized()) model = quantize::quantize(*model, {float_layers(spec)}).model;
  ready.engine = std::make_unique<runtime::Engine>(
      spec, model->parameters(), runtime::EngineOptions{options.threads, options.precision});
  at::Generator generator = at::detail::createCPUGenerator(options.seed);
  ready.images =
      at::randn({options.batch, spec.in_channels, spec.image_size[0], spec.image_size[1]}, generator);
  ready.out = at::empty({options.batch, ready.engine->outputs()});
  return ready;
}

}  // namespace

struct SpecTimer::Impl {
  SpecTimerOptions options;
  TimedSpec reference;
  double seconds = 0;
};

SpecTimer::SpecTimer(const ModelSpec& reference, const SpecTimerOptions& options)
    : impl_(std::make_unique<Impl>()) {
  impl_->options = options;
  impl_->reference = make_timed(reference, options);
}

SpecTimer::~SpecTimer() = default;

double SpecTimer::reference_seconds() {
  if (impl_->seconds == 0) measure({});
  return impl_->seconds;
}

std::vector<double> SpecTimer::measure(const std::vector<ModelSpec>& specs) {
  std::vector<TimedSpec> ready;
  for (const ModelSpec& spec : specs) {
    check_cancelled();
    ready.push_back(make_timed(spec, impl_->options));
  }
  std::vector<std::function<void()>> calls;
  const auto add = [&](TimedSpec& one) {
    calls.emplace_back([&one] {
      one.engine->run(model::floats_of(one.images), one.images.size(0), model::writable_floats_of(one.out));
    });
  };
  add(impl_->reference);
  for (TimedSpec& one : ready) add(one);
  for (const auto& call : calls) warm_up(call, impl_->options.warmup);
  double round = 0;
  for (const std::vector<double>& one : time_interleaved(calls, 1, nullptr)) round += one.front();
  const int rounds = static_cast<int>(
      std::clamp(impl_->options.seconds / round, 1.0 * impl_->options.rounds, 10.0 * impl_->options.rounds));
  Progress progress("timing", static_cast<int64_t>(calls.size()) * rounds, "calls");
  const std::vector<std::vector<double>> seconds =
      time_interleaved(calls, rounds, &progress, impl_->options.threads == 1 ? Clock::kThread : Clock::kWall);
  if (impl_->seconds == 0) impl_->seconds = percentile(seconds[0], 0.5);
  std::vector<double> out;
  for (size_t i = 1; i < seconds.size(); ++i) {
    out.push_back(percentile(seconds[i], 0.1) / percentile(seconds[0], 0.1) * impl_->seconds);
  }
  return out;
}

}  // namespace vitrim::bench
