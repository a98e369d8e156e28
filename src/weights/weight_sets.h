#pragma once
// Finds the tensors of a file that form the model. Training files contain several sets of weights (raw and
// averaged, student and teacher), each under its own prefix, and also heads, losses, metrics and counters.
// Works with names and shapes only.

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

/// The weights of one model.
struct WeightSet {
  struct Member {
    size_t index;      ///< index into the file's tensors
    std::string name;  ///< name without prefix and wrapper words, with chunks of blocks joined
  };
  /// The prefix without wrapper words and its last dot: "state_dict_ema", "teacher.backbone"; "." for none.
  std::string name;
  std::vector<Member> tensors;
  std::vector<size_t>
      left_out;  ///< tensors under the prefix that the model does not compute with: counters, metrics
};

struct WeightSets {
  std::vector<WeightSet> sets;  ///< in the file's order; empty if no tensor embeds patches
  /// Tensors that belong to no set, without those of optimisers and schedulers.
  std::vector<size_t> outside;
};

/// Finds the tensors that embed patches (under every naming scheme that vitrim supports), and for each of
/// them the tensors that share its prefix. Time grows with tensors times sets.
WeightSets find_weight_sets(const std::vector<FileTensor>& tensors);

/// A chosen set, and its explanation for the user.
struct WeightChoice {
  size_t taken = 0;
  std::string why;  ///< the end of a sentence with the reason; empty if there was only one set
  std::vector<std::string> others;  ///< names of the other sets that differ from the chosen one
};

/// Chooses the set with the name `wanted` (the full name, or a part of it between dots that only one set
/// has). If `wanted` is empty, chooses the set that the program which writes such files uses for inference.
/// `same(i, j)` returns whether two tensors of the file are equal; equal sets count as one. Throws
/// vitrim::Error, with all names, if `wanted` matches no set or several, and if nothing determines the set.
/// Projectors (MoCo) in the chosen set are moved to `left_out`.
WeightChoice choose_weights(WeightSets& found, const std::vector<FileTensor>& tensors,
                            const std::string& wanted, const std::string& path,
                            const std::function<bool(size_t, size_t)>& same);

/// "a, b, c and 4 more"
std::string some_of(const std::vector<std::string>& names);

}  // namespace vitrim::weights
