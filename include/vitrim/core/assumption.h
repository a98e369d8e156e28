#pragma once
// What was taken as usual where neither a checkpoint nor the files beside it say it.

#include <string>
#include <vector>

namespace vitrim {

/// One property of a model that nothing in its files states.
struct Assumption {
  std::string field;  ///< of the ModelSpec: "num_heads", "norm_eps", ...
  std::string value;  ///< what was taken, as text
  std::string why;    ///< what speaks for it
  std::string flag;   ///< the option that states another value; empty: there is none
  /// Another value would fit the file as well and would change the outputs: commands warn. Otherwise the
  /// value is that of all published models of this shape.
  bool guess = false;
  bool operator==(const Assumption&) const = default;
};

/// One sentence about the guesses among them, for a warning about the file `path`; empty where there is none.
std::string guesses_text(const std::string& path, const std::vector<Assumption>& assumed);

}  // namespace vitrim
