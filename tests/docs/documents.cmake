# Runs the commands in README.md and docs/.
if(TARGET vitrim)
  vitrim_python_test(documents ${CMAKE_CURRENT_LIST_DIR}/docs_test.py TIMEOUT 900 ENVIRONMENT VITRIM_BINARY=$<TARGET_FILE:vitrim>)
  set_tests_properties(documents PROPERTIES COST 1000)  # the longest: begins first
endif()
