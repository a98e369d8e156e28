// The valid contents of a training state, and the handling of invalid ones.
#include "train/run_state.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <filesystem>
#include <fstream>
#include <mutex>
#include <sstream>

#include "core/expect_message.h"
#include "core/temp_dir.h"
#include "model/small_models.h"
#include "train/small_dataset.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"
#include "vitrim/train/train.h"

namespace vitrim::train {
namespace {

using test::BrightAndDark;

class TrainingState : public testing::Test {
 protected:
  /// A run of three epochs that was stopped in its second one, with averages and a best epoch.
  void SetUp() override {
    options_.recipe = test::plain_recipe();
    options_.recipe.epochs = 3;
    options_.recipe.ema_decay = 0.9;
    options_.preprocess = test::small_preprocess();
    options_.keep_best = true;
    options_.measure = [](const model::Model&, double, bool, EpochRecord& record) {
      record.top1 = record.ema_top1 = 0.5;
    };
    options_.state_path = path_;
    BrightAndDark images(64);
    int64_t reads = 0;
    images.on_read = [&](int64_t) {
      if (++reads == 90) request_cancel();
    };
    EXPECT_THROW(train(*small_model(), images, options_), Interrupted);
    clear_cancel();
    options_.resume = true;
    state_ = load_run_state(path_);
    ASSERT_EQ(state_.epoch, 1);
    ASSERT_GT(state_.batch, 0);
    ASSERT_EQ(state_.best_epoch, 1);
  }
  void TearDown() override { clear_cancel(); }

  static std::unique_ptr<model::Model> small_model() {
    return model::make_random_model(test::small_spec(3), 3);
  }
  void resume() { train(*small_model(), BrightAndDark(64), options_); }
  /// The message with which a resume refuses `state`, which is written with a checksum of its own.
  std::string refusal(const RunState& state) {
    save_run_state(state, path_);
    return message_of<FormatError>([&] { resume(); });
  }

