# A project outside this tree: vitrim is installed, moved, found with find_package, and the example program is built on it and run.
find_package(Python3 3.9 REQUIRED COMPONENTS Interpreter)
if(TARGET vitrim)
  add_test(NAME install COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/install_test.py)
  set_tests_properties(install PROPERTIES LABELS install TIMEOUT 900 ENVIRONMENT
    "VITRIM_BUILD=${CMAKE_BINARY_DIR};VITRIM_CMAKE=${CMAKE_COMMAND};VITRIM_CXX=${CMAKE_CXX_COMPILER};VITRIM_CXX_FLAGS=${CMAKE_CXX_FLAGS};VITRIM_GENERATOR=${CMAKE_GENERATOR};PYTHONDONTWRITEBYTECODE=1")
endif()
