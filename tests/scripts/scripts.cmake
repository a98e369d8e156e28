# Tests of the scripts that ./check and the documents use.
find_package(Python3 3.9 REQUIRED COMPONENTS Interpreter)
foreach(name tally rows release tidy docs_tables)
  add_test(NAME ${name} COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/${name}_test.py)
  set_tests_properties(${name} PROPERTIES ENVIRONMENT PYTHONDONTWRITEBYTECODE=1 TIMEOUT 120)
endforeach()
