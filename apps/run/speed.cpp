#include "speed.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "vitrim/core/log.h"
#include "vitrim/core/random.h"

namespace vitrim::app {

Speed measure(runtime::Engine& engine, int64_t batch, double seconds) {
  using Clock = std::chrono::steady_clock;
  const ModelSpec& spec = engine.spec();
  std::vector<float> images(
      static_cast<size_t>(batch * spec.in_channels * spec.image_size[0] * spec.image_size[1]));
  Random random(1);
  for (float& value : images) value = static_cast<float>(random.uniform() * 4 - 2);
  std::vector<float> out(static_cast<size_t>(batch * engine.outputs()));
  std::vector<double> times;
  const auto run = [&] {
    const auto begin = Clock::now();
    engine.run(images, batch, out);
    check_cancelled();
    return std::chrono::duration<double>(Clock::now() - begin).count();
  };
  for (double warm = run(), spent = warm; spent < 0.2 * seconds;) spent += run();
  for (double spent = 0; spent < seconds || times.size() < 5;) spent += times.emplace_back(run());
  std::sort(times.begin(), times.end());
  const auto at = [&](double share) {
    return times[static_cast<size_t>(share * static_cast<double>(times.size() - 1) + 0.5)];
  };
  return {batch, static_cast<int64_t>(times.size()), at(0.5), at(0.1), at(0.9)};
}

}  // namespace vitrim::app
