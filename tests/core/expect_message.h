#pragma once
#include <string>
#include <utility>

#include "core/expect_throw.h"

// Runs `action`, which must throw exactly an Exception whose message holds `says`.
template <typename Exception, typename Action>
void expect_message(Action&& action, const std::string& says) {
  EXPECT_TRUE(contains(message_of<Exception>(std::forward<Action>(action)), says));
}
