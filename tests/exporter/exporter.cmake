# Exported files, read by other programs. The tests of the writer use its private headers too.
target_include_directories(exporter_tests PRIVATE ${CMAKE_SOURCE_DIR}/src)
target_link_libraries(exporter_tests PRIVATE vitrim_quantize nlohmann_json::nlohmann_json)
add_executable(export_references ${CMAKE_CURRENT_LIST_DIR}/write_references.cpp)
target_compile_options(export_references PRIVATE ${VITRIM_WARNINGS} -Wno-conversion -Wno-shadow -fPIC)
set_target_properties(export_references PROPERTIES POSITION_INDEPENDENT_CODE OFF)
target_include_directories(export_references PRIVATE ${CMAKE_CURRENT_LIST_DIR}/..)
target_link_libraries(export_references PRIVATE vitrim_exporter vitrim_surgery vitrim_quantize vitrim_data_tensors GTest::gtest)
target_precompile_headers(export_references REUSE_FROM vitrim_pch)

# ONNX Runtime, in the python that VITRIM_PEERS_PYTHON names. Not under sanitizers: their runtime would have to be loaded before Python.
if(TARGET vitrim AND TARGET vitrim_c AND NOT CMAKE_CXX_FLAGS MATCHES "sanitize")
  vitrim_python_test(export_onnxruntime ${CMAKE_CURRENT_LIST_DIR}/onnxruntime_test.py TIMEOUT 600 ENVIRONMENT
    VITRIM_BINARY=$<TARGET_FILE:vitrim> VITRIM_LIBRARY=$<TARGET_FILE:vitrim_c> VITRIM_REFERENCES=$<TARGET_FILE:export_references>)
  set_tests_properties(export_onnxruntime PROPERTIES SKIP_REGULAR_EXPRESSION "SKIPPED:")
endif()
