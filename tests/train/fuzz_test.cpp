// Mutated recipes and training states. Whatever the bytes, they are read or refused with vitrim::Error and
// the file's name. See fuzzing.h for how long and where from.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>

#include "core/temp_dir.h"
#include "fuzzing.h"
#include "model/small_models.h"
#include "resource_limits.h"
#include "train/run_state.h"
#include "train/small_dataset.h"
#include "vitrim/core/error.h"
#include "vitrim/core/random.h"

namespace vitrim::train {
namespace {

/// Passes the results of `next` to `read` until the time is up.
void fuzz(uint64_t stream, const std::function<std::string(Random&)>& next,
          const std::function<void(const std::string& path)>& read) {
  const TempDir folder;
  const std::string path = folder.file("fuzzed.toml");
  Random random(test::fuzz_seed(), stream);
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(test::fuzz_seconds(0.1));
  int64_t runs = 0, taken = 0;
  while (runs < 100 || std::chrono::steady_clock::now() < end) {
    const std::string bytes = next(random);
    std::ofstream(path, std::ios::binary) << bytes;
    ++runs;
    try {
      read(path);
      ++taken;
    } catch (const Error& error) {
      ASSERT_NE(std::string(error.what()).find(path), std::string::npos) << error.what();
    } catch (const std::exception& error) {
      FAIL() << "run " << runs << " threw something else: " << error.what() << "\n" << bytes.substr(0, 2000);
    }
  }
  testing::Test::RecordProperty("runs", static_cast<int>(runs));
  EXPECT_GT(taken, 0) << "mutations so wild that nothing is read test little";
  EXPECT_LT(taken, runs);
}

TEST(Fuzz, Toml) {
  const std::vector<std::string> words{"[schedule]\n",
                                       "epochs",
                                       " = ",
                                       "1e9",
                                       "-1",
                                       "nan",
                                       "inf",
                                       "9223372036854775807",
                                       "0x",
                                       "1_0",
                                       "'''",
                                       "\"\"\"",
                                       "\"",
                                       "{",
                                       "}",
                                       "[[",
                                       "]]",
                                       "\\u0000",
                                       "1979-05-27",
                                       "include = \"plain\"\n",
                                       "include = \"./fuzzed.toml\"\n",
                                       "#",
                                       "\n",
                                       "a.b.c.d = 1\n",
                                       "true"};
  const std::string valid = to_toml(named_recipe("cifar100"));
  fuzz(
      31,
      [&](Random& random) {
        std::string text = valid;
        for (int64_t count = 1 + random.below(4); count > 0; --count) test::mutate(text, random, words);
        return text;
      },
      [](const std::string& path) { read_recipe(path); });
}

TEST(Fuzz, TrainingState) {
  const auto model = model::make_random_model(test::small_spec(1), 3);
  RunState state;
  state.weights = model->parameters();
  state.epoch = 1;
  state.best_epoch = 1;
  state.records.emplace_back().epoch = 1;
  state.recipe = to_toml(test::plain_recipe());
  state.identity = "images";
  const std::vector<int> none;
  const TempDir folder;
  save_run_state(state, folder.file("state"));
  std::ifstream in(folder.file("state"), std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(in), {}};
  uint64_t header = 0;
  std::memcpy(&header, whole.data(), 8);
  const std::vector<std::string> words{"-1",
                                       "9223372036854775807",
                                       "1e308",
                                       "null",
                                       "true",
                                       "[]",
                                       "{}",
                                       "\\\"epoch\\\":2",
                                       "\\\"batch\\\":-1",
                                       "\\\"best_epoch\\\":9",
                                       "\\\"version\\\":1",
                                       "\\\"version\\\":3",
                                       "model.",
                                       "ema.",
                                       "best.",
                                       "adamw.first.",
                                       "\\\"records\\\":[]"};
  fuzz(
      32,
      [&](Random& random) {
        std::string text = whole.substr(8, header);
        for (int64_t count = random.below(4); count > 0; --count) test::mutate(text, random, words);
        const uint64_t length = text.size();
        std::string bytes(8, '\0');
        std::memcpy(bytes.data(), &length, 8);
        return bytes + text + whole.substr(8 + header);
      },
      [&](const std::string& path) {
        check_run_state(load_run_state(path), path, {model->parameters(), 2, 4, false, false, none});
      });
}

// Files that once crashed the program.
TEST(Corpus, EveryRecipeAndStateIsRefusedWithinTheLimits) {
  const auto model = model::make_random_model(test::small_spec(1), 3);
  const auto refuse = [](const std::string& folder, const std::function<void(const std::string&)>& read) {
    int files = 0;
    for (const auto& entry :
         std::filesystem::directory_iterator(VITRIM_SOURCE_DIR "/tests/corpus/" + folder)) {
      const std::string path = entry.path().string();
      const std::string message = test::refused_within_limits([&] { read(path); });
      EXPECT_NE(message.find(path), std::string::npos) << message;
      ++files;
    }
    EXPECT_GT(files, 1);
  };
  refuse("recipe", [](const std::string& path) { read_recipe(path); });
  const std::vector<int> none;
  refuse("training_state", [&](const std::string& path) {
    check_run_state(load_run_state(path), path, {model->parameters(), 2, 4, false, false, none});
  });
}

}  // namespace
}  // namespace vitrim::train
