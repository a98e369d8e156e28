# Tests of the scripts that ./check and the documents use.
foreach(name tally rows release tidy docs_tables header_index)
  vitrim_python_test(${name} ${CMAKE_CURRENT_LIST_DIR}/${name}_test.py)
endforeach()
