# The program driven from outside. Python scripts, which leave the results of their cases as a GoogleTest program does.
if(TARGET vitrim)
  foreach(script program checkpoints hostile outputs signals train prune merge quantize bench export plan sweep segmentation images folder run help)
    set(name ${script}_program)
    if(script STREQUAL program)
      set(name program)
    endif()
    set(threads 1)
    if(script MATCHES "^(segmentation|signals)$")  # several workers predict images of different sizes, or are stopped
      set(threads 2)
    endif()
    vitrim_python_test(${name} ${CMAKE_CURRENT_LIST_DIR}/${script}_test.py TIMEOUT 900 THREADS ${threads} ENVIRONMENT VITRIM_BINARY=$<TARGET_FILE:vitrim>)
  endforeach()
endif()
