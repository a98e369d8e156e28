#pragma once
// What an interrupted compression goes on from: a file that is written after every block, pass and epoch.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vitrim/absorb/absorb.h"
#include "vitrim/core/artifacts.h"
#include "vitrim/model/model.h"

namespace vitrim::pipeline {

/// The stages of one compression in their order, each of which changes the model, and where the work is in
/// them. With a path all of it lies in a file, written atomically and with a checksum; one that can't be
/// written is a warning, and work goes on.
class CompressState {
 public:
  /// Keeps nothing.
  CompressState() = default;
  /// Goes on with what lies at `path`, where there is a file. `identity` says, one thing a line, what must be
  /// the same for that: Error naming the first line that differs, FormatError where the file is damaged.
  /// `writes` is false on all ranks but one.
  CompressState(std::string path, std::string identity, bool writes = true);

  /// What the analysis said.
  const std::optional<LayerScores>& scores() const { return scores_; }
  void keep_scores(const LayerScores& scores);
  /// Layers that a search made static.
  const std::optional<std::vector<int>>& fixed() const { return fixed_; }
  void keep_fixed(const std::vector<int>& layers);

  /// The model of one compression and how near it came, as stages leave them.
  struct Student {
    std::unique_ptr<model::Model> model;
    absorb::AbsorbReport report;
  };
  /// Runs the next stage on `student`, or takes what it left before the interruption. `work` is to hand the
  /// keeper to the fit that it runs. `like` is the dense model: it computes as the student is to.
  void stage(Student& student, const model::Model& like,
             const std::function<void(const absorb::FitKeeper* keeper)>& work);

  /// Whether there was a file to go on with.
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
  int64_t next_ = 0;                     ///< the stage that stage() is about
  int64_t done_ = 0;                     ///< stages that are done
  Student last_;                         ///< what the last of them left; null before the first
  std::optional<absorb::FitState> fit_;  ///< of the stage that was under way
};

}  // namespace vitrim::pipeline
