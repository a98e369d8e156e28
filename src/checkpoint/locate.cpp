#include "vitrim/checkpoint/locate.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <vector>

#include "vitrim/core/error.h"

namespace vitrim::checkpoint {
namespace {

namespace fs = std::filesystem;

/// The value of an environment variable; empty if it is not set.
std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value ? value : "";
}

/// The characters that a hub allows in a name.
bool is_hub_word(std::string_view word) {
  return !word.empty() && word.size() <= 96 && word.front() != '.' && word.front() != '-' &&
         std::all_of(word.begin(), word.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
         });
}

/// Whether a name was intended as a file, not as a model on a hub.
bool has_ending(const std::string& name) {
  constexpr std::array<std::string_view, 16> kEndings = {
      ".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".json", ".tar", ".onnx",
      ".npz",         ".npy", ".h5", ".pb",  ".pkl",  ".gguf", ".zip", ".msgpack"};
  return std::any_of(kEndings.begin(), kEndings.end(),
                     [&](std::string_view ending) { return name.ends_with(ending); });
}

struct HubName {
  std::string id;        ///< empty if `source` is not an id
  bool certain = false;  ///< nothing else has this form
};

/// The hub's id that `source` may be.
HubName hub_name(std::string source) {
  bool certain = false;
  for (const std::string_view prefix :
       {"hf-hub:", "hf_hub:", "hf://", "https://huggingface.co/", "https://hf.co/"}) {
    if (!source.starts_with(prefix)) continue;
    source.erase(0, prefix.size());
    certain = true;
  }
  while (source.ends_with('/')) source.pop_back();
  const size_t slash = source.find('/');
  if (slash == std::string::npos) {
    // timm's ARCHITECTURE.TAG
    const size_t dot = source.find('.');
    if (dot == std::string::npos || !is_hub_word(source) || has_ending(source)) return {};
    return {"timm/" + source, certain};
  }
  const std::string owner = source.substr(0, slash), model = source.substr(slash + 1);
  if (!is_hub_word(owner) || !is_hub_word(model) || has_ending(model)) return {};
  std::error_code failed;
  // "runs/last" is a path if the folder "runs" exists.
  return {source, certain || !fs::exists(owner, failed)};
}

/// The snapshot of a model's folder in the cache; empty if there is none.
std::string snapshot_in(const fs::path& folder) {
  std::error_code failed;
  std::ifstream in(folder / "refs" / "main");
  std::string commit;
  in >> commit;
  if (is_hub_word(commit) && fs::is_directory(folder / "snapshots" / commit, failed))
    return (folder / "snapshots" / commit).string();
  std::vector<std::string> all;
  for (fs::directory_iterator entry(folder / "snapshots", failed), end; !failed && entry != end;
       entry.increment(failed))
    all.push_back(entry->path().string());
  return all.size() == 1 ? all.front() : "";
}

}  // namespace

std::string expand_home(const std::string& path) {
  const std::string home = environment("HOME");
  if (home.empty() || !(path == "~" || path.starts_with("~/"))) return path;
  return home + path.substr(1);
}

std::string hub_cache() {
  if (const std::string cache = environment("HF_HUB_CACHE"); !cache.empty()) return expand_home(cache);
  if (const std::string home = environment("HF_HOME"); !home.empty()) return expand_home(home) + "/hub";
  if (const std::string cache = environment("XDG_CACHE_HOME"); !cache.empty())
    return expand_home(cache) + "/huggingface/hub";
  return expand_home("~/.cache/huggingface/hub");
}

std::string locate(const std::string& source) {
  std::error_code failed;
  if (fs::exists(source, failed)) {
    const bool of_cache = fs::is_directory(fs::path(source) / "snapshots", failed) &&
                          (fs::is_directory(fs::path(source) / "refs", failed) ||
                           fs::is_directory(fs::path(source) / "blobs", failed));
    if (!of_cache) return source;
    const std::string snapshot = snapshot_in(source);
    return snapshot.empty() ? source : snapshot;
  }
  if (source.starts_with('~')) return expand_home(source);
  const HubName name = hub_name(source);
  if (name.id.empty() && source.find("://") != std::string::npos)
    throw Error("'" + source +
                "' is a URL, and vitrim does not download files; download the file and pass its path");
  if (name.id.empty()) return source;
  std::string folder = "models--" + name.id;
  folder.replace(folder.find('/'), 1, "--");
  const std::string cache = hub_cache();
  if (std::string snapshot = snapshot_in(fs::path(cache) / folder); !snapshot.empty()) return snapshot;
  if (!name.certain) return source;
  throw Error("there is no file or folder '" + source +
              "', and no model of that name in the local Hugging Face cache (" + cache +
              "); download it with `hf download " + name.id + "`");
}

}  // namespace vitrim::checkpoint
