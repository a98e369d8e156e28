#pragma once
// Which tensors of a file are the model: training files hold several sets of weights (raw and averaged,
// student and teacher), each under a prefix of its own, and beside them heads, losses, metrics and counters.
// Deals in names and shapes only.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace vitrim::weights {

/// A tensor of a file.
struct FileTensor {
  std::string name;
  std::vector<int64_t> shape;
};

/// One model's weights.
struct WeightSet {
  struct Member {
    size_t index;      ///< into the file's tensors
    std::string name;  ///< without prefix and wrapper words, chunks of blocks joined
  };
  /// The prefix without wrapper words and its last dot: "state_dict_ema", "teacher.backbone"; "." for none.
  std::string name;
  std::vector<Member> tensors;
  std::vector<size_t> left_out;  ///< tensors under the prefix that no model computes with: counters, metrics
};

struct WeightSets {
  std::vector<WeightSet> sets;  ///< in the file's order; none where no tensor embeds patches
  /// Tensors of no set, less what optimisers and schedulers keep.
  std::vector<size_t> outside;
};

/// Finds the tensors that embed patches (under every naming that vitrim knows), and around each the tensors
/// that share its prefix. Time grows with tensors times sets.
WeightSets find_weight_sets(const std::vector<FileTensor>& tensors);

/// A choice among sets, and how to tell people about it.
struct WeightChoice {
  size_t taken = 0;
  std::string why;                  ///< a sentence's end; empty where there was nothing to choose
  std::vector<std::string> others;  ///< names of the other sets that differ from the one taken
};

/// The set called `wanted` (its name, or a part of it between dots that only one has), or, where that is
/// empty, the set that the program which writes such files takes for inference. `same(i, j)` says whether two
/// tensors of the file are equal: equal sets are no choice. Throws vitrim::Error with all names where
/// `wanted` names no set or several, and where nothing says which set is meant. What the choice says about
/// projectors (MoCo) is moved to `left_out`.
WeightChoice choose_weights(WeightSets& found, const std::vector<FileTensor>& tensors,
                            const std::string& wanted, const std::string& path,
                            const std::function<bool(size_t, size_t)>& same);

/// "a, b, c and 4 more"
std::string some_of(const std::vector<std::string>& names);

}  // namespace vitrim::weights
