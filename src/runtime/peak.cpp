#include "vitrim/runtime/peak.h"

#include <algorithm>
#include <chrono>
#include <functional>

#include "runtime/kernels.h"
#include "runtime/team.h"

namespace vitrim::runtime {

namespace {

double since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double peak(int64_t (*peak_loop)(int64_t), int threads, double seconds) {
  Pool pool(threads);
  int64_t repeats = 4096, round = 0;
  const std::function<void(int)> work = [&](int rank) {
    const int64_t macs = peak_loop(repeats);
    if (rank == 0) round = macs;
  };
  double best = 0;
  const auto started = std::chrono::steady_clock::now();
  do {
    const auto begin = std::chrono::steady_clock::now();
    pool.run(work);
    const double took = since(begin);
    best = std::max(best, 2.0 * static_cast<double>(round * repeats * threads) / took);
    if (took < 0.01) repeats *= 2;
  } while (since(started) < seconds);
  return best * 1e-12;
}

}  // namespace

double measure_tile_peak(Precision precision, int threads, double seconds) {
  const Kernels& kernels = kernels_of(chosen_isa());
  return peak(resolve(precision) == Precision::kBf16 ? kernels.bf16.peak_loop : kernels.f32.peak_loop,
              threads, seconds);
}

double measure_byte_peak(int threads, double seconds) {
  return peak(kernels_of(chosen_isa()).peak_loop_bytes, threads, seconds);
}

}  // namespace vitrim::runtime
