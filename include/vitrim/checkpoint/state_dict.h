#pragma once
// A checkpoint in memory: named tensors in file order, and text metadata. Knows no model.

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vitrim::checkpoint {

/// Named tensors in the file's order, with lookup by name.
class StateDict {
 public:
  using Entry = std::pair<std::string, at::Tensor>;
  std::string path;                             ///< where it came from, for error messages
  std::map<std::string, std::string> metadata;  ///< safetensors __metadata__; empty for .pth

  /// Appends; throws std::invalid_argument where the name is taken.
  void add(std::string name, at::Tensor tensor);
  /// Replaces or appends.
  void set(const std::string& name, at::Tensor tensor);
  bool contains(std::string_view name) const { return index_.find(name) != index_.end(); }
  /// Throws std::out_of_range.
  const at::Tensor& at(std::string_view name) const;
  void erase(std::string_view name);
  const std::vector<Entry>& entries() const { return entries_; }
  size_t size() const { return entries_.size(); }

 private:
  std::vector<Entry> entries_;
  std::map<std::string, size_t, std::less<>> index_;
};

}  // namespace vitrim::checkpoint
