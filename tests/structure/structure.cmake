# The rules of the source tree: allowed includes, the length of files, and names that must not occur.
find_package(Python3 3.9 REQUIRED COMPONENTS Interpreter)
add_test(NAME structure COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/structure_test.py)
set_tests_properties(structure PROPERTIES ENVIRONMENT PYTHONDONTWRITEBYTECODE=1 TIMEOUT 120)
