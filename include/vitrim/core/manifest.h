#pragma once
// Information about the current run for the manifest of a result.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "vitrim/core/artifacts.h"

namespace vitrim {

/// vitrim's version, and the git commit of the build ("" if unknown).
std::string version();
std::string git_commit();
/// Fills in version, commit, CPU and start time. Code that links LibTorch fills in `torch_version` and
/// `instruction_set`.
Manifest make_manifest(std::string command, uint64_t seed, int64_t threads);
/// SHA-256 as lower-case hex.
std::string sha256_hex(std::string_view bytes);
/// "N files, sha256 ...": the hash of the list, one name per line, in the given order.
std::string fingerprint(const std::vector<std::string>& names);

}  // namespace vitrim
