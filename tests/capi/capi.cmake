# The C interface from Python. Not under sanitizers: their runtime would have to be loaded before Python.
if(TARGET vitrim_c AND TARGET vitrim AND NOT CMAKE_CXX_FLAGS MATCHES "sanitize")
  add_test(NAME capi COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/capi_test.py)
  set_tests_properties(capi PROPERTIES ENVIRONMENT "VITRIM_LIBRARY=$<TARGET_FILE:vitrim_c>;VITRIM_BINARY=$<TARGET_FILE:vitrim>;PYTHONDONTWRITEBYTECODE=1;OMP_WAIT_POLICY=passive" TIMEOUT 300)
endif()
