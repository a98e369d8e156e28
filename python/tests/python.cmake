# The Python package. If its extension is not built (no headers of Python), the tests that need it are skipped with a message; under sanitizers there
# is nothing new to test here.
if(NOT CMAKE_CXX_FLAGS MATCHES "sanitize")
  set(_package ${CMAKE_SOURCE_DIR}/python)
  if(TARGET vitrim_python)
    set(_package ${CMAKE_BINARY_DIR}/python)
  endif()
  if(TARGET spec_fields)  # the committed table is what the C++ list makes
    add_test(NAME python_spec_fields COMMAND ${CMAKE_COMMAND} -E compare_files ${CMAKE_BINARY_DIR}/python/vitrim/spec_fields.py ${CMAKE_SOURCE_DIR}/python/vitrim/spec_fields.py)
  endif()
  foreach(name load library boundary assumed hub features)
    vitrim_python_test(python_${name} ${CMAKE_CURRENT_LIST_DIR}/${name}_test.py TIMEOUT 600 ENVIRONMENT VITRIM_PYTHON_PACKAGE=${_package} VITRIM_BINARY=${CMAKE_BINARY_DIR}/vitrim)
  endforeach()
endif()
