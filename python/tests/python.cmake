# The Python package. Not where its extension is not built (cmake/VitrimPython.cmake).
if(TARGET vitrim_python)
  foreach(name load library)
    add_test(NAME python_${name} COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/${name}_test.py)
    set_tests_properties(python_${name} PROPERTIES TIMEOUT 600 ENVIRONMENT "VITRIM_PYTHON_PACKAGE=${CMAKE_BINARY_DIR}/python;PYTHONDONTWRITEBYTECODE=1;OMP_WAIT_POLICY=passive")
  endforeach()
endif()
