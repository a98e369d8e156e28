#include "vitrim/checkpoint/state_dict.h"

#include <stdexcept>

namespace vitrim::checkpoint {

void StateDict::add(std::string name, at::Tensor tensor) {
  if (!index_.emplace(name, entries_.size()).second)
    throw std::invalid_argument("[StateDict::add] there already is a tensor named " + name);
  entries_.emplace_back(std::move(name), std::move(tensor));
}

void StateDict::set(const std::string& name, at::Tensor tensor) {
  if (const auto found = index_.find(name); found != index_.end())
    entries_[found->second].second = std::move(tensor);
  else
    add(name, std::move(tensor));
}

const at::Tensor& StateDict::at(std::string_view name) const {
  const auto found = index_.find(name);
  if (found == index_.end())
    throw std::out_of_range("[StateDict::at] " + (path.empty() ? std::string("the state dict") : path) +
                            " has no tensor named " + std::string(name));
  return entries_[found->second].second;
}

void StateDict::erase(std::string_view name) {
  const auto found = index_.find(name);
  if (found == index_.end()) return;
  const size_t position = found->second;
  index_.erase(found);
  entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(position));
  for (auto& [other, place] : index_)
    if (place > position) --place;
}

}  // namespace vitrim::checkpoint
