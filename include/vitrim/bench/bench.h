#pragma once
// Compares the speed of models. All entries are timed interleaved: each runs once per round, so that other
// load on the machine affects all of them alike. Their outputs are compared before anything is timed.

#include <memory>
#include <string>
#include <vector>

#include "vitrim/core/bench_artifacts.h"
#include "vitrim/model/model.h"
#include "vitrim/runtime/engine.h"

namespace vitrim::bench {

/// A model and the engine that runs it.
struct Entry {
  std::string name;
  std::shared_ptr<model::Model> model;
  bool native = true;  ///< true: vitrim's CPU engine; false: LibTorch
  runtime::Precision precision = runtime::Precision::kAuto;
};

struct BenchOptions {
  std::vector<int64_t> batches = {1, 32};
  int threads = 1;
  int rounds = 15;
  double warmup = 1;  ///< least seconds per entry; at least two calls are made
  double peak_seconds =
      1;  ///< seconds for each of the two peaks; 0: they are not measured, and shares of them are 0
  bool cuda = false;         ///< LibTorch's entries run on the GPU; a call ends when its outputs are ready
  bool thread_time = false;  ///< with one thread: measure the thread's processor time instead of wall time,
                             ///< so that other work on the machine does not count
  uint64_t seed = 0;
};

/// The largest error of an entry's outputs against the model's own float32 outputs, ||got - wanted|| /
/// ||wanted||, that run() accepts. A larger error means that the entry is broken.
double output_tolerance(const ModelSpec& spec, bool bf16);

/// Times all entries. Rows come in the order of batches, then entries; speed-ups are relative to the first
/// entry. The caller fills in the manifest. Throws vitrim::Error if an entry's outputs disagree,
/// std::invalid_argument without entries or if the image sizes differ.
BenchResult run(const std::vector<Entry>& entries, const BenchOptions& options);

/// Times of two models, interleaved on the CPU engine.
struct Compared {
  double before = 0, after = 0;  ///< seconds per call, medians
  double predicted = 1;          ///< the speed-up that the ratio of multiply-adds would give
  MeasuredSpeed speed;           ///< measured speed-up of `after` over `before`
};
/// Compares two models as run() does, at one batch size. Outputs are checked before anything is timed.
Compared compare(const model::Model& before, const model::Model& after, const BenchOptions& options,
                 runtime::Precision precision);

/// The dense architecture that a compressed one was made from: the published one of its name, else (ViTs
/// only) one in which every block is as wide as the widest of `spec`, with nothing merged. Throws
/// std::invalid_argument if neither applies.
ModelSpec dense_like(const ModelSpec& spec);

}  // namespace vitrim::bench
