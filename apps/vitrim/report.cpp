// vitrim report: renders result files as one page.

#include "vitrim/report/report.h"

#include <cstdio>

#include "command.h"
#include "core/json.h"
#include "vitrim/core/atomic_file.h"

namespace vitrim::app {

namespace {

struct ReportFlags {
  CommonFlags common;
  std::vector<std::string> files;
  std::string output;
  std::string title = "vitrim report";
};

void run(const ReportFlags& flags) {
  flags.common.apply();
  check_writable(flags.output);
  std::vector<report::Document> documents;
  for (const std::string& file : flags.files) documents.push_back({file, read_text_file(file)});
  OutputSet files;
  write_text_file(flags.output, report::render(documents, flags.title));
  flags.common.write_json(json::dump({{"report", flags.output}}, -1));
  files.commit();
  if (flags.common.speaks()) tell("wrote %s\n", flags.output.c_str());
}

}  // namespace

void add_report(CLI::App& app, Context& context) {
  auto flags = std::make_shared<ReportFlags>();
  CLI::App* command = app.add_subcommand("report", "show result files on one self-contained HTML page");
  command
      ->add_option("FILE", flags->files,
                   "JSON files written by analyze, compress, prune, merge, quantize, sweep, plan, eval, "
                   "bench, train and "
                   "dilute, logs of training runs, and results of other programs (JSON of the kind peers)")
      ->required();
  command->add_option("-o,--output", flags->output, "HTML page to write")->required();
  command->add_option("--title", flags->title, "heading of the page")->capture_default_str();
  flags->common.add_to(*command, /*computes=*/false);
  command->callback([flags, &context] { context.run = [flags] { run(*flags); }; });
}

}  // namespace vitrim::app
