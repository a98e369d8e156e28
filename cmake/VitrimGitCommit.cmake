# This file has two uses. If it is included, it provides vitrim_git_commit(TARGET), which adds a source to TARGET that defines the version and the git
# commit of the build. If it runs as a script (cmake -P) at every build, it rewrites that source, but only if something changed, so that a new commit
# is noticed without configuring again, and otherwise nothing is compiled. Without git, or in a tarball, the commit is "".
if(NOT CMAKE_SCRIPT_MODE_FILE)
  set(VITRIM_GIT_COMMIT_SCRIPT ${CMAKE_CURRENT_LIST_FILE})
  function(vitrim_git_commit target)
    set(output ${CMAKE_BINARY_DIR}/generated/build_info.cpp)
    add_custom_target(vitrim_build_info
      COMMAND ${CMAKE_COMMAND} -DOUTPUT=${output} -DSOURCE=${CMAKE_SOURCE_DIR} -DVERSION=${PROJECT_VERSION}
              -P ${VITRIM_GIT_COMMIT_SCRIPT}
      BYPRODUCTS ${output} VERBATIM)
    target_sources(${target} PRIVATE ${output})
    add_dependencies(${target} vitrim_build_info)
  endfunction()
  return()
endif()

set(commit "")
find_program(GIT git)
if(GIT)
  # A tarball that is unpacked inside another repository must not report the commit of that repository.
  execute_process(COMMAND ${GIT} rev-parse --show-toplevel WORKING_DIRECTORY ${SOURCE}
                  OUTPUT_VARIABLE top OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  file(REAL_PATH ${SOURCE} source)
  if(top STREQUAL source)
    # "v0.1.0" for a release, "v0.1.0-12-gabcdef" after it, and only the commit if there is no tag yet.
    execute_process(COMMAND ${GIT} --no-optional-locks describe --tags --always --abbrev=12 --dirty WORKING_DIRECTORY ${SOURCE}
                    OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
endif()
set(text "#include \"core/build_info.h\"

namespace vitrim {

const char* build_version() { return \"${VERSION}\"; }
const char* build_git_commit() { return \"${commit}\"; }

}  // namespace vitrim
")
set(before "")
if(EXISTS ${OUTPUT})
  file(READ ${OUTPUT} before)
endif()
if(NOT text STREQUAL before)
  file(WRITE ${OUTPUT} "${text}")
endif()
