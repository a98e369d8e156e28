// Engines in forked processes, and engines that threads share while others are created and destroyed.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "runtime/engine_runs.h"
#include "vitrim/architecture/known.h"
#include "vitrim/core/error.h"

namespace vitrim {
namespace {

using runtime::Engine;
using runtime::Precision;
using test::relative_difference;
using test::run;

/// 0: it did what was asked; 1: it did not; 2: it threw; -1: it hung.
int in_child(const std::function<bool()>& work) {
  const pid_t child = fork();
  if (child == 0) {
    int status = 2;
    try {
      status = work() ? 0 : 1;
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
    }
    _exit(status);
  }
  for (int tenths = 0; tenths < 200; ++tenths) {
    int status = 0;
    if (waitpid(child, &status, WNOHANG) == child) return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
    usleep(100'000);
  }
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  return -1;
}

// LibTorch's threads and an engine's are there before the fork.
TEST(Fork, EnginesOfBeforeAndAfterWork) {
  const auto model = test::lively_model(test::small_spec());
  const at::Tensor images = test::colour_input(5), large = at::randn({1000, 1000});
  at::set_num_threads(2);
  const at::Tensor square = at::matmul(large, large), sum = large + 1;
  Engine engine(model->spec(), model->parameters(), {3, Precision::kF32});
  const at::Tensor wanted = run(engine, images);
  const auto same = [&](Engine& one) { return at::equal(run(one, images), wanted); };
  EXPECT_EQ(in_child([&] { return same(engine) && same(engine); }), 0) << "made before";
  EXPECT_EQ(in_child([&] {
              const auto again = test::lively_model(test::small_spec());
              Engine own(again->spec(), again->parameters(), {2, Precision::kF32});
              return same(own) && same(engine);
            }),
            0)
      << "made after";
  EXPECT_EQ(in_child([&] {  // a model that needs LibTorch's loops, and a child of the child
              const auto wide =
                  model::make_random_model(architecture::known_spec("deit_tiny_patch16_224"), 0);
              const at::Tensor out = test::reference(*wide, at::randn({2, 3, 224, 224}));
              return out.size(1) == 1000 && in_child([&] { return same(engine); }) == 0;
            }),
            0)
      << "LibTorch's path";
  EXPECT_TRUE(same(engine)) << "the parent's goes on";
}

TEST(Fork, AnEngineThatWasAtWorkSaysSo) {
  const auto model = test::lively_model(test::small_spec());
  const at::Tensor images = test::colour_input(64);
  Engine engine(model->spec(), model->parameters(), {2, Precision::kF32});
  const at::Tensor wanted = run(engine, images);
  std::atomic<bool> stop{false};
  std::thread busy([&] {
    while (!stop) run(engine, images);
  });
  int refused = 0;
  for (int i = 0; i < 10; ++i) {
    usleep(3'000);
    const int status = in_child([&] {
      try {
        return at::equal(run(engine, images), wanted);
      } catch (const Error& error) {
        if (std::string(error.what()).find("make a new engine") != std::string::npos) _exit(3);
        throw;
      }
    });
    EXPECT_TRUE(status == 0 || status == 3) << status;
    refused += status == 3;
  }
  stop = true;
  busy.join();
  EXPECT_GT(refused, 0) << "it was at work nearly always";
}

TEST(Threads, EnginesBeginAndEndWhileOthersRun) {
  const auto model = test::lively_model(test::small_spec());
  const at::Tensor images = test::colour_input(3);
  Engine shared(model->spec(), model->parameters(), {2, Precision::kF32});
  const at::Tensor wanted = run(shared, images);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 10; ++round) {
        Engine own(model->spec(), model->parameters(), {2, Precision::kF32});
        if (!at::equal(run(own, images), wanted) || !at::equal(run(shared, images), wanted)) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace vitrim
