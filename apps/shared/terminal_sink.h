#pragma once
// Messages and progress on standard error: one live line with rate and time left on a terminal, plain lines
// elsewhere, nothing when quiet.

#include <memory>

#include "vitrim/core/log.h"

namespace vitrim::app {

std::shared_ptr<LogSink> make_terminal_sink(bool quiet);

}  // namespace vitrim::app
