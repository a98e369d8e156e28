# vitrim_module(NAME [TORCH] [DEPS modules...] [LIBRARIES private libraries...])
# One static library a module, built from src/NAME/*.cpp, with the public headers in include/vitrim/NAME. DEPS names the modules it
# may see; a test (tests/structure) checks that the includes agree. TORCH modules see LibTorch and share one precompiled header; with
# VITRIM_TORCH=OFF they are left out.
set(VITRIM_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor -Woverloaded-virtual)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 sees overflows in std::string's own concatenation that are not there (GCC bug 105651).
  list(APPEND VITRIM_WARNINGS -Wno-restrict -Wno-stringop-overflow -Wno-array-bounds)
endif()
if(VITRIM_WERROR)
  list(APPEND VITRIM_WARNINGS -Werror)
endif()

if(VITRIM_TORCH)
  # The one precompiled header: LibTorch's is the only heavy one.
  # Written only where it changes: a touched file would rebuild everything.
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/pch/vitrim_pch.cpp CONTENT "\n")
  add_library(vitrim_pch OBJECT ${CMAKE_BINARY_DIR}/pch/vitrim_pch.cpp)
  target_link_libraries(vitrim_pch PRIVATE torch)
  # -Wpedantic changes predefined macros, and GCC takes a precompiled header only where they all agree.
  target_compile_options(vitrim_pch PRIVATE ${VITRIM_WARNINGS})
  target_precompile_headers(vitrim_pch PRIVATE <ATen/ATen.h> <torch/types.h> <functional> <map> <memory> <optional> <string> <vector>)
endif()

function(vitrim_use_torch target visibility)
  target_link_libraries(${target} ${visibility} torch)
  target_precompile_headers(${target} REUSE_FROM vitrim_pch)
endfunction()

function(vitrim_module name)
  cmake_parse_arguments(ARG "TORCH" "" "DEPS;LIBRARIES" ${ARGN})
  if(ARG_TORCH AND NOT VITRIM_TORCH)
    return()
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.cpp)
  set(target vitrim_${name})
  if(NOT sources)
    add_library(${target} INTERFACE)
    return()
  endif()
  add_library(${target} STATIC ${sources})
  add_library(vitrim::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_compile_options(${target} PRIVATE ${VITRIM_WARNINGS})
  target_include_directories(${target}
    PUBLIC $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<INSTALL_INTERFACE:include>
    PRIVATE ${CMAKE_SOURCE_DIR}/src)
  foreach(dep ${ARG_DEPS})
    target_link_libraries(${target} PUBLIC vitrim_${dep})
  endforeach()
  foreach(library ${ARG_LIBRARIES})
    target_link_libraries(${target} PRIVATE ${library})
  endforeach()
  if(ARG_TORCH)
    vitrim_use_torch(${target} PUBLIC)
  endif()
  set_property(GLOBAL APPEND PROPERTY VITRIM_MODULES ${target})
endfunction()
