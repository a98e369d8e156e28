// Writes the pages that the browser test opens: write_pages FOLDER.
#include <iostream>

#include "report/fixture.h"
#include "vitrim/core/atomic_file.h"
#include "vitrim/core/train_artifacts.h"
#include "vitrim/report/report.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: write_pages FOLDER\n";
    return 2;
  }
  using namespace vitrim;
  const std::string folder = argv[1];
  const auto write = [&](const std::string& name, const std::vector<report::Document>& documents,
                         const std::string& title) {
    write_text_file(folder + "/" + name, report::render(documents, title));
  };
  try {
    write("full.html", {{"runs/compress.json", to_json(fixture::compress())}},
          "ViT-Ti with three attention layers less");
    auto deep = fixture::scores("te", 24);
    deep.model = "vit_large";
    write("many.html",
          {{"runs/a.json", to_json(fixture::compress())},
           {"runs/a rather long name of a second compression, first three.json",
            to_json(fixture::compress({0, 1, 2}, 0.722))},
           {"runs/deep.json", to_json(deep)},
           {"runs/third.json", to_json(fixture::eval("an even smaller model", 0.741))},
           {"</script><img src=x>.json", to_json(fixture::eval("<b>odd</b>", 0.7))}},
          "Several results compared");
    auto unlabelled = fixture::compress();
    unlabelled.dense.reset();
    unlabelled.compressed.reset();
    unlabelled.paired.reset();
    unlabelled.scores.reset();
    unlabelled.compressed_spectrum = {};
    for (auto& control : unlabelled.controls) control.eval = {};
    write("unlabelled.html", {{"unlabelled.json", to_json(unlabelled)}}, "Without labelled images");
    write("eval.html", {{"eval.json", to_json(fixture::eval("vit_tiny.safetensors", 0.82))}},
          "One evaluation");
    const TrainResult dilution = fixture::training();
    const std::string log = fixture::training_log(dilution, dilution.epochs.size());
    write("dilution.html", {{"runs/dilution.json", to_json(dilution)}, {"runs/dilution.jsonl", log}},
          "A dilution");
    // One more than there are colours, a killed one with its last line cut off, and a long one.
    auto long_run = fixture::training({0, 1}, 300, false);
    std::string killed = fixture::training_log(fixture::training({2, 5}), 4, 3);
    killed.resize(killed.size() - 20);
    write("runs.html",
          {{"runs/dense.json", to_json(fixture::training({}))},
           {"runs/dilution.json", to_json(dilution)},
           {"runs/killed.jsonl", killed},
           {"runs/long.jsonl", fixture::training_log(long_run, 300)},
           {"runs/first.json", to_json(fixture::training({0, 1, 2}))},
           {"runs/last.json", to_json(fixture::training({9, 10, 11}))},
           {"runs/</script>.json", to_json(fixture::training({6}, 8))},
           {"runs/compress.json", to_json(fixture::compress())}},
          "Runs beside each other");
    write("merged.html", {{"runs/merged.json", to_json(fixture::merged())}}, "Merged tokens");
    write("int8.html", {{"runs/int8.json", to_json(fixture::quantized())}}, "Layers in int8");
    write("plan.html", {{"runs/plan.json", to_json(fixture::planned())}}, "Plan");
    write("speed.html", {{"runs/bench.json", to_json(fixture::bench())}}, "Speed");
    auto timed = fixture::compress();
    timed.output = "smaller.safetensors";
    write("latency.html",
          {{"runs/c.json", to_json(timed)},
           {"runs/bench.json", to_json(fixture::bench())},
           {"runs/peers.json", to_json(PeerResults{{{"another runtime", 32, 160, 0.81, {{0.78, 0.84}}}}})}},
          "Accuracy against speed");
    write("started.html", {{"runs/started.jsonl", fixture::training_log(fixture::training({}), 0, 4)}},
          "A run that has just begun");
  } catch (const std::exception& error) {
    std::cerr << "write_pages: " << error.what() << "\n";
    return 1;
  }
  return 0;
}
