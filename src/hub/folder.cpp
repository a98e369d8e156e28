#include <cerrno>
#include <cstring>
#include <filesystem>
#include <sstream>

#include "vitrim/core/atomic_file.h"
#include "vitrim/core/error.h"
#include "vitrim/hub/hub.h"

namespace vitrim::hub {

namespace fs = std::filesystem;

bool is_folder(const std::string& output) {
  std::error_code failed;
  return output.ends_with('/') || fs::is_directory(output, failed);
}

std::string stem_of(const std::string& output) {
  std::string out = output;
  while (out.size() > 1 && out.ends_with('/')) out.pop_back();
  return out;
}

std::string weights_path(const std::string& output) {
  return is_folder(output) ? (fs::path(output) / "model.safetensors").string() : output;
}

std::vector<std::string> files_of(const std::string& output) {
  if (!is_folder(output)) return {output};
  std::vector<std::string> out{weights_path(output)};
  for (const char* const name : {"config.json", "preprocessor_config.json", "README.md"})
    out.push_back((fs::path(output) / name).string());
  return out;
}

namespace {

// Whether the file is a model card that this module wrote: its YAML block names the library.
bool is_card(const fs::path& path) {
  std::istringstream text(read_text_file(path.string()));
  std::string line;
  if (!std::getline(text, line) || line != "---") return false;
  while (std::getline(text, line) && line != "---") {
    if (line == "library_name: vitrim") return true;
  }
  return false;
}

}  // namespace

void check_writable(const std::string& path, const std::string& output) {
  std::error_code failed;
  if (is_folder(output) && path == (fs::path(output) / "README.md").string() &&
      fs::is_regular_file(path, failed) && !is_card(path))
    throw Error("[hub::check_writable] " + path +
                " would be replaced by a model card, but vitrim did not write it; name another folder");
  const fs::path folder = fs::path(path).parent_path();
  const bool to_be_made = output.ends_with('/') && !fs::exists(output, failed) &&
                          fs::weakly_canonical(folder) == fs::weakly_canonical(stem_of(output));
  // A file in place of the folder can be written if the folder could be created.
  vitrim::check_writable(to_be_made ? stem_of(output) : path);
}

NewFolder::NewFolder(const std::string& output) {
  if (!is_folder(output)) return;
  const std::string folder = stem_of(output);
  std::error_code failed;
  if (fs::create_directory(folder, failed)) {
    made_ = folder;
  } else if (failed) {
    throw Error("[hub::NewFolder] cannot make the folder " + folder + ": " +
                (failed == std::errc::no_such_file_or_directory
                     ? "no such folder as its parent: create that first"
                     : std::strerror(failed.value()) + std::string(": choose another place")));
  }
}

NewFolder::~NewFolder() {
  std::error_code failed;
  if (!made_.empty()) fs::remove(made_, failed);  // fails if it is not empty
}

}  // namespace vitrim::hub
