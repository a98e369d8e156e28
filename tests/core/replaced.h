#pragma once

#include <gtest/gtest.h>

#include <string>

namespace vitrim::test {

/// `text` with its first `from` replaced by `to`; the test fails if there is none.
inline std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

}  // namespace vitrim::test
