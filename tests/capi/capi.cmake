# The C interface from Python. Not under sanitizers: their runtime would have to be loaded before Python.
if(TARGET vitrim_c AND TARGET vitrim AND NOT CMAKE_CXX_FLAGS MATCHES "sanitize")
  vitrim_python_test(capi ${CMAKE_CURRENT_LIST_DIR}/capi_test.py TIMEOUT 300 ENVIRONMENT VITRIM_LIBRARY=$<TARGET_FILE:vitrim_c> VITRIM_BINARY=$<TARGET_FILE:vitrim>)
endif()
