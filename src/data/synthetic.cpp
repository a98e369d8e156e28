#include "data/sources.h"
#include "vitrim/core/error.h"

namespace vitrim::data {

std::unique_ptr<Dataset> open_synthetic(const std::string& source) {
  throw Error(source + ": the synthetic set is not drawn yet");
}

}  // namespace vitrim::data
