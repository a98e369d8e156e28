#pragma once
// Timing models against each other: all entries are interleaved: each runs once a round, so that a busy
// moment hits them alike, and outputs are compared before anything is timed.

#include <memory>
#include <string>
#include <vector>

#include "vitrim/core/bench_artifacts.h"
#include "vitrim/model/model.h"
#include "vitrim/runtime/engine.h"

namespace vitrim::bench {

/// A model on an engine.
struct Entry {
  std::string name;
  std::shared_ptr<model::Model> model;
  bool native = true;  ///< the CPU engine, else LibTorch
  runtime::Precision precision = runtime::Precision::kAuto;
};

struct BenchOptions {
  std::vector<int64_t> batches = {1, 32};
  int threads = 1;
  int rounds = 15;
  double warmup = 1;         ///< seconds a entry at least, two calls at the least
  double peak_seconds = 1;   ///< for either peak; 0: not measured, and shares of it are 0
  bool cuda = false;         ///< LibTorch's entries run on the GPU; a call ends when its outputs are there
  bool thread_time = false;  ///< with one thread: its processor time instead of the wall's, which other work
                             ///< on the machine does not lengthen
  uint64_t seed = 0;
};

/// How far outputs may be from the model's own float32 outputs, ||got - wanted|| / ||wanted||, before a
/// entry is refused: what measures more is broken.
double output_tolerance(const ModelSpec& spec, bool bf16);

/// Rows in the order of batches, then entries; speed-ups are over the first entry. The manifest is
/// left to the caller. Throws vitrim::Error where a entry's outputs disagree, std::invalid_argument
/// without entries or where images differ in size.
BenchResult run(const std::vector<Entry>& entries, const BenchOptions& options);

/// Two models interleaved on the CPU engine.
struct Compared {
  double before = 0, after = 0;  ///< seconds of one call, medians
  double predicted = 1;          ///< speed-up by multiply-adds alone
  MeasuredSpeed speed;           ///< of `after` over `before`
};
/// As run(), at one batch size: outputs are checked before anything is timed.
Compared compare(const model::Model& before, const model::Model& after, const BenchOptions& options,
                 runtime::Precision precision);

/// The architecture that a compressed one was made from: the published one of its name, else (ViTs) with the
/// widest block of its own in every place, nothing merged. Throws std::invalid_argument where neither tells.
ModelSpec dense_like(const ModelSpec& spec);

}  // namespace vitrim::bench
