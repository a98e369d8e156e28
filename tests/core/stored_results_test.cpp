// The results of a study in benchmarks/results are documents that the program wrote: when read and written
// again they are the same bytes. This detects every change of the JSON's text or order, intended or not.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/temp_dir.h"
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

// "" for a file that is not a document of this program.
std::string written_again(const std::string& text, const std::string& name) {
  const std::string kind = artifact_kind(text, name);
  if (kind == "eval") return to_json(eval_result_from_json(text, name));
  if (kind == "layer_scores") return to_json(layer_scores_from_json(text, name));
  if (kind == "compress") return to_json(compress_result_from_json(text, name));
  if (kind == "train") return to_json(train_result_from_json(text, name));
  return "";
}

// The texts are too long to print: the first line in which they differ.
std::string difference(const std::string& before, const std::string& after) {
  std::istringstream old_lines(before), new_lines(after);
  std::string old_line, new_line;
  for (int number = 1;; ++number) {
    const bool more = static_cast<bool>(std::getline(old_lines, old_line));
    if (!std::getline(new_lines, new_line)) new_line = "(end)";
    if (!more || old_line != new_line)
      return "line " + std::to_string(number) + ": " + old_line + " became " + new_line;
  }
}

TEST(StoredResults, AreTheSameBytesWhenWrittenAgain) {
  const TempDir folder;
  const fs::path archive = fs::path(VITRIM_SOURCE_DIR) / "benchmarks/results/nose_vit_tiny/rows.tar.xz";
  ASSERT_TRUE(fs::exists(archive));
  const std::string unpack = "tar -xJf '" + archive.string() + "' -C '" + folder.file("") + "'";
  if (std::system(unpack.c_str()) != 0) GTEST_SKIP() << "tar with xz is missing: " << unpack;
  int compared = 0;
  std::string older;
  for (const auto& entry : fs::directory_iterator(folder.file(""))) {
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
    EXPECT_TRUE(again == stored) << entry.path() << ", " << difference(stored, again);
    ++compared;
  }
  if (!older.empty()) GTEST_SKIP() << "older than a field: " << older;
  EXPECT_GT(compared, 0);
}

}  // namespace
}  // namespace vitrim
