#pragma once
// Messages and progress on standard error: on a terminal one live line with rate and remaining time,
// otherwise plain lines; nothing with --quiet.

#include <memory>

#include "vitrim/core/log.h"

namespace vitrim::app {

std::shared_ptr<LogSink> make_terminal_sink(bool quiet);

}  // namespace vitrim::app
