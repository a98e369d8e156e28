// A page from a build without chart libraries (VITRIM_BUILD_REPORT=OFF): it has its tables and no script.
// This program defines the empty assets, so the linker leaves out those of the library.
#include <iostream>
#include <string>

#include "report/fixture.h"
#include "vitrim/report/report.h"

int main() {
  using namespace vitrim;
  const std::string page =
      report::render({{"compress.json", to_json(fixture::compress())}}, "Without charts");
  int failed = 0;
  const auto expect = [&](bool holds, const char* what) {
    if (!holds) std::cerr << "FAILED: " << what << "\n";
    failed += !holds;
  };
  // Data for charts stays, as JSON that no browser runs.
  expect(page.find("<script>") == std::string::npos, "the page runs no script");
  expect(page.find("<table") != std::string::npos, "the page holds tables");
  expect(page.find("<style>") != std::string::npos && page.find("--surface:") != std::string::npos,
         "the page holds its style");
  expect(page.ends_with("</body>\n</html>\n"), "the page is whole");
  return failed ? 1 : 0;
}
