// Documents that are made to be expensive: the parser refuses them, or reads them with time and memory that
// grow only with their length.
#include <gtest/gtest.h>

#include <string>

#include "core/expect_message.h"
#include "resource_limits.h"
#include "vitrim/core/artifact_json.h"
#include "vitrim/core/artifacts.h"
#include "vitrim/core/model_spec.h"
#include "vitrim/core/train_artifacts.h"

namespace vitrim {
namespace {

std::string repeat(const std::string& text, size_t times) {
  std::string out;
  out.reserve(text.size() * times);
  for (size_t i = 0; i < times; ++i) out += text;
  return out;
}

std::string nested(size_t depth) {
  return "{\"version\": 1, \"a\": " + repeat("[", depth) + repeat("]", depth) + "}";
}

TEST(HostileJson, DeepDocumentsAreRefused) {
  for (const size_t depth : {size_t{102}, size_t{100'000}, size_t{500'000}}) {
    for (const std::string& text : {nested(depth), repeat("{\"a\":", depth), repeat("[{\"a\":", depth / 2)}) {
      const std::string message =
          test::refused_within_limits([&] { model_spec_from_json(text, "spec.json"); });
      EXPECT_TRUE(contains(message, "spec.json: lists and objects are nested more than 100 deep"));
    }
  }
  // A moderately nested document is read, and refused for its content.
  expect_message<FormatError>([] { model_spec_from_json(nested(90), "spec.json"); }, "spec.json");
}

TEST(HostileJson, EveryDocumentComesThroughTheSameParser) {
  const std::string deep = nested(100'000);
  const std::string log = "{\"event\": \"start\"}\n" + deep;
  for (const std::function<void()>& read : std::initializer_list<std::function<void()>>{
           [&] { artifact_kind(deep, "a.json"); }, [&] { eval_result_from_json(deep, "a.json"); },
           [&] { layer_scores_from_json(deep, "a.json"); },
           [&] { compress_result_from_json(deep, "a.json"); },
           [&] { train_result_from_json(deep, "a.json"); }, [&] { train_result_from_log(deep, "a.json"); },
           [&] { epoch_record_from_json(deep, "a.json"); }}) {
    EXPECT_TRUE(contains(test::refused_within_limits(read), "nested more than 100 deep"));
  }
  test::taken_within_limits([&] { EXPECT_FALSE(is_train_log(deep)); });
  EXPECT_NE(test::refused_within_limits([&] { train_result_from_log(log, "a.jsonl"); }), "");
}

TEST(HostileJson, AMegabyteOfKeysIsReadInTime) {
  std::string keys = "{";
  for (int i = 0; keys.size() < 1'000'000; ++i) keys += (i ? ",\"" : "\"") + std::to_string(i) + "\":1";
  EXPECT_NE(test::refused_within_limits([&] { model_spec_from_json(keys + "}", "spec.json"); }), "");
  // Large objects at every level, which a growing list of members must not copy again and again.
  std::string levels;
  for (int depth = 0; depth < 90; ++depth) levels += "{\"x\":";
  levels += "1";
  for (int depth = 0; depth < 90; ++depth) {
    for (int i = 0; i < 1000; ++i) levels += ",\"" + std::to_string(i) + "\":[]";
    levels += "}";
  }
  EXPECT_LT(levels.size(), 1'000'000u);
  EXPECT_NE(test::refused_within_limits([&] { model_spec_from_json(levels, "spec.json"); }), "");
  for (const std::string piece : {"[],", "{},", "0,", "\"\","}) {
    const std::string list = "{\"kind\":[" + repeat(piece, 1'000'000 / piece.size()) + "0]}";
    SCOPED_TRACE(piece);
    test::taken_within_limits([&] { EXPECT_EQ(artifact_kind(list, "a.json"), ""); });
  }
}

TEST(HostileJson, EqualKeysAndNumbersOutOfRangeAreRefused) {
  expect_message<FormatError>([] { artifact_kind("{\"a\": {\"b\": 1, \"b\": 2}}", "a.json"); },
                              "a.json: b: the key occurs twice");
  expect_message<FormatError>([] { artifact_kind("{\"a\": 1e999}", "a.json"); }, "a number is out of range");
  expect_message<FormatError>([] { artifact_kind("{\"a\": 1", "a.json"); }, "not valid JSON");
  expect_message<FormatError>([] { artifact_kind("", "a.json"); }, "not valid JSON");
}

}  // namespace
}  // namespace vitrim
