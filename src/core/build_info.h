#pragma once

namespace vitrim {

/// Defined in a source file that cmake/VitrimGitCommit.cmake writes at build time.
const char* build_version();
const char* build_git_commit();

}  // namespace vitrim
