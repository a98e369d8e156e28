# A project outside this tree: vitrim is installed, moved, found with find_package, and the example program is built on it and run.
if(TARGET vitrim)
  vitrim_python_test(install ${CMAKE_CURRENT_LIST_DIR}/install_test.py TIMEOUT 900 ENVIRONMENT
    VITRIM_BUILD=${CMAKE_BINARY_DIR} VITRIM_CMAKE=${CMAKE_COMMAND} VITRIM_CXX=${CMAKE_CXX_COMPILER} "VITRIM_CXX_FLAGS=${CMAKE_CXX_FLAGS}" "VITRIM_GENERATOR=${CMAKE_GENERATOR}")
  set_tests_properties(install PROPERTIES LABELS install)
endif()
