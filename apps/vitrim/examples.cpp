#include "examples.h"

#include <map>
#include <string>
#include <vector>

namespace vitrim::app {
namespace {

// The examples run in the root of a checkout, in this order of commands; each takes seconds.
const std::map<std::string, std::vector<std::string>>& examples() {
  static const std::map<std::string, std::vector<std::string>> kExamples = {
      {"analyze",
       {"vitrim analyze models/synthetic_vit.safetensors --calib synthetic:calib:100 --remove 25% -o "
        "scores.json",
        "vitrim analyze models/synthetic_vit.safetensors --calib synthetic:calib:100 --remove 2 --criterion "
        "te --search exact -o exact.json"}},
      {"bench",
       {"vitrim bench models/synthetic_vit.safetensors --batch 1,8 --rounds 3",
        "vitrim bench deit_tiny_patch16_224 --against deit_small_patch16_224 --batch 1 --rounds 3 --warm-up "
        "0.2"}},
      {"completion", {"vitrim completion bash >vitrim.bash", "vitrim completion zsh >vitrim.zsh"}},
      {"compress",
       {"vitrim compress models/synthetic_vit.safetensors --calib synthetic:calib:100 --eval "
        "synthetic:test:200 --static 25% -o smaller.safetensors "
        "--report report.html",
        "vitrim compress models/synthetic_vit.safetensors --calib synthetic:calib:100 --remove 25% "
        "-o removed.safetensors"}},
      {"dilute",
       {"vitrim dilute models/synthetic_vit.safetensors --data synthetic:train:320 --recipe plain "
        "--remove-attention 1,4 --epochs 2 --dilution-epochs 1 "
        "-o diluted.safetensors"}},
      {"eval",
       {"vitrim eval models/synthetic_vit.safetensors --data synthetic:test:500",
        "vitrim eval models/synthetic_vit.safetensors --data synthetic:test:500 --engine native --precision "
        "f32"}},
      {"export",
       {"vitrim export models/synthetic_vit.safetensors --format onnx --dynamic-batch -o model.onnx",
        "vitrim export models/synthetic_vit.safetensors --format timm -o timm.safetensors"}},
      {"inspect",
       {"vitrim inspect models/synthetic_vit.safetensors",
        "vitrim inspect deit_base_patch16_224 --remove-attention 0,1,3,4,6"}},
      {"merge",
       {"vitrim merge models/synthetic_vit.safetensors --r 4 -o merged.safetensors",
        "vitrim merge models/synthetic_vit.safetensors --target-macs 80% --auto --calib synthetic:calib:64 "
        "-o merged_by_search.safetensors"}},
      {"plan",
       {"vitrim plan models/synthetic_vit.safetensors --budget \"macs<=80%\" --calib synthetic:calib:100 "
        "-o planned.safetensors"}},
      {"prune",
       {"vitrim prune models/synthetic_vit.safetensors --few-shot --data synthetic:calib:100 "
        "--attention-macs 70% --channels-by energy -o pruned.safetensors"}},
      {"quantize",
       {"vitrim quantize models/synthetic_vit.safetensors --calib synthetic:calib:64 -o int8.safetensors",
        "vitrim bench int8.safetensors --against models/synthetic_vit.safetensors --batch 32 --rounds 5"}},
      {"report",
       {"vitrim eval models/synthetic_vit.safetensors --data synthetic:test:200 --json eval.json",
        "vitrim report eval.json -o page.html"}},
      {"run",
       {"vitrim run vit_tiny --model models/synthetic_vit.safetensors --calib synthetic:calib:64 --eval "
        "synthetic:test:200 -o chain/ --dry-run"}},
      {"sweep",
       {"vitrim sweep models/synthetic_vit.safetensors --calib synthetic:calib:100 --eval synthetic:test:200 "
        "--remove 0,1 --attention-macs 100%,75% --channels-by energy "
        "-o swept"}},
      {"train",
       {"vitrim train --spec models/synthetic_vit.json --recipe plain --data synthetic:train:320 --epochs 1 "
        "-o trained.safetensors",
        "vitrim train --init models/synthetic_vit.safetensors --recipe plain --data synthetic:train:320 "
        "--epochs 1 -o tuned.safetensors"}},
  };
  return kExamples;
}

}  // namespace

void add_examples(CLI::App& app) {
  for (const auto& [name, commands] : examples()) {
    std::string text = "Examples in the root of a checkout:";
    for (const std::string& command : commands) text += "\n  " + command;
    CLI::App* const command = app.get_subcommand(name);
    const std::string settings = command->get_footer();
    command->footer(settings.empty() ? text : settings + "\n\n" + text);
  }
}

}  // namespace vitrim::app
