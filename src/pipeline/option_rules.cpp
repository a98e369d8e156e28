#include "vitrim/pipeline/option_rules.h"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

#include "vitrim/prune/scores.h"
#include "vitrim/train/recipe.h"

namespace vitrim::pipeline {

namespace {

bool is_channel_criterion(const std::string& name) {
  try {
    prune::parse_channel_criterion(name);
    return true;
  } catch (const std::invalid_argument&) {
    return false;
  }
}

bool few_shot(const Asked& asked) { return asked.is("--few-shot"); }
bool by_apma(const Asked& asked) { return asked.value("--channels-by") == "apma"; }

// Whether heads may keep different numbers of channels, so that the model is masked and can't be written.
bool masked(const Asked& asked) {
  return (asked("--unequal-heads") && !asked.is("--unequal-heads")) ||
         (by_apma(asked) && asked.lists("--without", "proportions"));
}

// Whether apma, with the requested options, scores channels on images.
bool apma_looks(const Asked& asked) {
  const std::string first = asked.value("--begin-with"), similarity = asked.value("--similarity");
  const bool begins =
      !asked.lists("--without", "initialisation") && first != "random" && first != "magnitude";
  return begins || similarity.starts_with("activations") || similarity == "residual";
}

bool chooses_layers(const Asked& asked) {
  const bool many = asked("--remove"), named = asked("--remove-attention");
  return asked("--static") ? !(many && named) : many != named;
}

int ways_to_merge(const Asked& asked) {
  return !asked.value("--r").empty() + !asked.value("--schedule").empty() +
         !asked.value("--target-macs").empty();
}

bool writes_onnx(const Asked& asked) {
  const std::string format = asked.value("--format");
  return format.empty() ? !asked.value("--output").ends_with(".safetensors") : format == "onnx";
}

const std::string kNoFit = "{} belongs to the fit, which --no-absorb leaves out";
const std::string kNoTarget =
    "{} belongs to pruning channels, which needs --target-macs, --attention-macs or --target-params";
const std::string kNoChoice = "pass either --remove (how many) or --remove-attention (which)";
const std::string kNoStaticChoice =
    "pass --static (which layers to make static, or how many), --remove (how many layers to remove) or "
    "--remove-attention (which); the last two exclude each other";
const std::string kOnnxOnly =
    "{} is for --format onnx; a checkpoint takes any batch and has no class names and no ranges of inputs";

}  // namespace

const std::vector<OptionRule>& option_rules() {
  static const std::vector<std::string> kCompressing = {"compress", "sweep"};
  static const std::vector<std::string> kPruning = {"prune", "compress", "sweep"};
  static const std::vector<std::string> kTraining = {"prune", "train", "dilute"};
  // Which flags belong together.
  static const std::vector<std::string> kFit = {"fit", "--sweeps"};
  static const std::vector<std::string> kChannels = {"--scope", "--channels-by", "--unequal-heads",
                                                     "channels"};
  static const std::vector<std::string> kApma = {"--without",     "--similarity", "--begin-with",
                                                 "--begin-where", "--truncate",   "indicators"};
  static const std::vector<std::string> kOfTraining = [] {
    std::vector<std::string> names = {
        "--epochs",          "--batch-size",    "--learning-rate", "--warm-up-epochs",
        "--teacher",         "--resume",        "--state",         "--validate",
        "--keep-best",       "--track-entropy", "--eval-every",    "--device",
        "--state-minutes",   "--log",           "--log-every",     "--label-smoothing",
        "--dilution-epochs", "--schedule"};
    for (const std::string& key : train::recipe_keys()) names.push_back(key);
    return names;
  }();
  static const std::vector<std::string> kFewShot = {
      "--knn", "--train", "--probe", "--block-epochs", "fit.patches", "fit.batch", "fit.learning_rate"};
  static const std::vector<OptionRule> kRules = {
      // The choice of layers.
      {{"dilute"}, {}, [](const Asked& a) { return a("--remove") != a("--remove-attention"); }, kNoChoice},
      {{"compress"},
       {"--target-macs", "--attention-macs", "--target-params"},
       [](const Asked& a) { return a("--remove") || a("--remove-attention") || a("--static"); },
       "{} prunes channels after layers are made static or removed; pass --static, --remove or "
       "--remove-attention too, or --remove 0 to prune channels alone"},
      {{"compress"}, {}, chooses_layers, kNoStaticChoice},
      {{"sweep"},
       {"--search", "--criterion", "--both-criteria", "search"},
       [](const Asked& a) { return a.removes; },
       "{} has no effect: --remove selects no layers"},
      {{"compress"},
       {"--controls"},
       [](const Asked& a) { return (a("--remove") && !a.zero("--remove")) || a("--remove-attention"); },
       "{} compares sets of removed layers; pass --remove or --remove-attention too"},

      // The fit.
      {kPruning, kFit, [](const Asked& a) { return !a.is("--no-absorb"); }, kNoFit},
      {kCompressing, {"--epochs"}, [](const Asked& a) { return !a.is("--no-absorb"); }, kNoFit},
      {{"prune"}, {"--block-epochs"}, [](const Asked& a) { return !a.is("--no-absorb"); }, kNoFit},
      {{"compress"},
       {"--views", "--distill-epochs"},
       [](const Asked& a) { return !a.is("--no-absorb"); },
       kNoFit},
      {{"compress"},
       {"views.learning_rate"},
       [](const Asked& a) { return !a.zero("--views"); },
       "{} belongs to --views, which is 0"},
      {{"compress"},
       {"distill.learning_rate"},
       [](const Asked& a) { return !a.zero("--distill-epochs"); },
       "{} belongs to --distill-epochs, which is 0"},
      {{"compress"},
       {"views"},
       [](const Asked& a) { return !a.zero("--views") || !a.zero("--distill-epochs"); },
       "{} belongs to --views or --distill-epochs, which are 0"},
      {{"plan"},
       {"--no-absorb"},
       [](const Asked& a) { return !a.is("--no-absorb"); },
       "{}: a plan's losses are those of refitted models; leave it out"},

      // Channels. A wrong name of a criterion is refused earlier, where the name is read.
      {kPruning, kChannels, [](const Asked& a) { return a.prunes; }, kNoTarget},
      {kPruning, kApma, [](const Asked& a) { return a.prunes; }, kNoTarget},
      {kPruning, kApma,
       [](const Asked& a) { return by_apma(a) || !is_channel_criterion(a.value("--channels-by")); },
       "{} belongs to apma; --channels-by {--channels-by} has no such part"},
      {kPruning,
       {"channels.score_images"},
       [](const Asked& a) {
         return a.value("--channels-by") != "magnitude" && a.value("--channels-by") != "random";
       },
       "{} has no effect: {--channels-by} uses no images"},
      {kPruning,
       {"channels.score_images"},
       [](const Asked& a) { return !by_apma(a) || apma_looks(a); },
       "{} has no effect: with these parts of apma nothing is scored on images"},
      {kPruning,
       {"--begin-with", "--begin-where"},
       [](const Asked& a) { return !a.lists("--without", "initialisation"); },
       "{} has no effect with --without initialisation"},
      {kPruning,
       {"--attention-macs"},
       [](const Asked& a) { return !a.prunes || a.value("--scope") == "attention"; },
       "{} does not cover the MLP; use --target-macs with --scope {--scope}"},
      {kPruning,
       {"--attention-macs"},
       [](const Asked& a) { return !a("--target-macs"); },
       "{} and --target-macs exclude each other; pass one of them"},
      {{"prune", "compress"},
       {"--target-params"},
       [](const Asked& a) { return !a("--target-macs"); },
       "{} and --target-macs exclude each other; pass one of them"},
      {{"prune", "compress"},
       {"--target-params"},
       [](const Asked& a) { return !a("--attention-macs"); },
       "{} and --attention-macs exclude each other; pass one of them"},
      {{"compress"},
       {},
       [](const Asked& a) { return !masked(a); },
       "compress writes a model that was cut; heads of unequal widths can only be compared, by vitrim "
       "prune --few-shot"},
      {{"sweep"},
       {},
       [](const Asked& a) { return !masked(a); },
       "sweep writes models that were cut; heads of unequal widths can only be compared, by vitrim "
       "prune --few-shot"},

      // prune works in two ways: with --few-shot it refits, without it trains.
      {{"prune"},
       kOfTraining,
       [](const Asked& a) { return !few_shot(a); },
       "{} belongs to training, which --few-shot leaves out"},
      {{"prune"}, kFewShot, few_shot, "{} belongs to --few-shot, not to training"},
      {{"prune"},
       {},
       [](const Asked& a) { return a.prunes; },
       "state a target: --target-macs 70% (of the whole model), --attention-macs 60% (of its attention "
       "layers) or --target-params 80%"},
      {{"prune"},
       {"--quantize"},
       few_shot,
       "{} belongs to --few-shot: training changes weights, so run vitrim quantize on what it wrote"},
      {{"prune"},
       {"--quantize"},
       [](const Asked& a) { return !masked(a); },
       "heads of unequal widths can be compared, not written; leave {} out"},
      {{"prune"},
       {},
       [](const Asked& a) { return few_shot(a) || !masked(a); },
       "heads of unequal widths can't be cut, only compared: add --few-shot"},
      {{"prune"},
       {"--output"},
       [](const Asked& a) { return !masked(a); },
       "heads of unequal widths can be compared (leave -o out), not cut and written"},
      {{"prune"}, {}, [](const Asked& a) { return masked(a) || a("--output"); }, "--output is required"},
      {{"prune"},
       {"--eval-resize"},
       few_shot,
       "{} belongs to --few-shot; training evaluates on images as it trains on them"},

      // Training.
      {{"train"},
       {},
       [](const Asked& a) { return a("--spec") != a("--init"); },
       "pass either --spec (from scratch) or --init (fine-tune)"},
      {{"train"},
       {"--new-head"},
       [](const Asked& a) { return a("--init"); },
       "{} replaces the classifier of --init; a --spec states its own classes"},
      {{"train"},
       {"--new-head"},
       [](const Asked& a) { return !a("--head"); },
       "{} is for classifying images, --head for their pixels; pass one of the two"},
      {kTraining,
       {"--keep-best"},
       [](const Asked& a) { return a("--validate"); },
       "{} needs --validate: the best epoch must not be chosen on the images of the evaluation"},

      // Merging.
      {{"merge"},
       {},
       [](const Asked& a) { return ways_to_merge(a) == 1; },
       "state how much to merge in one of these ways: --r 13, --schedule 1:24 or --target-macs 60%"},
      {{"merge"},
       {"--auto"},
       [](const Asked& a) { return a("--target-macs"); },
       "{} needs a target: --target-macs 60%"},
      {{"merge"},
       {"--auto"},
       [](const Asked& a) { return a("--calib"); },
       "{} needs images to choose on: --calib DIR"},
      {{"merge"},
       {"--auto"},
       [](const Asked& a) { return a.zero("--start"); },
       "{} chooses where to start; omit --start"},
      {{"merge"},
       {"--schedule"},
       [](const Asked& a) { return a.zero("--start"); },
       "{} states where it starts; omit --start"},

      // Quantising.
      {{"quantize"},
       {"--images", "--held-out", "--budget-kl", "--ridge"},
       [](const Asked& a) { return a("--calib"); },
       "{} belongs to the calibration; pass --calib too"},

      // Evaluation and timing.
      {{"prune", "compress", "sweep", "merge", "quantize", "plan"},
       {"--eval-resize"},
       [](const Asked& a) { return a("--eval"); },
       "{} applies to the images of --eval; pass --eval too"},
      {{"compress", "sweep", "merge", "quantize", "plan"},
       {"--eval-images"},
       [](const Asked& a) { return a("--eval"); },
       "{} applies to the images of --eval; pass --eval too"},
      {{"prune", "compress", "sweep", "merge", "quantize", "plan"},
       {"--knn", "--train", "--probe"},
       [](const Asked& a) { return a("--eval"); },
       "--train, --knn and --probe control how the model is evaluated on the images of --eval, which is not "
       "given"},
      {{"eval"},
       {"--knn", "--train", "--probe"},
       [](const Asked& a) { return !a.is("--retrieval"); },
       "--retrieval compares with another model, --knn and --probe with labels; pass one"},
      {{"eval"},
       {"--retrieval"},
       [](const Asked& a) { return a("--against"); },
       "{} needs the model whose neighbours are right, usually the dense one: --against MODEL"},
      {{"eval"},
       {"--against", "--neighbours"},
       [](const Asked& a) { return a.is("--retrieval"); },
       "--against and --neighbours belong to --retrieval"},
      {{"prune", "compress", "sweep", "merge", "quantize", "plan", "eval"},
       {"--knn"},
       [](const Asked& a) { return !a.is("--probe"); },
       "--knn and --probe are two ways to evaluate features; pass one"},
      {{"prune", "compress", "sweep", "merge", "quantize", "plan", "eval"},
       {"--knn", "--probe"},
       [](const Asked& a) { return a("--train"); },
       "{} needs labelled reference images: --train DIR"},
      {{"bench"},
       {"--device"},
       [](const Asked& a) { return a.value("--device") != "cuda" || a.value("--engine") != "native"; },
       "the native engine runs on the CPU; pass --engine libtorch with --device cuda"},

      // Export.
      {{"export"}, {"--dynamic-batch", "--batch", "--classes", "--calib"}, writes_onnx, kOnnxOnly},
      {{"export"},
       {"--precision"},
       [](const Asked& a) { return a.value("--format") != "timm" || a.value("--precision") == "f32"; },
       "--format timm writes float32, which timm's class is built in; cast it there (model.half())"},
  };
  return kRules;
}

bool Asked::zero(const std::string& flag) const { return std::strtod(value(flag).c_str(), nullptr) == 0; }

bool Asked::lists(const std::string& flag, const std::string& part) const {
  return ("," + value(flag) + ",").find("," + part + ",") != std::string::npos;
}

namespace {

std::string filled(std::string sentence, const std::string& flag, const Asked& asked) {
  for (size_t from = sentence.find('{'); from != std::string::npos; from = sentence.find('{', from)) {
    const size_t to = sentence.find('}', from);
    const std::string name = sentence.substr(from + 1, to - from - 1);
    const std::string text = name.empty() ? flag : asked.value(name);
    sentence.replace(from, to + 1 - from, text);
    from += text.size();
  }
  return sentence;
}

}  // namespace

std::string broken_rule(const std::string& command, const Asked& asked) {
  for (const OptionRule& rule : option_rules()) {
    if (std::find(rule.commands.begin(), rule.commands.end(), command) == rule.commands.end()) continue;
    std::string passed;
    for (size_t i = 0; passed.empty() && i < rule.options.size(); ++i) passed = asked.passed(rule.options[i]);
    if (!rule.options.empty() && passed.empty()) continue;
    if (!rule.valid(asked)) return filled(rule.sentence, passed, asked);
  }
  return "";
}

}  // namespace vitrim::pipeline
