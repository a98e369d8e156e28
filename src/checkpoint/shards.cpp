#include "checkpoint/shards.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <vector>

#include "checkpoint/mapped_file.h"
#include "checkpoint/mistakes.h"
#include "core/json.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/core/error.h"

namespace vitrim::checkpoint {
namespace {

namespace fs = std::filesystem;

/// Far above the index of any model (some hundred bytes per tensor).
constexpr size_t kLongestIndex = size_t{64} << 20;
/// The names under which tools store a checkpoint in a folder, best first.
constexpr std::array kUsualNames{"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
                                 "pytorch_model.bin.index.json"};
constexpr size_t kMostNamed = 5;

/// "a, b, c and 4 more"
std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kMostNamed); ++i) text += (i ? ", " : "") + names[i];
  if (names.size() > kMostNamed) text += " and " + std::to_string(names.size() - kMostNamed) + " more";
  return text;
}

/// Tensor names by the file that contains them, and files by tensor name.
struct Index {
  std::map<std::string, std::vector<std::string>> files;
  std::map<std::string, std::string> tensors;
};

Index read_index(const std::string& path) {
  const auto file = MappedFile::open(path);
  if (file->size() > kLongestIndex)
    throw FormatError(path, "", "it is too large to be the index of a sharded checkpoint");
  const std::string_view text(reinterpret_cast<const char*>(file->data()), file->size());
  const json::Json document = json::parse(text, path);
  const bool is_index =
      document.is_object() && document.contains("weight_map") && document["weight_map"].is_object();
  if (const std::string what = mistaken_file("", path); !is_index && !what.empty())
    throw FormatError(path, "", what);
  if (!is_index)
    throw FormatError(path, "weight_map",
                      "is not a map from tensors to files, so this is not the index of a sharded checkpoint; "
                      "name the checkpoint itself, or its folder");
  Index index;
  for (const auto& item : document["weight_map"].items()) {
    if (!item.value().is_string())
      throw FormatError(path, "weight_map." + item.key(), "expected the name of a file");
    const auto shard = item.value().get<std::string>();
    // Only plain names are allowed: a downloaded index must not make vitrim read files elsewhere.
    if (shard.empty() || shard == "." || shard == ".." || shard.find('/') != std::string::npos ||
        shard.find('\0') != std::string::npos)
      throw FormatError(
          path, "weight_map." + item.key(),
          "names '" + shard + "', which is not a file in the index's folder; download the index again");
    index.files[shard].push_back(item.key());
    index.tensors.emplace(item.key(), shard);
  }
  if (index.files.empty()) throw FormatError(path, "weight_map", "names no tensor");
  return index;
}

void check_files(const Index& index, const std::string& path, const fs::path& folder) {
  std::vector<std::string> missing;
  for (const auto& [shard, names] : index.files) {
    std::error_code failed;
    if (!fs::exists(folder / shard, failed)) missing.push_back(shard);
  }
  if (!missing.empty())
    throw FormatError(path, "",
                      std::to_string(missing.size()) + " of its " + std::to_string(index.files.size()) +
                          " files are missing (" + listed(missing) + "); download them into the same folder");
}

}  // namespace

Checkpoint load_shards(const std::string& path) {
  const Index index = read_index(path);
  const fs::path folder = fs::path(path).parent_path();
  check_files(index, path, folder);
  Checkpoint state;
  state.path = path;
  for (const auto& [shard, names] : index.files) {
    const std::string file = (folder / shard).string();
    const Checkpoint part = load_file(file);
    std::vector<std::string> lacking, unnamed;
    for (const std::string& name : names) {
      if (part.contains(name)) {
        state.add(name, part.at(name));
      } else {
        lacking.push_back(name);
      }
    }
    for (const auto& [name, tensor] : part.entries())
      if (!index.tensors.contains(name)) unnamed.push_back(name);
    const std::string again = "; download both again";
    if (!lacking.empty())
      throw FormatError(file, "",
                        "lacks tensors that " + path + " assigns to it: " + listed(lacking) + again);
    if (!unnamed.empty())
      throw FormatError(file, "",
                        "contains tensors that " + path + " does not list: " + listed(unnamed) + again);
    for (const auto& [key, value] : part.metadata) state.metadata.emplace(key, value);
  }
  return state;
}

std::string checkpoint_in(const std::string& folder) {
  for (const char* name : kUsualNames) {
    const fs::path file = fs::path(folder) / name;
    std::error_code failed;
    if (fs::exists(file, failed)) return file.string();
    if (fs::is_symlink(file, failed))
      throw Error(file.string() +
                  ": this link is broken, as after an interrupted download; download "
                  "the model again");
  }
  std::vector<std::string> others, names, inside;
  std::error_code failed;
  for (fs::directory_iterator entry(folder, failed), end; !failed && entry != end; entry.increment(failed)) {
    const fs::path extension = entry->path().extension();
    names.push_back(entry->path().filename().string());
    if (extension == ".safetensors" || extension == ".pth" || extension == ".pt" || extension == ".bin" ||
        extension == ".ckpt" || extension == ".tar")
      others.push_back(names.back());
    if (fs::is_directory(entry->path(), failed)) {
      for (const char* name : kUsualNames) {
        if (fs::exists(entry->path() / name, failed)) inside.push_back(names.back());
      }
    }
  }
  std::sort(others.begin(), others.end());
  std::sort(inside.begin(), inside.end());
  inside.erase(std::unique(inside.begin(), inside.end()), inside.end());
  if (const std::string what = mistaken_folder(names); !what.empty()) throw FormatError(folder, "", what);
  if (others.empty() && !inside.empty())
    throw Error(folder + ": this folder itself contains no checkpoint; name one of the folders in it: " +
                listed(inside));
  throw Error(
      folder +
      ": this folder contains no model.safetensors, model.safetensors.index.json or pytorch_model.bin; "
      "name a checkpoint " +
      (others.empty() ? "file" : "in it: " + listed(others)));
}

}  // namespace vitrim::checkpoint
