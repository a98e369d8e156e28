// vitrim bench: measures the speed of models, interleaved.

#include "vitrim/bench/bench.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "command.h"
#include "core/counted.h"
#include "vitrim/architecture/infer.h"
#include "vitrim/core/atomic_file.h"
#include "vitrim/core/error.h"

namespace vitrim::app {

namespace {

struct BenchFlags {
  CommonFlags common;
  ModelFlags model;
  std::vector<std::string> against;
  std::string engine = "native", device = "cpu", report;
  bench::BenchOptions options;
};

// The last part of the path; "02_compress/model" for the folder of a step of `vitrim run`, because each
// step's folder has this name.
std::string short_name(const std::string& model) {
  std::filesystem::path path(model);
  if (!path.has_filename()) path = path.parent_path();  // "folder/" and "folder" are the same
  const std::string name = path.filename().string(), above = path.parent_path().filename().string();
  return name == "model" && !above.empty() ? above + "/" + name : name;
}

// The hints about MODEL apply to the others too, which are forms of the same model. Only MODEL may have a
// chosen set of weights in a file with several.
std::unique_ptr<model::Model> load_other(const BenchFlags& flags, const std::string& name) {
  architecture::LoadHints hints = flags.model.hints();
  hints.weights.clear();
  hints.num_classes.reset();
  try {
    return model::load_model(name, hints);
  } catch (const Error& error) {
    const std::string text = error.what();
    if (text.find("--weights") == std::string::npos) throw;
    throw Error(text + "; in bench --weights applies to MODEL only; write one set with vitrim export " +
                name + " --format safetensors --weights NAME and pass that file to --against");
  }
}

// "dense", "native:FILE", "libtorch:dense" or "FILE": a model, on the engine before the colon or on that of
// --engine.
bench::Entry entry(const BenchFlags& flags, const std::string& text,
                   const std::shared_ptr<model::Model>& own) {
  bench::Entry out;
  std::string name = text;
  std::string engine = flags.engine;
  for (const std::string known : {"native", "libtorch"}) {
    if (name.starts_with(known + ":")) {
      engine = known;
      name = name.substr(known.size() + 1);
    }
  }
  out.native = engine == "native";
  out.precision = runtime::parse_precision(flags.common.precision);
  if (name == "dense") {
    out.model = model::make_random_model(bench::dense_like(own->spec()), flags.common.seed);
    name = "dense form";
  } else if (name == "self") {
    out.model = own;
    name = short_name(flags.model.model);
  } else {
    out.model = load_other(flags, name);
    name = short_name(name);
  }
  out.name = name + ", " + engine;
  return out;
}

void print(const BenchResult& r) {
  tell("%s, %s; matrix peak %.2f TFLOP/s (tile loop %.2f, library %.2f); outputs agree to %.1e\n",
       counted(r.threads, "thread").c_str(),
       (r.rows.back().isa.empty() ? r.manifest.instruction_set : r.rows.back().isa).c_str(),
       std::max(r.tile_peak, r.library_peak), r.tile_peak, r.library_peak, r.output_difference);
  tell("  %-44s %5s %10s %23s %8s %6s %17s %9s\n", "model, engine", "batch", "images/s", "ms (p10..p90)",
       "TFLOP/s", "peak", "speed-up", "by MACs");
  for (const BenchRow& row : r.rows) {
    tell("  %-44s %5lld %10.1f %9.2f (%5.2f..%5.2f) %8.3f %5.1f%% %5.2f (%4.2f..%4.2f) %9.2f\n",
         (row.name + ", " + row.precision).c_str(), static_cast<long long>(row.batch), row.images_per_second,
         1e3 * row.latency, 1e3 * row.latency_p10, 1e3 * row.latency_p90, row.tflops, 100 * row.share_of_peak,
         row.speedup, row.speedup_p10, row.speedup_p90, row.predicted);
  }
  for (size_t i = 0; i < r.rows.size() && r.rows[i].batch == r.rows.front().batch; ++i) {
    const BenchRow& row = r.rows[i];
    if (row.weight_bytes == 0) continue;
    tell("  %s holds %.1f MB of weights and %.1f MB of working memory\n", row.name.c_str(),
         1e-6 * static_cast<double>(row.weight_bytes), 1e-6 * static_cast<double>(row.work_bytes));
  }
  tell("  peak memory of the whole process (all entries) %.0f MB\n",
       1e-6 * static_cast<double>(r.peak_memory));
}

void run(const BenchFlags& flags, const Context& context) {
  flags.common.apply();
  if (!flags.report.empty()) check_writable(flags.report);
  bench::BenchOptions options = flags.options;
  options.cuda = flags.device == "cuda";
  options.threads = flags.common.threads > 0 ? flags.common.threads : at::get_num_threads();
  options.seed = flags.common.seed;
  const std::shared_ptr<model::Model> own = flags.model.load("f32");
  // The reference comes first, because speed-ups are relative to the first entry.
  std::vector<bench::Entry> entries;
  for (const std::string& other : flags.against) entries.push_back(entry(flags, other, own));
  entries.push_back(entry(flags, "self", own));
  for (const bench::Entry& one : entries) {
    const std::string reason = one.native ? runtime::why_not(one.model->spec()) : "";
    if (!reason.empty()) throw Error(one.name + ": " + reason + " (--engine libtorch)");
    if (one.model->spec().image_size != own->spec().image_size)
      throw Error(one.name + " takes images of another size than " + flags.model.model);
  }
  BenchResult result = bench::run(entries, options);
  result.manifest = manifest_of(context, flags.common, "");
  result.manifest.threads = options.threads;
  const std::string json = to_json(result);
  OutputSet files;
  flags.common.write_json(json);
  write_report(flags.report, "bench", json, flags.model.model);
  files.commit();
  if (flags.common.speaks()) print(result);
}

}  // namespace

void add_bench(CLI::App& app, Context& context) {
  auto flags = std::make_shared<BenchFlags>();
  CLI::App* command =
      app.add_subcommand("bench", "measure a model's speed, against other models and engines, interleaved");
  flags->model.add_to(*command);
  command
      ->add_option(
          "--against", flags->against,
          "models to compare with, separated by commas: dense (MODEL's form before compression, with random "
          "weights), self, a checkpoint, or a known name; the prefix native: or libtorch: chooses the "
          "engine. "
          "--image-size and the flags that describe MODEL, such as --num-heads, apply to these models too")
      ->delimiter(',');
  command->add_option("--batch", flags->options.batches, "batch sizes to time, such as 1,32")
      ->delimiter(',')
      ->check(CLI::Range(1, 65536))
      ->default_str(
          "1,32");  // the form in which CLI11 shows lists depends on the headers of this source file
  command
      ->add_option("--engine", flags->engine,
                   "engine that is timed: native (vitrim's CPU engine) or libtorch")
      ->check(CLI::IsMember({"native", "libtorch"}))
      ->capture_default_str();
  command->add_option("--device", flags->device, "device to run on: cpu or cuda")
      ->check(CLI::IsMember({"cpu", "cuda"}))
      ->capture_default_str();
  command
      ->add_option("--rounds", flags->options.rounds, "number of rounds; every round calls each model once")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  command
      ->add_option("--warm-up", flags->options.warmup,
                   "number of seconds for which each model runs before it is timed")
      ->check(CLI::Range(0.0, 600.0))
      ->capture_default_str();
  command
      ->add_option("--peak-seconds", flags->options.peak_seconds,
                   "number of seconds for which each peak of the machine is measured")
      ->check(CLI::Range(0.0, 60.0))
      ->capture_default_str();
  command->add_option("--report", flags->report, "write an HTML page with a chart");
  flags->common.add_to(*command);
  command->callback([flags, &context] { context.run = [flags, &context] { run(*flags, context); }; });
}

}  // namespace vitrim::app
