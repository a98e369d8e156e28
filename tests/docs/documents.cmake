# Runs the commands in README.md and docs/.
find_package(Python3 3.9 REQUIRED COMPONENTS Interpreter)
if(TARGET vitrim)
  # One thread, because ./check runs two tests at a time and these models are small: with two threads each, the commands took twice as long.
  add_test(NAME documents COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/docs_test.py)
  set_tests_properties(documents PROPERTIES ENVIRONMENT "VITRIM_BINARY=$<TARGET_FILE:vitrim>;PYTHONDONTWRITEBYTECODE=1;OMP_NUM_THREADS=1" TIMEOUT 900 COST 1000)  # the longest: begins first
endif()
