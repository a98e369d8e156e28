#pragma once
// The chains of recipes/run/*.toml, embedded by cmake/VitrimEmbed.cmake.

#include "core/embedded_text.h"

namespace vitrim::app {

const EmbeddedTexts& chain_files();

}  // namespace vitrim::app
