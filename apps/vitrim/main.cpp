// vitrim: the command-line program. One file per subcommand; errors are caught here and nowhere else.

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include "command.h"
#include "help.h"
#include "signals.h"
#include "streams.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"
#include "vitrim/core/manifest.h"
#include "vitrim/runtime/isa.h"

namespace {

// OpenMP's threads spin while they wait, which on a machine with anything else to do takes the cores from the
// very work they wait for (a factor of two to forty, docs/performance.md). The policy is read when the
// library is loaded, so the program starts itself anew with it.
void wait_asleep(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  setenv("OMP_WAIT_POLICY", "passive", 1);
  execv("/proc/self/exe", argv);  // returns only where that fails: then without
}

// Large tensors come and go by the thousand; given back to the system each time, their pages would be zeroed
// each time (a tenth of all cycles).
void keep_memory() {
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
}

// The first line of LibTorch's messages; the rest is its own stack. Of the library's own, without the
// function that says it.
std::string sentence(const std::string& text) {
  const std::string line = text.substr(0, text.find('\n'));
  const size_t end = line.find("] ");
  const bool named = line.starts_with('[') && end != std::string::npos &&
                     line.substr(0, end).find("::") != std::string::npos;
  return named ? line.substr(end + 2) : line;
}

int fail(const std::string& message) {
  std::cerr << "vitrim: " << vitrim::app::printable(message) << '\n';
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  vitrim::app::hold_standard_streams();
  try {
    vitrim::runtime::cap_libraries();  // they read their limits once
  } catch (const std::exception& error) {
    return fail(error.what());
  }
  wait_asleep(argv);
  keep_memory();
  vitrim::app::watch_signals();
  std::signal(SIGXFSZ, SIG_IGN);  // a file size limit then fails the write, with a sentence that says so
  vitrim::app::Context context = vitrim::app::make_context(argc, argv);
  CLI::App app{"vitrim makes trained vision transformers smaller and faster", "vitrim"};
  app.set_version_flag("--version",
                       "vitrim " + vitrim::version() +
                           (vitrim::git_commit().empty() ? "" : " (" + vitrim::git_commit() + ")"));
  app.require_subcommand(1);
  vitrim::app::add_help_all(app);
  vitrim::app::add_commands(app, context);
  try {
    std::vector<std::string> words = vitrim::app::expanded_arguments(argc, argv);
    std::reverse(words.begin(), words.end());  // as CLI11 takes them
    app.parse(std::move(words));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) {
      std::cerr << vitrim::app::first_help(app, argc, argv);
      return vitrim::app::report_usage(app, error, argc, argv);
    }
    if (error.get_name() == "CallForHelp") vitrim::app::keep_short(app);
    // Printed where a failure to print is caught.
    context.run = [text = vitrim::app::help_text(app, error)] { vitrim::app::write_standard_output(text); };
  }
  try {
    context.run();
    vitrim::app::check_standard_output();
    // Some file systems report a full disk or quota only here.
    if (std::fclose(stdout) != 0) return fail("cannot write to standard output: the disk may be full");
    return 0;
  } catch (const vitrim::app::UsageError& error) {
    fail(sentence(error.what()));
    return 2;
  } catch (const vitrim::Interrupted&) {
    return vitrim::app::say_stopped();
  } catch (const std::bad_alloc&) {
    return fail("out of memory; use fewer images (--images) or a smaller --batch-size");
  } catch (const std::exception& error) {
    return fail(sentence(error.what()));
  }
}