  const TempDir folder_;
  const std::string path_ = folder_.file("state");
  TrainOptions options_;
  RunState state_;
};

TEST_F(TrainingState, GoesOnWhereItIsWhole) { EXPECT_NO_THROW(resume()); }

TEST_F(TrainingState, PositionsThatCannotBe) {
  const std::pair<const char*, void (*)(RunState&)> cases[] = {
      {"best_epoch: is 2", [](RunState& s) { s.best_epoch = 2; }},
      {"best_epoch: is 1000000", [](RunState& s) { s.best_epoch = 1'000'000; }},
      {"best_epoch: is -1", [](RunState& s) { s.best_epoch = -1; }},
      {"batch: is negative", [](RunState& s) { s.batch = -1; }},
      {"batch: is 5", [](RunState& s) { s.batch = 5; }},
      {"batch: is 9223372036854775807", [](RunState& s) { s.batch = INT64_MAX; }},
      {"epoch: is negative", [](RunState& s) { s.epoch = -1; }},
      {"records: contains 1 epochs, but 2", [](RunState& s) { s.epoch = 2; }},
      {"records: contains 0 epochs, but 1", [](RunState& s) { s.records.clear(); }},
      {"records: are not one for each epoch", [](RunState& s) { s.records[0].epoch = 7; }},
      {"epoch: is 4, but the recipe has 3",
       [](RunState& s) {
         for (s.epoch = 1; s.epoch < 4; ++s.epoch) {
           s.records.push_back(s.records[0]);
           s.records.back().epoch = s.epoch + 1;
         }
       }},
      {"finished: contradicts", [](RunState& s) { s.finished = true; }},
      {"loss_sum: is not finite", [](RunState& s) { s.loss_sum = std::nan(""); }},
      {"train_seconds: is not a duration", [](RunState& s) { s.train_seconds = -1; }},
      {"log_bytes: is negative", [](RunState& s) { s.log_bytes = -1; }},
      {"dilute: names a negative layer", [](RunState& s) { s.dilute = {-1}; }},
      {"dilute: names other layers", [](RunState& s) { s.dilute = {1}; }},
  };
  for (const auto& [says, change] : cases) {
    RunState wrong = state_;
    change(wrong);
    const std::string message = refusal(wrong);
    EXPECT_TRUE(contains(message, says));
    EXPECT_TRUE(contains(message, path_));
    EXPECT_TRUE(contains(message, "start again without --resume"));
  }
}

TEST_F(TrainingState, TensorsThatAreMissingOrOfAnotherKind) {
  const std::string name = "blocks.1.mlp.fc1.weight";
  const auto without = [&](model::StateDict& part) { part.erase(name); };
  const auto reshaped = [&](model::StateDict& part) { part.set(name, at::zeros({2, 2})); };
  const auto doubled = [&](model::StateDict& part) { part.set(name, part.at(name).to(at::kDouble)); };
  const auto strange = [&](model::StateDict& part) { part.add("strange", at::zeros({1})); };
  struct Part {
    const char* prefix;
    model::StateDict RunState::* tensors;
  };
  for (const Part& part :
       {Part{"model.", &RunState::weights}, Part{"ema.", &RunState::ema}, Part{"best.", &RunState::best}}) {
    const auto changed = [&](const auto& change) {
      RunState wrong = state_;
      change(wrong.*part.tensors);
      return refusal(wrong);
    };
    EXPECT_TRUE(contains(changed(without), part.prefix + name + ": is missing"));
    EXPECT_TRUE(contains(changed(reshaped), part.prefix + name + ": has another shape"));
    EXPECT_TRUE(contains(changed(doubled), part.prefix + name + ": is not float32"));
    EXPECT_TRUE(contains(changed(strange), std::string(part.prefix) + "strange: is not a parameter"));
    EXPECT_TRUE(contains(changed([](model::StateDict& all) { all = {}; }), "is missing"));
  }
  for (auto tensors : {&RunState::first, &RunState::second, &RunState::steps}) {
    RunState wrong = state_;
    (wrong.*tensors).erase(name);
    EXPECT_TRUE(contains(refusal(wrong), "adamw"));
  }
  RunState wrong = state_;
  for (auto tensors : {&RunState::first, &RunState::second, &RunState::steps}) (wrong.*tensors).erase(name);
  EXPECT_TRUE(contains(refusal(wrong), "adamw.first." + name + ": is missing"));
  wrong = state_;
  wrong.steps.set(name, at::zeros({3}));
  EXPECT_TRUE(contains(refusal(wrong), "has another shape"));
  // Parts that the command does not request do not belong to its run either.
  options_.keep_best = false;
  EXPECT_TRUE(contains(refusal(state_), "best: is present"));
}

TEST_F(TrainingState, DamageIsFound) {
  std::ifstream in(path_, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  const std::string whole = out.str();
  for (const size_t at : {whole.size() - 1, whole.size() / 2, whole.find("\"batch") + 0}) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    std::ofstream(path_, std::ios::binary) << damaged;
    EXPECT_THROW(load_run_state(path_), FormatError) << at;
  }
  // A figure in the metadata.
  const size_t seconds = whole.find("train_seconds\\\":") + 16;
  std::string damaged = whole;
  damaged[seconds] = damaged[seconds] == '0' ? '1' : '0';
  std::ofstream(path_, std::ios::binary) << damaged;
  expect_message<FormatError>([&] { load_run_state(path_); }, "checksum does not match");
  std::ofstream(path_, std::ios::binary) << whole;
  EXPECT_NO_THROW(load_run_state(path_));
}

class Warnings : public LogSink {
 public:
  void message(LogLevel level, const std::string& text) override {
    const std::lock_guard lock(mutex_);
    if (level == LogLevel::kWarning) texts.push_back(text);
  }
  void progress(const ProgressUpdate&) override {}
  std::vector<std::string> texts;

 private:
  std::mutex mutex_;
};

// No file may grow beyond a kilobyte from the second epoch on: what a full disk does to a state.
TEST_F(TrainingState, AFullDiskDoesNotEndTheRun) {
  std::filesystem::remove(path_);
  options_.resume = false;
  const auto sink = std::make_shared<Warnings>();
  set_log_sink(sink);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  options_.measure = [&](const model::Model&, double, bool, EpochRecord& record) {
    record.top1 = record.ema_top1 = 0.5;
    if (record.epoch < 2) return;
    const rlimit small{1024, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
  };
  const Trained trained = train(*small_model(), BrightAndDark(64), options_);
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, handler);
  set_log_sink(nullptr);
  EXPECT_EQ(trained.epochs.size(), 3u);
  ASSERT_EQ(sink->texts.size(), 2u) << "after the second and after the third epoch";
  EXPECT_TRUE(contains(sink->texts[0], path_));
  EXPECT_TRUE(contains(sink->texts[0], "the one after step 4 is complete"));
  EXPECT_FALSE(contains(sink->texts[0], "::"));
  EXPECT_EQ(load_run_state(path_).epoch, 1);
  options_.resume = true;
  options_.measure = [](const model::Model&, double, bool, EpochRecord& record) {
    record.top1 = record.ema_top1 = 0.5;
  };
  EXPECT_EQ(train(*small_model(), BrightAndDark(64), options_).epochs.size(), 3u);
}

}  // namespace
}  // namespace vitrim::train
