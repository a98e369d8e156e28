// The results in benchmarks/results are documents that the program wrote: read and written again they are the
// same bytes. A change of the JSON's text or order, meant or not, is seen here.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "vitrim/core/artifact_json.h"
#include "vitrim/core/error.h"
#include "vitrim/core/train_artifacts.h"

namespace vitrim {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// "" for what is no document of this program.
std::string written_again(const std::string& text, const std::string& name) {
  const std::string kind = artifact_kind(text, name);
  if (kind == "eval") return to_json(eval_result_from_json(text, name));
  if (kind == "layer_scores") return to_json(layer_scores_from_json(text, name));
  if (kind == "compress") return to_json(compress_result_from_json(text, name));
  if (kind == "train") return to_json(train_result_from_json(text, name));
  return "";
}

TEST(StoredResults, AreTheSameBytesWhenWrittenAgain) {
  int compared = 0;
  std::string older;
  for (const auto& entry : fs::directory_iterator(fs::path(VITRIM_SOURCE_DIR) / "benchmarks" / "results")) {
    if (entry.path().extension() != ".json") continue;
    std::string stored = text_of(entry.path());
    std::string again;
    try {
      again = written_again(stored, entry.path().filename().string());
    } catch (const FormatError& error) {
      // Written before the field was added.
      ASSERT_NE(std::string(error.what()).find("is missing"), std::string::npos) << error.what();
      older += std::string(older.empty() ? "" : "; ") + error.what();
      continue;
    }
    if (again.empty()) continue;
    // The program ends its files with an empty line.
    if (stored.ends_with("\n\n")) stored.pop_back();
    EXPECT_EQ(again, stored) << entry.path();
    ++compared;
  }
  if (!older.empty()) GTEST_SKIP() << "older than a field: " << older;
  EXPECT_GT(compared, 0);
}

}  // namespace
}  // namespace vitrim
