#pragma once
// The files of references/: small models, and the outputs of an independent implementation.

#include <filesystem>
#include <set>

#include "model/small_models.h"
#include "vitrim/architecture/stages.h"
#include "vitrim/checkpoint/checkpoint.h"

namespace vitrim::test {

struct ReferenceFile {
  std::string name;
  ModelSpec spec;
  model::StateDict file;     ///< input, output, output_weights, and of parameters grads/NAME at places/NAME
  model::StateDict weights;  ///< under vitrim's names
};

inline std::vector<ReferenceFile> reference_files() {
  std::set<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(VITRIM_SOURCE_DIR) /
                                                               "tests/model/references")) {
    if (entry.path().extension() == ".safetensors") paths.insert(entry.path());
  }
  std::vector<ReferenceFile> out;
  for (const std::filesystem::path& path : paths) {
    ReferenceFile& one = out.emplace_back();
    one.name = path.stem().string();
    one.file = checkpoint::load(path.string());
    one.spec = model_spec_from_json(one.file.metadata.at("spec"), one.name);
    for (const auto& [key, tensor] : one.file.entries()) {
      if (key.starts_with("weights/")) one.weights.add(key.substr(8), tensor);
    }
  }
  return out;
}

}  // namespace vitrim::test
