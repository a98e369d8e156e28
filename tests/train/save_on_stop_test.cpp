#include "train/save_on_stop.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "vitrim/core/interrupt.h"
#include "vitrim/core/log.h"

namespace vitrim::train {
namespace {

using namespace std::chrono_literals;

class SaveOnStopTest : public ::testing::Test {
 protected:
  void SetUp() override { clear_cancel(); }
  void TearDown() override { clear_cancel(); }
  // Whether the save comes within a second.
  bool saved() const {
    for (int i = 0; i < 100 && saves_ == 0; ++i) std::this_thread::sleep_for(10ms);
    return saves_ > 0;
  }
  std::atomic<int> saves_{0};
  SaveOnStop saver_{[this] { ++saves_; }};
};

TEST_F(SaveOnStopTest, SavesBesideALongStep) {
  saver_.may_save([&] {
    std::this_thread::sleep_for(60ms);
    EXPECT_EQ(saves_, 0) << "nobody asked for a stop";
    request_cancel();
    EXPECT_TRUE(saved()) << "the step goes on, and the state is saved meanwhile";
  });
  saver_.may_save([] { std::this_thread::sleep_for(60ms); });
  EXPECT_EQ(saves_, 1) << "once";
}

TEST_F(SaveOnStopTest, WaitsWhileTheStateChanges) {
  request_cancel();
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(saves_, 0) << "the run's thread changes the state";
  saver_.may_save([&] { EXPECT_TRUE(saved()); });
}

TEST_F(SaveOnStopTest, AStepThatThrowsTakesTheStateBack) {
  EXPECT_THROW(saver_.may_save([] { throw std::runtime_error("of the step"); }), std::runtime_error);
  request_cancel();
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(saves_, 0);
}

TEST_F(SaveOnStopTest, SavesNothingAfterTheEnd) {
  saver_.finish();
  request_cancel();
  std::this_thread::sleep_for(60ms);
  EXPECT_EQ(saves_, 0);
  saver_.finish();
}

}  // namespace
}  // namespace vitrim::train
