#pragma once
// A model as a folder in the layout of model hubs: model.safetensors, config.json, preprocessor_config.json
// and a model card, README.md. This module writes the text files; the caller saves the weights.

#include <string>
#include <vector>

#include "vitrim/core/artifacts.h"
#include "vitrim/core/train_artifacts.h"

namespace vitrim::hub {

/// Whether `output` means a folder: it ends in a slash, or it is an existing folder.
bool is_folder(const std::string& output);
/// `output` without slashes at its end, as a base name for files next to the folder; the name of a file is
/// unchanged.
std::string stem_of(const std::string& output);
/// The file for the weights: model.safetensors in a folder, else `output` itself.
std::string weights_path(const std::string& output);
/// All files that may be written for `output`, the weights first.
std::vector<std::string> files_of(const std::string& output);

/// Throws vitrim::Error unless a file could be written at `path` after the folder `output` is created, and if
/// `path` is the README.md of the folder and not a model card of vitrim.
/// `output` may also be a file, and need not exist yet. Creates nothing.
void check_writable(const std::string& path, const std::string& output);

/// Creates the folder `output` if it is missing; its parent must exist, else it throws vitrim::Error. The
/// destructor removes a created folder again if keep() was not called and the folder is empty. Does nothing
/// if `output` is a file. Create it before the OutputSet, so that temporary files are removed first.
class NewFolder {
 public:
  explicit NewFolder(const std::string& output);
  ~NewFolder();
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;
  void keep() { made_.clear(); }

 private:
  std::string made_;  // empty if the folder was there
};

/// The origin of a model, which config.json contains in addition to the architecture.
struct Origin {
  std::string task;                 ///< "compress", "quantize", ...
  std::string base;                 ///< the model that it was made from
  std::string quantization_config;  ///< JSON as in the checkpoint's metadata (model/loading.h); may be empty
};
/// The commands that made the model in the folder `base`, oldest first, as its config.json lists them if
/// vitrim wrote it. Empty for every other model. Throws vitrim::FormatError if that file is not JSON.
std::vector<std::string> earlier_commands(const std::string& base);
/// The text of config.json: the architecture's name, image size, class names, the origin (with the command
/// line, earlier command lines and the version), the complete ModelSpec under "vitrim", and
/// "quantization_config" if there is one.
std::string config_json(const ModelSpec& spec, const Origin& origin, const Manifest& manifest);
/// The text of preprocessor_config.json for transformers' AutoImageProcessor. When it is read back
/// (architecture/recognise.h), it gives the same PreprocessSpec.
std::string preprocessor_json(const PreprocessSpec& preprocess);
/// The text of README.md. `license` is the value of the card's field; empty: the user fills it in.
std::string card(const std::string& name, const CompressResult& result, const std::string& license);
std::string card(const std::string& name, const TrainResult& result, const ModelSpec& spec,
                 const std::string& license);

/// Writes the three text files next to the weights if result.output is a folder, else nothing. An existing
/// README.md is replaced, but its license stays. `quantization_config` is that of Origin.
void describe(const CompressResult& result, const std::string& quantization_config = {});
void describe(const TrainResult& result, const ModelSpec& spec);

}  // namespace vitrim::hub
