# The files of `cmake --install`: the program, the static libraries and headers of all modules, and a package that other projects find with
# find_package(vitrim). Its targets are vitrim::core, vitrim::model, ... and vitrim::vitrim, which stands for all of them.
include(GNUInstallDirs)
if(TARGET vitrim_run)
  install(TARGETS vitrim_run RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(TARGETS vitrim_c LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${CMAKE_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
# Only for the wheel of python/runtime; `cmake --install` without a component leaves it out.
install(FILES $<TARGET_FILE:vitrim_c> DESTINATION vitrim_runtime RENAME libvitrim.so COMPONENT vitrim_runtime EXCLUDE_FROM_ALL)
if(NOT VITRIM_TORCH)  # the C interface is all there is
  install(FILES ${CMAKE_SOURCE_DIR}/include/vitrim/vitrim.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/vitrim)
  return()
endif()
include(CMakePackageConfigHelpers)

# All modules, including those that have no source file yet and so are INTERFACE libraries.
get_property(_targets DIRECTORY ${CMAKE_SOURCE_DIR}/src PROPERTY BUILDSYSTEM_TARGETS)
set(_modules "")
foreach(_target ${_targets})
  get_target_property(_type ${_target} TYPE)
  if(_target MATCHES "^vitrim_" AND _type MATCHES "^(STATIC|INTERFACE)_LIBRARY$")
    string(REGEX REPLACE "^vitrim_" "" _name ${_target})
    set_target_properties(${_target} PROPERTIES EXPORT_NAME ${_name})
    list(APPEND _modules ${_target})
  endif()
endforeach()

add_library(vitrim_all INTERFACE)
add_library(vitrim::vitrim ALIAS vitrim_all)
set_target_properties(vitrim_all PROPERTIES EXPORT_NAME vitrim)
target_link_libraries(vitrim_all INTERFACE ${_modules})

set(_package ${CMAKE_INSTALL_LIBDIR}/cmake/vitrim)
install(TARGETS ${_modules} vitrim_all EXPORT vitrimTargets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT vitrimTargets NAMESPACE vitrim:: DESTINATION ${_package})
# The build tree is a package too: python/ links its libraries.
export(EXPORT vitrimTargets NAMESPACE vitrim:: FILE ${CMAKE_BINARY_DIR}/package/vitrimTargets.cmake)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/vitrim DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")

# The program finds LibTorch at the place where the build found it, both in the build tree and installed.
if(TARGET vitrim)
  set_target_properties(vitrim PROPERTIES INSTALL_RPATH "${VITRIM_TORCH_LIB_DIR}")
  install(TARGETS vitrim RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

set(VITRIM_TORCH_PREFIX "${Torch_DIR}")
configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/vitrimConfig.cmake.in ${CMAKE_BINARY_DIR}/package/vitrimConfig.cmake
                              INSTALL_DESTINATION ${_package} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/package/vitrimConfigVersion.cmake COMPATIBILITY SameMinorVersion)
# The finders that Debian's packages lack are included, for the installed package and for the build tree's.
set(_finders ${CMAKE_SOURCE_DIR}/cmake/FindWebP.cmake ${CMAKE_SOURCE_DIR}/cmake/FindUtf8proc.cmake)
file(COPY ${_finders} DESTINATION ${CMAKE_BINARY_DIR}/package)
install(FILES ${CMAKE_BINARY_DIR}/package/vitrimConfig.cmake ${CMAKE_BINARY_DIR}/package/vitrimConfigVersion.cmake ${_finders}
        DESTINATION ${_package})
