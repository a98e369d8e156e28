#include <algorithm>
#include <stdexcept>

#include "vitrim/data/loader.h"

namespace vitrim::data {

std::vector<int64_t> spread_indices(int64_t size, int64_t count) {
  if (size < 0 || count < 0)
    throw std::invalid_argument("[data::spread_indices] size and count must not be negative");
  std::vector<int64_t> indices(std::min(size, count));

  for (size_t i = 0; i < indices.size(); ++i) {
    indices[i] = static_cast<int64_t>(i) * size / static_cast<int64_t>(indices.size());
  }
  return indices;
}

namespace {

class SpreadImages : public Dataset {
 public:
  SpreadImages(std::shared_ptr<const Dataset> whole, std::vector<int64_t> indices)
      : Dataset(whole->max_pixels()), whole_(std::move(whole)), indices_(std::move(indices)) {}
  int64_t size() const override { return static_cast<int64_t>(indices_.size()); }
  int64_t label(int64_t index) const override { return whole_->label(at(index)); }
  std::string name(int64_t index) const override { return whole_->name(at(index)); }
  Image read(int64_t index) const override { return whole_->read(at(index)); }
  int64_t num_classes() const override { return whole_->num_classes(); }
  bool declares_classes() const override { return whole_->declares_classes(); }
  bool has_masks() const override { return whole_->has_masks(); }
  Mask read_mask(int64_t index) const override { return whole_->read_mask(at(index)); }
  std::vector<std::string> class_names() const override { return whole_->class_names(); }
  std::string description() const override {
    return std::to_string(size()) + " images spread over " + whole_->description();
  }
  std::string fingerprint() const override {
    return whole_->fingerprint() + ", " + std::to_string(size()) + " spread over them";
  }

 private:
  int64_t at(int64_t index) const { return indices_.at(static_cast<size_t>(index)); }
  std::shared_ptr<const Dataset> whole_;
  std::vector<int64_t> indices_;
};

}  // namespace

std::shared_ptr<const Dataset> spread_images(std::shared_ptr<const Dataset> whole, int64_t count) {
  if (count == 0 || count >= whole->size()) return whole;
  std::vector<int64_t> indices = spread_indices(whole->size(), count);
  return std::make_shared<SpreadImages>(std::move(whole), std::move(indices));
}

}  // namespace vitrim::data
