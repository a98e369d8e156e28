#pragma once
// A model as a folder in the layout of model hubs: model.safetensors, config.json, preprocessor_config.json
// and a model card, README.md. What is written here is text; the weights are saved by who has them.

#include <string>
#include <vector>

#include "vitrim/core/artifacts.h"
#include "vitrim/core/train_artifacts.h"

namespace vitrim::hub {

/// Whether `output` names a folder to be filled: it ends in a slash, or it is an existing folder.
bool is_folder(const std::string& output);
/// `output` without slashes at its end, for files beside the folder; a file's name as it is.
std::string stem_of(const std::string& output);
/// The file that holds the weights: model.safetensors in a folder, else `output` itself.
std::string weights_path(const std::string& output);
/// Every file that may be written for `output`, weights first.
std::vector<std::string> files_of(const std::string& output);

/// Throws vitrim::Error unless a file could be written at `path` once the folder `output` is there, which
/// need not be a folder and need not exist yet. Makes nothing.
void check_writable(const std::string& path, const std::string& output);

/// Makes the folder `output` where it is missing (its parent must exist; vitrim::Error else), and takes it
/// away again when it is destroyed before keep() was called and the folder is empty. Does nothing where
/// `output` is a file. Create it before the OutputSet, so that temporary files go first.
class NewFolder {
 public:
  explicit NewFolder(const std::string& output);
  ~NewFolder();
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;
  void keep() { made_.clear(); }

 private:
  std::string made_;  // empty where the folder was there
};

/// What config.json says beside the architecture.
struct Origin {
  std::string task;  ///< "compress", "quantize", ...
  std::string base;  ///< the model that it was made of
  std::string
      quantization_config;  ///< JSON, as the checkpoint's metadata hold it (model/loading.h); or empty
};
/// The commands that made the model in the folder `base`, oldest first: what its config.json, where vitrim
/// wrote it, lists. Empty for every other model. vitrim::FormatError where that file is no JSON.
std::vector<std::string> earlier_commands(const std::string& base);
/// config.json: the architecture's name, image size, class names, the origin (with the command line, those
/// before it and the version) and the whole ModelSpec under "vitrim", and "quantization_config" where there
/// is one.
std::string config_json(const ModelSpec& spec, const Origin& origin, const Manifest& manifest);
/// preprocessor_config.json for transformers' AutoImageProcessor. std::invalid_argument where the spec has no
/// preprocessing. Read back (architecture/recognise.h) it gives the same PreprocessSpec.
std::string preprocessor_json(const PreprocessSpec& preprocess);
/// README.md. `license` is the value of the card's field, empty to leave it to the user.
std::string card(const std::string& name, const CompressResult& result, const std::string& license);
std::string card(const std::string& name, const TrainResult& result, const ModelSpec& spec,
                 const std::string& license);

/// Writes the three files beside the weights where result.output is a folder, else nothing. A README.md that
/// is there is replaced, but its license stays. `quantization_config` is Origin's.
void describe(const CompressResult& result, const std::string& quantization_config = {});
void describe(const TrainResult& result, const ModelSpec& spec);

}  // namespace vitrim::hub
