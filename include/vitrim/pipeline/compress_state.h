#pragma once
// The state from which an interrupted compression continues: a file that is written after every block, pass
// and epoch.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vitrim/absorb/absorb.h"
#include "vitrim/core/artifacts.h"
#include "vitrim/model/model.h"

namespace vitrim::pipeline {

/// The stages of one compression in their order (each of them changes the model), and the progress within
/// them. With a path, all of it is saved in a file, atomically and with a checksum. If the file can't be
/// written, a warning is logged and work continues.
class CompressState {
 public:
  /// Saves nothing.
  CompressState() = default;
  /// Continues from the file at `path`, if there is one. `identity` lists, one item per line, what must be
  /// equal in both runs. Throws Error with the first line that differs, FormatError if the file is damaged.
  /// `writes` is true on one rank only.
  CompressState(std::string path, std::string identity, bool writes = true);

  /// The result of the analysis, if it was saved.
  const std::optional<LayerScores>& scores() const { return scores_; }
  void keep_scores(const LayerScores& scores);
  /// The layers that a search made static, if they were saved.
  const std::optional<std::vector<int>>& fixed() const { return fixed_; }
  void keep_fixed(const std::vector<int>& layers);

  /// The model of one compression, and how close it is to the dense model, after the stages so far.
  struct Student {
    std::unique_ptr<model::Model> model;
    absorb::AbsorbReport report;
  };
  /// Runs the next stage on `student`, or loads its result if the stage was finished before the interruption.
  /// `work` must pass the keeper to the fit that it runs. `like` is the dense model; a loaded student gets
  /// its compute dtype.
  void stage(Student& student, const model::Model& like,
             const std::function<void(const absorb::FitKeeper* keeper)>& work);

  /// Whether the constructor found a file to continue from.
  bool resumed() const { return resumed_; }
  /// Removes the file: the work is done.
  void remove() const;

 private:
  void save() const;
  void load();

  std::string path_, identity_;
  bool writes_ = true, resumed_ = false;
  std::optional<LayerScores> scores_;
  std::optional<std::vector<int>> fixed_;
  int64_t next_ = 0;                     ///< index of the stage that stage() runs next
  int64_t done_ = 0;                     ///< number of finished stages
  Student last_;                         ///< the result of the last finished stage; null before the first
  std::optional<absorb::FitState> fit_;  ///< state of the stage that was interrupted
};

}  // namespace vitrim::pipeline
