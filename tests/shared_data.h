#pragma once
// Finds the shared folder with real data and reference tensors; tests are skipped with a message without it.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace vitrim::test {

/// VITRIM_SHARED, else `shared` beside the source tree.
inline std::filesystem::path shared_folder() {
  if (const char* named = std::getenv("VITRIM_SHARED")) return named;
  return std::filesystem::path(VITRIM_SOURCE_DIR).parent_path() / "shared";
}

}  // namespace vitrim::test

/// Skips the test, saying what is missing, unless `relative` exists in the shared folder.
#define VITRIM_NEEDS_SHARED(relative)                                         \
  if (!std::filesystem::exists(vitrim::test::shared_folder() / (relative)))   \
  GTEST_SKIP() << "SKIPPED: " << (vitrim::test::shared_folder() / (relative)) \
               << " is missing (set VITRIM_SHARED)"
