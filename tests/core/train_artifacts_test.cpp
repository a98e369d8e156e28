#include "vitrim/core/train_artifacts.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "core/expect_throw.h"
#include "vitrim/core/artifact_json.h"
#include "vitrim/core/error.h"
#include "vitrim/core/random.h"

namespace vitrim {
namespace {

constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();

EpochRecord an_epoch(int64_t epoch) {
  EpochRecord r;
  r.epoch = epoch;
  r.step = 4 * epoch;
  r.loss = 1.0 / static_cast<double>(epoch + 2);
  r.learning_rate = 1e-3;
  r.lambda = 0.1;
  r.images_per_second = 150.5;
  r.memory_gib = 0.25;
  r.top1 = 0.5;
  r.attention_entropy = {-1.5, kNotANumber};
  r.mlp_entropy = {2, 5e-324};
  r.te = 0.75;
  return r;
}

TrainResult a_run() {
  TrainResult r;
  r.manifest.command = "vitrim dilute m.safetensors";
  r.manifest.seed = 3;
  r.task = "dilute";
  r.init = "m.safetensors";
  r.output = "out.safetensors";
  r.recipe = R"({"schedule":{"epochs":3}})";
  r.removed = {0, 2};
  r.reason = "named";
  r.epochs = {an_epoch(1), an_epoch(2), an_epoch(3)};
  r.chosen_epoch = 3;
  r.seconds = 12.5;
  EvalResult eval;
  eval.images = 2;
  eval.top1 = 0.5;
  eval.correct = {1, 0};
  r.dense = r.evaluation = eval;
  r.paired = PairedResult{-0.01, {-0.02, 0.01}, 0.5};
  return r;
}

std::string step_line(int64_t epoch, int64_t step, double loss = 2) {
  return R"({"event":"step","epoch":)" + std::to_string(epoch) + R"(,"step":)" + std::to_string(step) +
         R"(,"loss":)" + std::to_string(loss) +
         R"(,"learning_rate":0.001,"lambda":0.5,"images_per_second":100,"memory_gib":0.5})" + "\n";
}

std::string epoch_line(const EpochRecord& record) {
  const std::string line = to_json_line(record);
  return line.substr(0, line.size() - 1) + R"(,"event":"epoch"})" + "\n";
}

std::string a_log() {
  return log_header(a_run()) + "\n" + step_line(1, 2) + step_line(1, 4) + epoch_line(an_epoch(1)) +
         step_line(2, 6) + epoch_line(an_epoch(2)) + step_line(3, 10);
}

std::string log_rejection(const std::string& log) {
  return message_of<FormatError>([&] { train_result_from_log(log, "run.jsonl"); });
}

TEST(TrainJson, RoundTripIsExact) {
  const TrainResult before = a_run();
  const std::string json = to_json(before);
  const TrainResult after = train_result_from_json(json, "x");
  EXPECT_EQ(to_json(after), json);
  EXPECT_EQ(after.removed, before.removed);
  EXPECT_EQ(after.recipe, before.recipe);
  ASSERT_EQ(after.epochs.size(), 3u);
  EXPECT_EQ(after.epochs[1].loss, before.epochs[1].loss);
  EXPECT_TRUE(std::isnan(after.epochs[0].ema_top1));
  EXPECT_TRUE(std::isnan(after.epochs[0].attention_entropy[1]));
  EXPECT_EQ(after.epochs[0].mlp_entropy[1], 5e-324);
  EXPECT_EQ(after.paired->difference, -0.01);
  EXPECT_EQ(artifact_kind(json, "x"), "train");
  EXPECT_FALSE(is_train_log(json));
}

TEST(TrainLog, TellsTheRun) {
  const std::string log = a_log();
  EXPECT_TRUE(is_train_log(log));
  const TrainResult run = train_result_from_log(log, "run.jsonl");
  EXPECT_EQ(log_header(run), log_header(a_run()));
  ASSERT_EQ(run.epochs.size(), 2u);
  EXPECT_EQ(to_json_line(run.epochs[1]), to_json_line(an_epoch(2)));
  ASSERT_EQ(run.steps.size(), 4u);
  EXPECT_EQ(run.steps[3].step, 10);
  EXPECT_EQ(run.steps[3].epoch, 3);
  EXPECT_EQ(run.steps[0].loss, 2);
  EXPECT_EQ(run.steps[0].lambda, 0.5);
  EXPECT_EQ(run.chosen_epoch, 0);
  EXPECT_FALSE(run.evaluation.has_value());
}

TEST(TrainLog, LinesThatAResumedRunTellsAgainReplaceTheOld) {
  // Killed after step 10, resumed from the state of epoch 1.
  const std::string log =
      a_log() + step_line(2, 6, 7) + step_line(2, 8, 7) + epoch_line(an_epoch(2)) + step_line(3, 10, 7);
  const TrainResult run = train_result_from_log(log, "run.jsonl");
  ASSERT_EQ(run.epochs.size(), 2u);
  EXPECT_EQ(run.epochs[0].epoch, 1);
  EXPECT_EQ(run.epochs[1].epoch, 2);
  std::vector<int64_t> steps;
  for (const StepRecord& s : run.steps) steps.push_back(s.step);
  EXPECT_EQ(steps, (std::vector<int64_t>{2, 4, 6, 8, 10}));
  EXPECT_EQ(run.steps[1].loss, 2);
  EXPECT_EQ(run.steps[2].loss, 7);
}

TEST(TrainLog, ACutLastLineIsLeftOut) {
  const std::string log = a_log();
  const size_t head = log.find('\n');
  size_t epochs = 0, steps = 0;
  for (size_t size = 0; size <= log.size(); ++size) {
    const std::string part = log.substr(0, size);
    if (size < head) {  // no run is known yet
      EXPECT_THROW(train_result_from_log(part, "x"), FormatError) << size;
      EXPECT_FALSE(is_train_log(part)) << size;
      continue;
    }
    const TrainResult run = train_result_from_log(part, "x");
    EXPECT_GE(run.epochs.size(), epochs) << size;
    EXPECT_GE(run.steps.size(), steps) << size;
    epochs = run.epochs.size();
    steps = run.steps.size();
  }
  EXPECT_EQ(epochs, 2u);
  EXPECT_EQ(steps, 4u);
}

TEST(TrainLog, LineEndsOfWindowsAndEmptyLinesDoNoHarm) {
  std::string log;
  for (char c : a_log()) log += c == '\n' ? std::string("\r\n\r\n") : std::string(1, c);
  EXPECT_EQ(train_result_from_log(log, "x").steps.size(), 4u);
}

TEST(TrainLog, RejectionsNameTheLine) {
  const std::string head = log_header(a_run()) + "\n";
  EXPECT_EQ(log_rejection(""), "run.jsonl: the log is empty");
  EXPECT_TRUE(contains(log_rejection(head + "{\"event\":\n" + step_line(1, 2)),
                       "run.jsonl: line 2: byte 10: not valid JSON"));
  EXPECT_EQ(log_rejection(step_line(1, 2)),
            "run.jsonl: line 1: event: is 'step', but a log begins with 'start'");
  EXPECT_EQ(log_rejection(head + step_line(1, 2) + head),
            "run.jsonl: line 3: event: a second run begins; pass every log as its own file");
  EXPECT_EQ(log_rejection(head + "{\"event\":\"poem\"}\n"),
            "run.jsonl: line 2: event: 'poem' is not one of start, step and epoch");
  EXPECT_TRUE(contains(log_rejection(head + "[1]\n"), "run.jsonl: line 2"));
  EXPECT_TRUE(contains(log_rejection(head + R"({"event":"step","epoch":1})" + "\n"),
                       "run.jsonl: line 2: key \"step\" is missing"));
  std::string odd = step_line(1, 2);
  odd.replace(odd.find("\"loss\""), 6, "\"lost\"");
  EXPECT_TRUE(contains(log_rejection(head + odd), "run.jsonl: line 2: key \"loss\" is missing"));
  EXPECT_FALSE(is_train_log("{\"kind\": \"train\"}\n"));
  EXPECT_FALSE(is_train_log("[\"event\"]"));
  EXPECT_FALSE(is_train_log(""));
}

TEST(TrainLog, DamageIsAlwaysAFormatError) {
  const std::string log = a_log();
  const char* seed = std::getenv("VITRIM_FUZZ_SEED");
  Random random(seed ? std::strtoull(seed, nullptr, 10) : 1);
  const auto below = [&](size_t n) { return static_cast<size_t>(random.uniform() * static_cast<double>(n)); };
  int refused = 0, read = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string text = log;
    for (size_t k = 1 + below(3); k > 0; --k) {
      const size_t at = below(text.size());
      switch (below(4)) {
        case 0:
          text[at] = static_cast<char>(below(256));
          break;
        case 1:
          text.erase(at, 1 + below(40));
          break;
        case 2:
          text.insert(at, text.substr(below(text.size()), below(40)));
          break;
        default:
          text.insert(at, "\n");
      }
    }
    try {
      is_train_log(text);
      train_result_from_log(text, "x");
      ++read;
    } catch (const FormatError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 1000);
  EXPECT_GT(read, 10);  // a changed digit is a log like any other
}

}  // namespace
}  // namespace vitrim
