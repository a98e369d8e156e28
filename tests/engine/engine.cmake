# The engine as a deployer gets it: what libvitrim needs and weighs, and a build of it where there is no LibTorch. Not under sanitizers, which add
# libraries of their own.
find_package(Python3 3.9 REQUIRED COMPONENTS Interpreter)
if(NOT CMAKE_CXX_FLAGS MATCHES "sanitize")
  add_test(NAME libvitrim COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/library_test.py)
  set_tests_properties(libvitrim PROPERTIES TIMEOUT 120 ENVIRONMENT "VITRIM_LIBRARY=$<TARGET_FILE:vitrim_c>;PYTHONDONTWRITEBYTECODE=1")
  add_test(NAME vitrim_runtime COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/wheel_test.py)
  set(_programs "VITRIM_LIBRARY=$<TARGET_FILE:vitrim_c>;PYTHONDONTWRITEBYTECODE=1")
  if(TARGET vitrim)
    list(APPEND _programs VITRIM_BINARY=$<TARGET_FILE:vitrim>)
  endif()
  set_tests_properties(vitrim_runtime PROPERTIES TIMEOUT 300 ENVIRONMENT "${_programs}")
  if(VITRIM_TORCH)  # else this build is that one
    add_test(NAME engine_alone COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/alone_test.py)
    set_tests_properties(engine_alone PROPERTIES LABELS engine TIMEOUT 900 ENVIRONMENT
      "VITRIM_CMAKE=${CMAKE_COMMAND};VITRIM_CXX=${CMAKE_CXX_COMPILER};VITRIM_GENERATOR=${CMAKE_GENERATOR};PYTHONDONTWRITEBYTECODE=1")
  endif()
endif()
