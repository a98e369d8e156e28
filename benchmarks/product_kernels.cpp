// The engine's product loop against those of libraries, on one thread, interleaved: oneDNN's brgemm (through
// LibTorch) panel by panel on the same packed operands, and a complete at::linear. usage: product_kernels
// [ROUNDS]. Shows which of them the engine should use on this machine (docs/performance.md).

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/native/CPUBlas.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <vector>

#include "runtime/kernels.h"
#include "runtime/matrix.h"
#include "vitrim/runtime/isa.h"

namespace {

using namespace vitrim::runtime;

double once(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

struct Way {
  const char* name;
  std::function<void()> work;
  std::vector<double> seconds = {};
};

void compare(const char* what, int64_t rows, int64_t k, int64_t n, int rounds) {
  const c10::NoGradGuard no_grad;
  const at::Tensor x = at::randn({rows, k}), w = at::randn({n, k});
  const at::Tensor x16 = x.to(at::kBFloat16), w16 = w.to(at::kBFloat16);
  Linear layer{n,
               k,
               {w.const_data_ptr<float>(), w.const_data_ptr<float>() + n * k},
               std::vector<float>(static_cast<size_t>(n), 0.0f)};
  const Matrix<float> m(layer);
  const Matrix<Bf16> m16(layer);
  const int64_t padded = round_up(rows, 32) + 32;
  Buffer<Bf16> a(padded * k);
  Buffer<float> scratch(padded * kPanel), out(padded * n);
  const Kernels& kernels = kernels_of(chosen_isa());
  kernels.bf16.convert(x.const_data_ptr<float>(), k, rows, k, a.data(), k);
  auto gemm = [&](const auto& matrix, const auto* left, auto kernel) {
    using T = std::remove_cv_t<std::remove_pointer_t<decltype(left)>>;
    Gemm<T> g;
    g.a = left;
    g.lda = k;
    g.rows = rows;
    g.b = matrix.data.data();
    g.k = k;
    g.columns = g.valid = g.ldo = n;
    g.scratch = scratch.data();
    g.epilogue = Epilogue::kFloat;
    g.out = out.data();
    kernel(g);
  };
  std::vector<Way> ways;
  ways.push_back({"vitrim, bf16", [&] { gemm(m16, static_cast<const Bf16*>(a.data()), kernels.bf16.gemm); }});
  if (at::native::cpublas::could_pack(at::kBFloat16)) {
    ways.push_back(
        {"brgemm, bf16", [&] {
           for (int64_t j = 0; j < n; j += kPanel) {
             at::native::cpublas::brgemm(
                 rows, kPanel, k, k, kPanel, n, false, reinterpret_cast<const at::BFloat16*>(a.data()),
                 reinterpret_cast<const at::BFloat16*>(m16.data.data() + j * k), out.data() + j, true);
           }
           at::native::cpublas::brgemm_release();
         }});
  }
  ways.push_back({"at::linear, bf16", [&] { at::linear(x16, w16); }});
  ways.push_back({"vitrim, f32", [&] { gemm(m, x.const_data_ptr<float>(), kernels.f32.gemm); }});
  ways.push_back({"at::linear, f32", [&] { at::linear(x, w); }});
  for (Way& way : ways) way.work();
  for (int round = 0; round < rounds; ++round) {
    for (Way& way : ways) way.seconds.push_back(once(way.work));
  }
  std::printf("%-28s %4lld x %4lld x %4lld:", what, static_cast<long long>(rows), static_cast<long long>(k),
              static_cast<long long>(n));
  for (Way& way : ways) {
    std::nth_element(way.seconds.begin(), way.seconds.begin() + rounds / 2, way.seconds.end());
    std::printf("  %s %.0f", way.name,
                2e-9 * static_cast<double>(rows * k * n) / way.seconds[static_cast<size_t>(rounds / 2)]);
  }
  std::printf(" GFLOP/s\n");
}

}  // namespace

int main(int argc, char** argv) {
  cap_libraries();
  at::set_num_threads(1);
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 15;
  std::printf("one thread, %s, medians of %d rounds in turns\n", to_string(chosen_isa()).c_str(), rounds);
  compare("DeiT-B fc1, two images", 394, 768, 3072, rounds);
  compare("DeiT-B fc2, two images", 394, 3072, 768, rounds);
  compare("DeiT-B k and v of one head", 197, 768, 128, rounds);
  compare("DeiT-B scores of 32 queries", 32, 64, 192, rounds);
  compare("ViT-Ti fc1, two images", 394, 192, 768, rounds);
  return 0;
}
