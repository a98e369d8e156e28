// vitrim: the command-line program. One file per subcommand; errors are caught here and nowhere else.

#include <csignal>
#include <exception>
#include <iostream>

#include "command.h"
#include "terminal_sink.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"
#include "vitrim/core/manifest.h"

namespace {

void on_signal(int) { vitrim::request_cancel(); }

// The first line of LibTorch's messages; the rest is its own stack.
std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

int fail(const std::string& message) {
  std::cerr << "vitrim: " << message << '\n';
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  vitrim::app::Context context = vitrim::app::make_context(argc, argv);
  CLI::App app{"vitrim makes trained vision transformers smaller and faster", "vitrim"};
  app.set_version_flag("--version", "vitrim " + vitrim::version());
  app.require_subcommand(1);
  vitrim::app::add_commands(app, context);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return vitrim::app::report_usage(app, error, argc, argv);
  }
  try {
    context.run();
    return 0;
  } catch (const vitrim::app::UsageError& error) {
    std::cerr << "vitrim: " << error.what() << '\n';
    return 2;
  } catch (const vitrim::Interrupted&) {
    fail("stopped");
    return 130;
  } catch (const std::bad_alloc&) {
    return fail("out of memory; use fewer images (--images) or a smaller --batch-size");
  } catch (const std::exception& error) {
    return fail(first_line(error.what()));
  }
}
