#include "vitrim/core/manifest.h"

#include <ctime>
#include <fstream>
#include <utility>

#include "core/build_info.h"
#include "core/sha256.h"

namespace vitrim {
namespace {

// "model name" if the kernel gives it (x86), else another key that names the processor (some ARM kernels),
// else "".
std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::string key = line.substr(0, line.find_last_not_of(" \t", colon - 1) + 1);
    if (key != "model name" && key != "Model" && key != "cpu model") continue;
    const size_t begin = line.find_first_not_of(" \t", colon + 1);
    if (begin != std::string::npos) return line.substr(begin);
  }
  return "";
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  const size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return std::string(text, length);
}

}  // namespace

std::string version() { return build_version(); }
std::string git_commit() { return build_git_commit(); }

Manifest make_manifest(std::string command, uint64_t seed, int64_t threads) {
  Manifest manifest;
  manifest.command = std::move(command);
  manifest.version = version();
  manifest.git_commit = git_commit();
  manifest.cpu = cpu_name();
  manifest.threads = threads;
  manifest.seed = seed;
  manifest.started = utc_now();
  return manifest;
}

std::string sha256_hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const uint8_t byte : sha256(bytes)) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string fingerprint(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) {
    list += name;
    list += '\n';
  }
  return std::to_string(names.size()) + " files, sha256 " + sha256_hex(list);
}

}  // namespace vitrim
