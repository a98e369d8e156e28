#pragma once
// Facts about this run for a result's manifest.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "vitrim/core/artifacts.h"

namespace vitrim {

/// vitrim's version and the build's git commit ("" where unknown).
std::string version();
std::string git_commit();
/// Fills in version, commit, CPU and start time. `torch_version` and `instruction_set` come from whoever
/// links LibTorch.
Manifest make_manifest(std::string command, uint64_t seed, int64_t threads);
/// SHA-256 as lower-case hex.
std::string sha256_hex(std::string_view bytes);
/// "N files, sha256 ..." over the list, one name a line, in the given order.
std::string fingerprint(const std::vector<std::string>& names);

}  // namespace vitrim
