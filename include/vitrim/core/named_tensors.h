#pragma once
// Named tensors in file order, with lookup by name, and the text metadata of the file.

#include <cstddef>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vitrim {

/// The contents of a checkpoint. `Tensor` is a description of a tensor, its bytes in a file, or a LibTorch
/// tensor.
template <typename Tensor>
class NamedTensors {
 public:
  using Entry = std::pair<std::string, Tensor>;
  std::string path;                             ///< the file that it was read from, for error messages
  std::map<std::string, std::string> metadata;  ///< safetensors __metadata__; empty for .pth

  /// Appends a tensor; throws std::invalid_argument if the name exists already.
  void add(std::string name, Tensor tensor) {
    if (!index_.emplace(name, entries_.size()).second)
      throw std::invalid_argument("[NamedTensors::add] there already is a tensor named " + name);
    entries_.emplace_back(std::move(name), std::move(tensor));
  }
  /// Replaces the tensor of this name, or appends it.
  void set(const std::string& name, Tensor tensor) {
    if (const auto found = index_.find(name); found != index_.end()) {
      entries_[found->second].second = std::move(tensor);
    } else {
      add(name, std::move(tensor));
    }
  }
  bool contains(std::string_view name) const { return index_.find(name) != index_.end(); }
  /// The tensor of this name; throws std::out_of_range if there is none.
  const Tensor& at(std::string_view name) const {
    const auto found = index_.find(name);
    if (found == index_.end()) {
      throw std::out_of_range("[NamedTensors::at] " + (path.empty() ? std::string("the state dict") : path) +
                              " has no tensor named " + std::string(name));
    }
    return entries_[found->second].second;
  }
  void erase(std::string_view name) {
    const auto found = index_.find(name);
    if (found == index_.end()) return;
    const size_t position = found->second;
    index_.erase(found);
    entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(position));
    for (auto& [other, place] : index_) {
      if (place > position) --place;
    }
  }
  const std::vector<Entry>& entries() const { return entries_; }
  size_t size() const { return entries_.size(); }

 private:
  std::vector<Entry> entries_;
  std::map<std::string, size_t, std::less<>> index_;
};

}  // namespace vitrim
