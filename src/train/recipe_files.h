#pragma once
// The recipes of recipes/*.toml, embedded by cmake/VitrimEmbed.cmake.

#include "core/embedded_text.h"

namespace vitrim::train {

const EmbeddedTexts& recipe_files();

}  // namespace vitrim::train
