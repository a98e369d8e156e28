#pragma once
// The class lists of class_lists/*.txt, embedded by cmake/VitrimEmbed.cmake.

#include "core/embedded_text.h"

namespace vitrim::data {

const EmbeddedTexts& class_list_files();

}  // namespace vitrim::data
