#include "vitrim/core/log.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <mutex>
#include <thread>
#include <vector>

#include "vitrim/core/error.h"
#include "vitrim/core/interrupt.h"
#include "vitrim/core/log_capture.h"

namespace vitrim {
namespace {

class Recorder : public LogSink {
 public:
  void message(LogLevel level, const std::string& text) override {
    const std::lock_guard lock(mutex_);
    messages.emplace_back(level, text);
  }
  void progress(const ProgressUpdate& update) override {
    const std::lock_guard lock(mutex_);
    updates.push_back(update);
  }
  std::vector<std::pair<LogLevel, std::string>> messages;
  std::vector<ProgressUpdate> updates;

 private:
  std::mutex mutex_;
};

class LogTest : public ::testing::Test {
 protected:
  void SetUp() override { set_log_sink(recorder_); }
  void TearDown() override {
    clear_cancel();
    set_log_sink(nullptr);
  }
  std::shared_ptr<Recorder> recorder_ = std::make_shared<Recorder>();
};

TEST_F(LogTest, MessagesReachTheSink) {
  log_info("one");
  log_warning("two");
  set_log_sink(nullptr);
  log_info("three");
  ASSERT_EQ(recorder_->messages.size(), 2);
  EXPECT_EQ(recorder_->messages[0], std::pair(LogLevel::kInfo, std::string("one")));
  EXPECT_EQ(recorder_->messages[1], std::pair(LogLevel::kWarning, std::string("two")));
}

TEST_F(LogTest, ACaptureKeepsTheWarningsOfItsThread) {
  {
    const LogCapture outer;
    log_warning("kept");
    log_warning("kept");
    log_info("dropped");
    {
      const LogCapture inner;
      log_warning("of the inner one");
      EXPECT_EQ(inner.warnings(), std::vector<std::string>{"of the inner one"});
    }
    std::thread([] { log_warning("of another thread"); }).join();
    EXPECT_EQ(outer.warnings(), std::vector<std::string>{"kept"});
  }
  log_warning("after it");
  ASSERT_EQ(recorder_->messages.size(), 2);
  EXPECT_EQ(recorder_->messages[0].second, "of another thread");
  EXPECT_EQ(recorder_->messages[1].second, "after it");
}

TEST_F(LogTest, SilentByDefaultAndOnReset) {
  set_log_sink(nullptr);
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  log_warning("nobody listens");
  Progress("stage", 1, "images").advance();
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST_F(LogTest, ProgressSendsFirstAndLast) {
  {
    Progress progress("decode", 3, "images");
    progress.advance();
    progress.advance(2);
  }
  ASSERT_EQ(recorder_->updates.size(), 2);
  const ProgressUpdate& first = recorder_->updates.front();
  const ProgressUpdate& last = recorder_->updates.back();
  EXPECT_EQ(first.done, 0);
  EXPECT_FALSE(first.finished);
  EXPECT_EQ(last.stage, "decode");
  EXPECT_EQ(last.unit, "images");
  EXPECT_EQ(last.done, 3);
  EXPECT_EQ(last.total, 3);
  EXPECT_TRUE(last.finished);
}

TEST_F(LogTest, ProgressIsThrottled) {
  const auto begin = std::chrono::steady_clock::now();
  {
    Progress progress("spin", 0, "steps");
    while (std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(350)) progress.advance();
  }
  const double tenths = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() * 10;
  // The first and the last update come in addition; at least two in between show that it is not simply
  // silent.
  EXPECT_GE(recorder_->updates.size(), 4);
  EXPECT_LE(recorder_->updates.size(), 2 + tenths);
  for (size_t i = 1; i < recorder_->updates.size(); ++i) {
    EXPECT_GE(recorder_->updates[i].done, recorder_->updates[i - 1].done);
  }
}

TEST_F(LogTest, ProgressCountsAcrossThreads) {
  {
    Progress progress("count", 40000, "steps");
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 10000; ++i) progress.advance();
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_EQ(recorder_->updates.back().done, 40000);
}

TEST_F(LogTest, SinkMayBeReplacedWhileOthersSpeak) {
  std::thread speaker([] {
    for (int i = 0; i < 20000; ++i) log_info("x");
  });
  for (int i = 0; i < 2000; ++i) set_log_sink(i % 2 ? std::make_shared<Recorder>() : nullptr);
  speaker.join();
}

TEST_F(LogTest, CancelStopsAtTheNextStep) {
  Progress progress("work", 10, "steps");
  progress.advance();
  request_cancel();
  EXPECT_THROW(progress.advance(), Interrupted);
  EXPECT_THROW(check_cancelled(), Interrupted);
  EXPECT_THROW(Progress("next", 1, "steps"), Interrupted);
  clear_cancel();
  EXPECT_NO_THROW(progress.advance());
  EXPECT_NO_THROW(check_cancelled());
}

TEST_F(LogTest, CancelFromASignalHandler) {
  const auto before = ::signal(SIGUSR1, [](int) { request_cancel(); });
  ::raise(SIGUSR1);
  EXPECT_THROW(check_cancelled(), Interrupted);
  ::signal(SIGUSR1, before);
}

TEST_F(LogTest, FailingSinkDoesNotEscapeTheDestructor) {
  class Failing : public LogSink {
   public:
    void message(LogLevel, const std::string&) override {}
    void progress(const ProgressUpdate& update) override {
      if (update.finished) throw Error("cannot draw");
    }
  };
  set_log_sink(std::make_shared<Failing>());
  EXPECT_NO_THROW(Progress("work", 1, "steps").advance());
}

TEST(ProgressUpdateTest, RateAndRest) {
  ProgressUpdate update;
  EXPECT_EQ(update.rate(), 0);
  EXPECT_EQ(update.seconds_left(), 0);
  update.done = 10;
  update.total = 30;
  update.seconds = 5;
  EXPECT_DOUBLE_EQ(update.rate(), 2);
  EXPECT_DOUBLE_EQ(update.seconds_left(), 10);
}

TEST(Cancel, IsDeferredWhileOthersTakePart) {
  clear_cancel();
  EXPECT_FALSE(cancel_requested());
  request_cancel();
  EXPECT_TRUE(cancel_requested());
  {
    const CancelDeferral together;
    EXPECT_NO_THROW(check_cancelled());
    const CancelDeferral nested;
    EXPECT_NO_THROW(check_cancelled());
  }
  EXPECT_THROW(check_cancelled(), Interrupted);
  clear_cancel();
}

}  // namespace
}  // namespace vitrim
