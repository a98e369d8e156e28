# The program driven from outside. A python script, which leaves the results of its cases as a GoogleTest program does.
find_package(Python3 3.9 REQUIRED COMPONENTS Interpreter)
if(TARGET vitrim)
  add_test(NAME program COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/program_test.py)
  set_tests_properties(program PROPERTIES ENVIRONMENT "VITRIM_BINARY=$<TARGET_FILE:vitrim>;PYTHONDONTWRITEBYTECODE=1" TIMEOUT 900)
endif()
