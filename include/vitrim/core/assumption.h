#pragma once
// Values that vitrim assumes because neither a checkpoint nor the files in its folder state them.

#include <string>
#include <vector>

namespace vitrim {

/// An assumed value of a model's property that its files do not state.
struct Assumption {
  std::string field;  ///< field of the ModelSpec: "num_heads", "norm_eps", ...
  std::string value;  ///< the assumed value, as text
  std::string why;    ///< the reason for this value
  std::string flag;   ///< the option that sets another value; empty: there is none
  /// True if another value would fit the file as well and would change the outputs; commands then print a
  /// warning. False if all published models of this shape have this value.
  bool guess = false;
  bool operator==(const Assumption&) const = default;
};

/// One sentence about the guessed values, without those whose option is in `stated`, for a warning about the
/// file `path`; empty if there are none.
std::string guesses_text(const std::string& path, const std::vector<Assumption>& assumed,
                         const std::vector<std::string>& stated = {});

}  // namespace vitrim
