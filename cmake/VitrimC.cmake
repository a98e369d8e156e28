# libvitrim: the C interface as a shared library that exports only the functions of vitrim.h.
add_library(vitrim_c SHARED ${CMAKE_SOURCE_DIR}/apps/libvitrim/vitrim.cpp)
set_target_properties(vitrim_c PROPERTIES OUTPUT_NAME vitrim VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
                      LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR} LINK_DEPENDS ${CMAKE_SOURCE_DIR}/apps/libvitrim/exports.map)
target_compile_options(vitrim_c PRIVATE ${VITRIM_WARNINGS})
target_include_directories(vitrim_c PRIVATE ${CMAKE_SOURCE_DIR}/include)
target_link_libraries(vitrim_c PRIVATE vitrim_runtime vitrim_weights vitrim_data)
# It needs only libc, libm, libz and threads, so that it can be used together with any other C++ runtime.
target_link_options(vitrim_c PRIVATE -Wl,--version-script=${CMAKE_SOURCE_DIR}/apps/libvitrim/exports.map -static-libstdc++ -static-libgcc
                    -Wl,--gc-sections -Wl,--as-needed)
