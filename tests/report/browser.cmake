# The report opened in a real browser: node drives headless Chromium over its debugging pipe. Skipped, with a line that says so, where
# either is missing.
add_executable(report_pages ${CMAKE_CURRENT_LIST_DIR}/write_pages.cpp)
target_include_directories(report_pages PRIVATE ${CMAKE_CURRENT_LIST_DIR}/..)
target_link_libraries(report_pages PRIVATE vitrim_report vitrim_core)
# The tests of report look at its private parts too.
target_include_directories(report_tests BEFORE PRIVATE ${CMAKE_SOURCE_DIR}/src)
target_link_libraries(report_tests PRIVATE nlohmann_json::nlohmann_json)

set(_pages ${CMAKE_BINARY_DIR}/report/pages)
file(MAKE_DIRECTORY ${_pages})
find_program(VITRIM_NODE NAMES node nodejs)
add_test(NAME report_pages COMMAND report_pages ${_pages})
set_tests_properties(report_pages PROPERTIES FIXTURES_SETUP report_pages TIMEOUT 120)
if(VITRIM_NODE)
  add_test(NAME report_browser COMMAND ${VITRIM_NODE} ${CMAKE_CURRENT_LIST_DIR}/browser.mjs ${_pages})
else()
  add_test(NAME report_browser COMMAND ${CMAKE_COMMAND} -E echo "SKIPPED: node was not found, so the report was not opened in a browser")
endif()
set_tests_properties(report_browser PROPERTIES FIXTURES_REQUIRED report_pages TIMEOUT 300 SKIP_REGULAR_EXPRESSION "SKIPPED:")
