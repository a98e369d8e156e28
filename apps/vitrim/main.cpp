// vitrim: the command-line program. There is one file per subcommand; only run_program() catches errors.

#include <malloc.h>
#include <unistd.h>

#include <cstdlib>
#include <exception>

#include "command.h"
#include "help.h"
#include "help_format.h"
#include "signals.h"
#include "vitrim/core/manifest.h"
#include "vitrim/runtime/isa.h"

namespace {

// OpenMP's threads spin while they wait. On a machine with any other load they take the cores from the very
// work that they wait for (a factor of two to forty, docs/performance.md). OpenMP reads the policy when the
// library is loaded, so the program sets it and restarts itself.
void wait_asleep(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  setenv("OMP_WAIT_POLICY", "passive", 1);
  execv("/proc/self/exe", argv);  // returns only on failure; then the program continues without the policy
}

// Large tensors are allocated and freed thousands of times. If each were returned to the system, its pages
// would be zeroed every time (a tenth of all cycles).
void keep_memory() {
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
}

}  // namespace

int main(int argc, char** argv) {
  vitrim::app::begin_program("vitrim");
  try {
    vitrim::runtime::cap_libraries();  // the libraries read their limits once
  } catch (const std::exception& error) {
    return vitrim::app::fail(error.what());
  }
  wait_asleep(argv);
  keep_memory();
  vitrim::app::watch_signals();
  vitrim::app::Context context = vitrim::app::make_context(argc, argv);
  CLI::App app{"vitrim makes trained vision transformers smaller and faster", "vitrim"};
  app.set_version_flag(
      "--version",
      "vitrim " + vitrim::version() + (vitrim::git_commit().empty() ? "" : " (" + vitrim::git_commit() + ")"),
      "show the version");
  app.formatter(std::make_shared<vitrim::app::HelpFormat>());
  app.require_subcommand(1);
  vitrim::app::add_help_all(app);
  vitrim::app::add_commands(app, context);
  return vitrim::app::run_program(
      app, context, argc, argv,
      {[&] { return vitrim::app::first_help(app, argc, argv); }, [&] { vitrim::app::keep_short(app); }});
}
