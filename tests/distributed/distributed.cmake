# Several processes: a worker program, and the script that starts ranks of it. Without Gloo there is nothing to start.
find_package(Python3 3.9 REQUIRED COMPONENTS Interpreter)
if(VITRIM_GLOO_INCLUDE)
  add_executable(distributed_worker distributed/worker.cpp)
  target_compile_options(distributed_worker PRIVATE ${VITRIM_WARNINGS} -Wno-conversion -Wno-shadow -fPIC)
  set_target_properties(distributed_worker PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_precompile_headers(distributed_worker REUSE_FROM vitrim_pch)
  target_link_libraries(distributed_worker PRIVATE vitrim_distributed)
  add_test(NAME distributed_ranks COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/distributed_test.py)
  add_test(NAME program_ranks COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/program_ranks_test.py)
  add_test(NAME program_training COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/program_training_test.py)
  set_tests_properties(distributed_ranks program_ranks program_training PROPERTIES TIMEOUT 600 ENVIRONMENT
    "VITRIM_WORKER=$<TARGET_FILE:distributed_worker>;VITRIM_BINARY=$<TARGET_FILE:vitrim>;PYTHONDONTWRITEBYTECODE=1")
endif()
