# The program driven from outside. Python scripts, which leave the results of their cases as a GoogleTest program does.
find_package(Python3 3.9 REQUIRED COMPONENTS Interpreter)
if(TARGET vitrim)
  # One thread: see docs/documents.cmake. Tests of threads say --threads.
  foreach(script program checkpoints hostile outputs signals train prune merge quantize bench export plan sweep segmentation images folder run help)
    set(name ${script}_program)
    if(script STREQUAL program)
      set(name program)
    endif()
    add_test(NAME ${name} COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/${script}_test.py)
    set_tests_properties(${name} PROPERTIES ENVIRONMENT "VITRIM_BINARY=$<TARGET_FILE:vitrim>;PYTHONDONTWRITEBYTECODE=1;OMP_NUM_THREADS=1" TIMEOUT 900)
  endforeach()
endif()
