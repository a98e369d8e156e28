# The rules of the source tree: allowed includes, the length of files, and names that must not occur.
vitrim_python_test(structure ${CMAKE_CURRENT_LIST_DIR}/structure_test.py)
