#include "vitrim/runtime/peak.h"

#include <algorithm>
#include <chrono>

#include "runtime/kernels.h"
#include "runtime/memory.h"
#include "runtime/team.h"

namespace vitrim::runtime {

namespace {

double since(std::chrono::steady_clock::time_point begin) { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(); }

template <typename T>
struct Operands {
  // 96 rows of a, one panel of b and a strip of sums: some 40 KB.
  static constexpr int64_t kRows = 96, kDepth = sizeof(T) == 2 ? 128 : 64;
  Buffer<T> a{kRows * kDepth}, b{kDepth * kPanel};
  Buffer<float> scratch{kRows * kPanel}, out{kRows * kPanel};
  Gemm<T> gemm() const {
    Gemm<T> g;
    g.a = a.data();
    g.lda = g.k = kDepth;
    g.rows = kRows;
    g.b = b.data();
    g.columns = kPanel;
    g.scratch = scratch.data();
    g.edge = Edge::kFloat;
    g.out = out.data();
    g.ldo = kPanel;
    g.valid = 0;  // the sums are not copied: only the products count
    return g;
  }
};

template <typename T>
double peak(const KernelSet<T>& kernels, int threads, double seconds) {
  std::vector<Operands<T>> operands(static_cast<size_t>(threads));
  Pool pool(threads);
  int64_t repeats = 64;
  const std::function<void(int)> work = [&](int rank) {
    const Gemm<T> g = operands[static_cast<size_t>(rank)].gemm();
    for (int64_t i = 0; i < repeats; ++i) kernels.gemm(g);
  };
  const double flops = 2.0 * Operands<T>::kRows * Operands<T>::kDepth * kPanel * threads;
  double best = 0;
  const auto started = std::chrono::steady_clock::now();
  while (since(started) < seconds) {
    const auto begin = std::chrono::steady_clock::now();
    pool.run(work);
    const double took = since(begin);
    best = std::max(best, flops * static_cast<double>(repeats) / took);
    if (took < 0.01) repeats *= 2;
  }
  return best * 1e-12;
}

}  // namespace

double measure_tile_peak(Precision precision, int threads, double seconds) {
  const Isa isa = chosen_isa();
  if (precision == Precision::kAuto) precision = isa >= Isa::kAvx512Bf16 ? Precision::kBf16 : Precision::kF32;
  const Kernels& kernels = kernels_of(isa);
  return precision == Precision::kBf16 ? peak(kernels.bf16, threads, seconds) : peak(kernels.f32, threads, seconds);
}

}  // namespace vitrim::runtime
