// The time to load an engine, compared with reading its file and packing every matrix once: load_engine
// MODEL.safetensors [ROUNDS]. The two are timed alternately; medians are printed.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "runtime/matrix.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/runtime/engine.h"
#include "vitrim/weights/open.h"

namespace {

template <typename Work>
double seconds(const Work& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const std::string path = argv[1];
  std::vector<double> engine, packed, ratios;
  for (int round = -1; round < (argc > 2 ? std::atoi(argv[2]) : 9); ++round) {
    const double one = seconds([&] {
      const vitrim::weights::Opened model = vitrim::weights::open(path);
      const vitrim::runtime::Engine built(model.spec, vitrim::weights::parameters_of(model),
                                          {1, vitrim::runtime::Precision::kF32});
    });
    const double other = seconds([&] {
      const vitrim::checkpoint::Checkpoint file = vitrim::checkpoint::load(path);
      std::vector<vitrim::runtime::Matrix<float>> kept;
      for (const auto& [name, view] : file.entries()) {
        if (view.shape.size() < 2) continue;
        const int64_t rows = view.shape[0], columns = view.numel() / std::max<int64_t>(1, rows);
        kept.emplace_back(vitrim::runtime::Linear{rows, columns, vitrim::checkpoint::floats_of(view),
                                                  std::vector<float>(static_cast<size_t>(rows))});
      }
    });
    if (round < 0) continue;  // warms the file cache
    engine.push_back(one);
    packed.push_back(other);
    ratios.push_back(one / other);
  }
  std::printf("engine %.3f s, read and packed once %.3f s, ratio %.2f\n", median(engine), median(packed),
              median(ratios));
}
