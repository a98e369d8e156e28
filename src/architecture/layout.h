#pragma once
// Parameter shapes of common layers.

#include <string>
#include <vector>

#include "vitrim/architecture/parameters.h"

namespace vitrim::architecture {

inline void add_linear(std::vector<ParameterInfo>& out, const std::string& name, int64_t rows,
                       int64_t columns, bool bias = true) {
  out.push_back({name + ".weight", {rows, columns}});
  if (bias) out.push_back({name + ".bias", {rows}});
}

inline void add_convolution(std::vector<ParameterInfo>& out, const std::string& name, int64_t to,
                            int64_t from, int64_t side, bool bias = true) {
  out.push_back({name + ".weight", {to, from, side, side}});
  if (bias) out.push_back({name + ".bias", {to}});
}

inline void add_norm(std::vector<ParameterInfo>& out, const std::string& name, int64_t width) {
  out.push_back({name + ".weight", {width}});
  out.push_back({name + ".bias", {width}});
}

}  // namespace vitrim::architecture
