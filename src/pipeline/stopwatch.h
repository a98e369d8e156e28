#pragma once
// Seconds per phase, in order.

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace vitrim::pipeline {

class Stopwatch {
 public:
  explicit Stopwatch(std::vector<std::pair<std::string, double>>& phases) : phases_(phases) {}
  /// Ends the phase `name`; the next phase begins.
  void lap(const std::string& name) {
    const auto now = std::chrono::steady_clock::now();
    phases_.emplace_back(name, std::chrono::duration<double>(now - last_).count());
    last_ = now;
  }

 private:
  std::vector<std::pair<std::string, double>>& phases_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

}  // namespace vitrim::pipeline
