# The scripts that ./check relies on.
find_package(Python3 3.9 REQUIRED COMPONENTS Interpreter)
add_test(NAME tally COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/tally_test.py)
set_tests_properties(tally PROPERTIES ENVIRONMENT PYTHONDONTWRITEBYTECODE=1 TIMEOUT 120)
add_test(NAME rows COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/rows_test.py)
set_tests_properties(rows PROPERTIES ENVIRONMENT PYTHONDONTWRITEBYTECODE=1 TIMEOUT 120)
add_test(NAME release COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/release_test.py)
set_tests_properties(release PROPERTIES ENVIRONMENT PYTHONDONTWRITEBYTECODE=1 TIMEOUT 120)
