#pragma once
// What a parameter's name says about its place.

#include <string>

namespace vitrim::model {

/// Whether `name` belongs to block `layer`'s attention: its norm, its projections, its layer scale. All that goes when the attention goes.
bool is_attention_parameter(const std::string& name, int layer);

}  // namespace vitrim::model
