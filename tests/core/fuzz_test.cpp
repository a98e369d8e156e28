// Mutated JSON documents. Whatever the text, a reader returns or throws vitrim::Error with the document's
// name. See fuzzing.h for how long and where from.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <functional>

#include "fuzzing.h"
#include "resource_limits.h"
#include "vitrim/core/artifact_json.h"
#include "vitrim/core/atomic_file.h"
#include "vitrim/core/error.h"
#include "vitrim/core/model_spec.h"
#include "vitrim/core/random.h"
#include "vitrim/core/train_artifacts.h"

namespace vitrim {
namespace {

std::string small_spec() {
  ModelSpec spec;
  spec.blocks.resize(2);
  return to_json(spec);
}

std::string small_log() {
  TrainResult result;
  StepRecord step;
  EpochRecord epoch;
  epoch.epoch = 1;
  return log_header(result) + "\n" + log_line(step) + "\n" + log_line(epoch) + "\n";
}

TEST(Fuzz, Json) {
  const std::string source = "fuzzed.json";
  const std::vector<std::string> words{
      "null",        "true",        "-1",   "1e308", "1e999",         "18446744073709551615",
      "\"\\u0000\"", "\"\\ud800\"", "[[[[", "]]]]",  "{\"a\":",       "}",
      ",",           ":",           "\"",   "\\",    "\"version\":1", "\"kind\":\"eval\"",
      "\xff",        "\xe2\x82"};
  struct Reader {
    std::string valid;
    std::function<void(const std::string&)> read;
  };
  const Reader readers[] = {
      {small_spec(), [&](const std::string& text) { model_spec_from_json(text, source); }},
      {to_json(EvalResult{}), [&](const std::string& text) { eval_result_from_json(text, source); }},
      {to_json(LayerScores{}), [&](const std::string& text) { layer_scores_from_json(text, source); }},
      {to_json(CompressResult{}), [&](const std::string& text) { compress_result_from_json(text, source); }},
      {to_json(TrainResult{}), [&](const std::string& text) { train_result_from_json(text, source); }},
      {small_log(), [&](const std::string& text) { train_result_from_log(text, source); }},
  };
  Random random(test::fuzz_seed(), 21);
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(test::fuzz_seconds(0.1));
  int64_t runs = 0, read = 0;
  while (runs < 100 || std::chrono::steady_clock::now() < end) {
    const Reader& reader = readers[random.below(std::size(readers))];
    std::string text = reader.valid;
    for (int64_t count = 1 + random.below(3); count > 0; --count) test::mutate(text, random, words);
    ++runs;
    try {
      reader.read(text);
      ++read;
    } catch (const Error& error) {
      ASSERT_NE(std::string(error.what()).find(source), std::string::npos) << error.what() << "\n" << text;
    } catch (const std::exception& error) {
      FAIL() << "run " << runs << " threw something else: " << error.what() << "\n" << text;
    }
  }
  RecordProperty("runs", static_cast<int>(runs));
  EXPECT_GT(read, 0) << "mutations so wild that nothing is read test little";
  EXPECT_LT(read, runs);
}

// Documents that are made to break a reader.
TEST(Corpus, EveryDocumentIsRefusedWithinTheLimits) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(VITRIM_SOURCE_DIR "/tests/corpus/json")) {
    const std::string path = entry.path().string(), text = read_text_file(path);
    const std::string message = test::refused_within_limits([&] { model_spec_from_json(text, path); });
    EXPECT_NE(message.find(path), std::string::npos) << path << ": " << message;
    ++files;
  }
  EXPECT_GT(files, 4);
}

}  // namespace
}  // namespace vitrim
