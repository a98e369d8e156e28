// Training runs: the summary, the curves, and the flow of entropy from attention to MLPs.
#include <algorithm>
#include <cmath>

#include "report/paired.h"
#include "report/sections.h"

namespace vitrim::report {
namespace {

constexpr size_t kStepPoints = 500;  // largest number of points per run in a chart; more are averaged
constexpr size_t kFlowEpochs = 100;  // largest number of columns of a heat map; more are thinned out

std::string whole(double count) { return fixed(count, 0); }

std::string epochs_text(int64_t count) { return std::to_string(count) + (count == 1 ? " epoch" : " epochs"); }

int64_t epochs_done(const Training& run) {
  return run.result.epochs.empty() ? 0 : run.result.epochs.back().epoch;
}

std::string so_far(const Training& run) {
  const int64_t done = epochs_done(run);
  return run.planned > 0 ? std::to_string(done) + " of " + epochs_text(run.planned) : epochs_text(done);
}

/// A description of a run from its log, without a result document.
const char* open_end(const Training& run) {
  return run.planned > 0 && epochs_done(run) >= run.planned
             ? "from its log alone"
             : "from the log of a run that goes on or was stopped";
}

/// The progress of a run.
std::string status(const Training& run) {
  if (run.finished) return epochs_text(epochs_done(run));
  return so_far(run) + ", " + open_end(run);
}

bool dilutes(const Training& run) { return !run.result.removed.empty(); }

/// The first epoch after which no layer is diluted any more; 0 if there is none yet.
int64_t gone_after(const Training& run) {
  for (const EpochRecord& record : run.result.epochs) {
    if (record.lambda == 0) return record.epoch;
  }
  return 0;
}

std::string sentence(const Training& run) {
  const TrainResult& result = run.result;
  if (!dilutes(run)) return (run.finished ? "Trained for " : "In training, ") + status(run) + ".";
  const std::string layers =
      (result.removed.size() == 1 ? "The attention of block " : "The attention of blocks ") +
      layer_names(result.removed);
  if (gone_after(run) > 0 && run.finished)
    return layers + ", diluted away within " + epochs_text(gone_after(run)) + " of " +
           std::to_string(epochs_done(run)) + ".";
  const double lambda = !result.steps.empty()    ? result.steps.back().lambda
                        : !result.epochs.empty() ? result.epochs.back().lambda
                                                 : 1;
  return layers + (lambda == 0 ? ", diluted away" : ", diluted to " + significant(lambda) + " so far") +
         ": " + status(run) + ".";
}

std::string note_of_interval(const EvalResult& eval) {
  return "95 % interval " + interval(eval.headline_ci95()) + ", " + std::to_string(eval.images) + " images";
}

void add_cost(std::vector<Card>& cards, const std::string& name, int64_t before, int64_t after) {
  const double from = static_cast<double>(before), to = static_cast<double>(after);
  cards.push_back({name, compact(to),
                   before > 0 && before != after ? "from " + compact(from) + ", " + change(from, to) : ""});
}

std::vector<Card> cards_of(const Training& run) {
  const TrainResult& result = run.result;
  std::vector<Card> cards;
  if (result.evaluation) {
    std::string note = note_of_interval(*result.evaluation);
    if (result.dense)
      note += "; before " + percent(result.dense->headline()) + " " + interval(result.dense->headline_ci95());
    cards.push_back({metric_name(*result.evaluation), percent(result.evaluation->headline()), note});
  }
  if (result.paired) {
    const bool tested = !std::isnan(result.paired->mcnemar_p);
    cards.push_back(
        {std::string("Change in ") + (result.evaluation ? result.evaluation->headline_name() : "top-1"),
         signed_fixed(100 * result.paired->difference, 1) + " points",
         "95 % interval " + interval(result.paired->ci95, true) + " on the same images" +
             (tested ? "; McNemar " + p_value(result.paired->mcnemar_p) : "")});
  }
  if (result.evaluation && result.evaluation->params > 0) {
    add_cost(cards, "Parameters", result.dense ? result.dense->params : 0, result.evaluation->params);
    add_cost(cards, "MACs per image", result.dense ? result.dense->macs : 0, result.evaluation->macs);
  }
  if (!run.finished) {
    const std::string done = std::to_string(epochs_done(run));
    cards.push_back({"Epochs", run.planned > 0 ? done + " of " + std::to_string(run.planned) : done,
                     "from the log; accuracy with intervals comes with the result document"});
  }
  if (!result.epochs.empty()) {
    const EpochRecord& last = result.epochs.back();
    cards.push_back({"Loss", significant(last.loss),
                     "mean over epoch " + std::to_string(last.epoch) + ", " + whole(last.images_per_second) +
                         " images a second"});
  } else if (!result.steps.empty()) {
    const StepRecord& last = result.steps.back();
    cards.push_back({"Loss", significant(last.loss), "of step " + std::to_string(last.step)});
  }
  if (run.finished) {
    cards.push_back({"Time", duration(result.seconds),
                     result.chosen_epoch > 0
                         ? "weights of epoch " + std::to_string(result.chosen_epoch) + " were exported"
                         : ""});
  }
  return cards;
}

/// Steps per epoch, from the last epoch in the log.
double steps_per_epoch(const TrainResult& result) {
  const EpochRecord& last = result.epochs.back();
  return last.epoch > 0 && last.step > 0 ? static_cast<double>(last.step) / static_cast<double>(last.epoch)
                                         : 1;
}

nlohmann::json epochs_json(const TrainResult& result, bool by_step) {
  nlohmann::json rows = nlohmann::json::array();
  for (const EpochRecord& r : result.epochs) {
    rows.push_back({{"x", by_step ? r.step : r.epoch},
                    {"epoch", r.epoch},
                    {"loss", number(r.loss)},
                    {"rate", number(r.learning_rate)},
                    {"lambda", number(r.lambda)},
                    {"speed", number(r.images_per_second)},
                    {"memory", number(r.memory_gib)},
                    {"top1", number(r.headline(false))},
                    {"ema", number(r.headline(true))}});
  }
  return rows;
}

/// At most kStepPoints means of neighbouring lines.
nlohmann::json steps_json(const TrainResult& result, bool by_step) {
  const double scale = by_step ? 1 : steps_per_epoch(result);
  const size_t size = result.steps.size(), bucket = size / kStepPoints + 1;
  nlohmann::json rows = nlohmann::json::array();
  for (size_t begin = 0; begin < size; begin += bucket) {
    const size_t end = std::min(size, begin + bucket);
    double loss = 0, speed = 0;
    for (size_t i = begin; i < end; ++i) {
      loss += result.steps[i].loss;
      speed += result.steps[i].images_per_second;
    }
    const StepRecord& last = result.steps[end - 1];
    rows.push_back({{"x", static_cast<double>(last.step) / scale},
                    {"step", last.step},
                    {"loss", number(loss / static_cast<double>(end - begin))},
                    {"rate", number(last.learning_rate)},
                    {"lambda", number(last.lambda)},
                    {"speed", number(speed / static_cast<double>(end - begin))},
                    {"memory", number(last.memory_gib)}});
  }
  return rows;
}

std::string top1_text(double top1) { return std::isfinite(top1) ? percent(top1) : kDash; }

void add_rows(Table& table, const Named<Training>& item, bool named) {
  const TrainResult& result = item.value.result;
  const auto row = [&](const std::string& place, std::vector<Cell> cells, bool marked) {
    std::vector<Cell> all;
    if (named) all.push_back(item.label);
    all.push_back(num(place));
    all.insert(all.end(), cells.begin(), cells.end());
    table.row(all, marked);
  };
  for (const EpochRecord& r : result.epochs) {
    row(std::to_string(r.epoch),
        {num(fixed(r.loss, 4)), num(significant(r.learning_rate)), num(significant(r.lambda)),
         num(top1_text(r.headline(false))), num(top1_text(r.headline(true))), num(significant(r.te)),
         num(whole(r.images_per_second)), num(fixed(r.memory_gib, 2))},
        item.value.finished && r.epoch == result.chosen_epoch);
  }
  // The epoch in which the log ends.
  if (!result.steps.empty() &&
      (result.epochs.empty() || result.steps.back().step > result.epochs.back().step)) {
    const StepRecord& r = result.steps.back();
    row(std::to_string(r.epoch) + ", to step " + std::to_string(r.step),
        {num(fixed(r.loss, 4)), num(significant(r.learning_rate)), num(significant(r.lambda)), num(kDash),
         num(kDash), num(kDash), num(whole(r.images_per_second)), num(fixed(r.memory_gib, 2))},
        false);
  }
}

void curves_figure(Page& page, const Inputs& inputs) {
  const bool named = inputs.trainings.size() > 1;
  // If a run has not logged the length of an epoch yet, all runs are drawn by step.
  bool by_step = false, steps = false, ema = false, any = false, diluted = false, pixels = false;
  for (const auto& item : inputs.trainings) {
    const TrainResult& result = item.value.result;
    by_step |= result.epochs.empty() && !result.steps.empty();
    steps |= !result.steps.empty();
    diluted |= dilutes(item.value);
    any |= !result.steps.empty() || !result.epochs.empty();
    for (const EpochRecord& r : result.epochs) {
      ema |= std::isfinite(r.headline(true));
      pixels |= r.miou.has_value();
    }
  }
  if (!any) {
    page.paragraph("Only the start of the run has been logged so far.");
    return;
  }
  std::vector<Cell> header{num("Epoch"),
                           num("Loss"),
                           num("Learning rate"),
                           num("Lambda"),
                           num(pixels ? "mIoU" : "Top-1"),
                           num(pixels ? "mIoU, averaged weights" : "Top-1, averaged weights"),
                           num("TE, nats"),
                           num("Images a second"),
                           num("Memory, GiB")};
  if (named) header.insert(header.begin(), "Run");
  Table table("Every epoch", header);
  nlohmann::json runs = nlohmann::json::array();
  for (const auto& item : inputs.trainings) {
    const TrainResult& result = item.value.result;
    add_rows(table, item, named);
    runs.push_back({{"name", named ? item.label : result.task},
                    {"chosen", item.value.finished ? result.chosen_epoch : 0},
                    {"finished", item.value.finished},
                    {"epochs", epochs_json(result, by_step)},
                    {"steps", steps_json(result, by_step)}});
  }
  std::string caption =
      by_step ? "Single steps, because no epoch is complete yet in one of the logs" : "Means over each epoch";
  if (steps && !by_step) caption += ", with the loss of single steps as thin lines";
  caption += ". ";
  if (diluted)
    caption +=
        "Lambda is what is left of the diluted attention: once it has reached 0, the model runs without it. ";
  if (ema) caption += "Dashed: the averaged weights. ";
  caption += named
                 ? "Compare the runs by their accuracy with its intervals, not by the last point of a curve."
                 : "The evaluations during the run show its direction; judge the result by its accuracy with "
                   "the interval.";
  page.figure(
      {"curves",
       std::string(named ? "The runs, " : "The run, ") + (by_step ? "step by step" : "epoch by epoch"),
       caption,
       {{"runs", runs}, {"unit", by_step ? "step" : "epoch"}, {"metric", pixels ? "mIoU" : "Top-1"}},
       table.html()});
}

/// Key figures of several runs, each compared with the first run on the same images; so a diluted model is
/// compared with a dense one that was trained as long.
void runs_table(Page& page, const Inputs& inputs) {
  const auto& first = inputs.trainings.front();
  Table table(
      "Key figures of each run",
      {"Run", "Removed layers", "Chosen by", "Epochs", num("Top-1"), num("95 % interval"),
       num("Change by the run"), num("95 % interval"), num("McNemar"), num("Change to " + first.label),
       num("95 % interval"), num("McNemar"), num("Parameters"), num("MACs"), num("Time")});
  for (const auto& item : inputs.trainings) {
    const TrainResult& result = item.value.result;
    const std::optional<EvalResult>& eval = result.evaluation;
    std::optional<PairedResult> against;
    if (&item != &first && eval && first.value.result.evaluation && !eval->segmentation &&
        same_images(*first.value.result.evaluation, *eval))
      against = compare_paired(first.value.result.evaluation->correct, eval->correct);
    const auto paired = [](const std::optional<PairedResult>& p, std::vector<Cell>& cells) {
      cells.push_back(num(p ? signed_fixed(100 * p->difference, 1) : kDash));
      cells.push_back(num(p ? interval(p->ci95, true) : kDash));
      cells.push_back(num(p ? p_value(p->mcnemar_p) : kDash));
    };
    std::vector<Cell> cells{item.label,
                            layer_names(result.removed),
                            result.reason.empty() ? kDash : result.reason.c_str(),
                            so_far(item.value) + (item.value.finished ? "" : ", log alone"),
                            num(eval ? percent(eval->headline()) : kDash),
                            num(eval ? interval(eval->headline_ci95()) : kDash)};
    paired(result.paired, cells);
    paired(against, cells);
    cells.push_back(num(eval ? compact(static_cast<double>(eval->params)) : kDash));
    cells.push_back(num(eval ? compact(static_cast<double>(eval->macs)) : kDash));
    cells.push_back(num(item.value.finished ? duration(result.seconds) : kDash));
    table.row(cells);
  }
  page.raw(table.html());
}

bool tracked(const EpochRecord& record) {
  return !record.attention_entropy.empty() || !record.mlp_entropy.empty();
}

/// Epochs with entropies, at most kFlowEpochs of them: evenly spread, the first and the last among them.
std::vector<const EpochRecord*> flow_epochs(const TrainResult& result) {
  std::vector<const EpochRecord*> all;
  for (const EpochRecord& record : result.epochs) {
    if (tracked(record)) all.push_back(&record);
  }
  if (all.size() <= kFlowEpochs) return all;
  std::vector<const EpochRecord*> some;
  for (size_t i = 0; i < kFlowEpochs; ++i) some.push_back(all[i * (all.size() - 1) / (kFlowEpochs - 1)]);
  return some;
}

double at(const std::vector<double>& values, size_t i) {
  return i < values.size() ? values[i] : std::nan("");
}

/// The last figure of a layer, and its first.
std::pair<double, double> ends(const std::vector<const EpochRecord*>& epochs, bool attention, size_t block) {
  std::pair<double, double> out{std::nan(""), std::nan("")};
  for (const EpochRecord* record : epochs) {
    const double value = at(attention ? record->attention_entropy : record->mlp_entropy, block);
    if (!std::isfinite(value)) continue;
    if (!std::isfinite(out.first)) out.first = value;
    out.second = value;
  }
  return out;
}

void flow_figure(Page& page, const Training& run) {
  const std::vector<const EpochRecord*> epochs = flow_epochs(run.result);
  size_t blocks = 0;
  nlohmann::json columns = nlohmann::json::array();
  for (const EpochRecord* record : epochs) {
    blocks = std::max({blocks, record->attention_entropy.size(), record->mlp_entropy.size()});
    nlohmann::json attention = nlohmann::json::array(), mlp = nlohmann::json::array();
    for (double value : record->attention_entropy) attention.push_back(number(value));
    for (double value : record->mlp_entropy) mlp.push_back(number(value));
    columns.push_back({{"epoch", record->epoch},
                       {"lambda", number(record->lambda)},
                       {"te", number(record->te)},
                       {"attention", attention},
                       {"mlp", mlp}});
  }
  Table table("Entropy of each layer at the first and last measured epoch, nats",
              {num("Block"), num("Attention, first"), num("last"), num("change"), num("MLP, first"),
               num("last"), num("change")});
  for (size_t block = 0; block < blocks; ++block) {
    std::vector<Cell> cells{num(std::to_string(block))};
    for (const bool attention : {true, false}) {
      const auto [first, last] = ends(epochs, attention, block);
      cells.insert(cells.end(),
                   {num(fixed(first, 1)), num(fixed(last, 1)), num(signed_fixed(last - first, 1))});
    }
    const auto& removed = run.result.removed;
    table.row(cells, std::find(removed.begin(), removed.end(), static_cast<int>(block)) != removed.end());
  }
  const bool diluted = dilutes(run);
  page.figure({"flow",
               diluted ? "Information leaves the attention" : "Entropy of every layer, epoch by epoch",
               std::string("How far each layer's entropy has moved since the first measured epoch: down is "
                           "blue, up is orange. ") +
                   (diluted ? "As lambda falls (the curve on top), the attention of the outlined blocks "
                              "fades out; where the MLPs of the same blocks turn orange, they have taken "
                              "over what it carried, and a transfer entropy that is small before lambda "
                              "reaches 0 shows that the output no longer depends on it. "
                            : "Layers that gain entropy carry more of the information."),
               {{"epochs", columns}, {"blocks", blocks}, {"removed", run.result.removed}},
               table.html()});
}

}  // namespace

std::string training_head(const Inputs& inputs) {
  std::string out;
  if (inputs.trainings.size() > 1) {
    size_t open = 0;
    for (const auto& item : inputs.trainings) open += !item.value.finished;
    out += "<p class=\"lede\">" + std::to_string(inputs.trainings.size()) + " training runs compared.</p>";
    if (open > 0) {
      std::string names;
      for (const auto& item : inputs.trainings) {
        if (!item.value.finished)
          names += (names.empty() ? "" : "; ") + item.label + ", " + status(item.value);
      }
      out += "<p class=\"context\">" + escape("From logs alone: " + names + ".") + "</p>";
    }
    return out;
  }
  const Training& run = inputs.trainings.front().value;
  const TrainResult& result = run.result;
  out += "<p class=\"lede\">" + escape(sentence(run)) + "</p>";
  std::string context = result.init.empty() ? "" : "Started from " + result.init + ".";
  if (!result.reason.empty()) context += " " + chosen_by(result.reason);
  if (result.evaluation) context += " Evaluated on " + result.evaluation->data + ".";
  if (!context.empty()) out += "<p class=\"context\">" + escape(context) + "</p>";
  return out + cards_html(cards_of(run));
}

void training_section(Page& page, const Inputs& inputs) {
  if (inputs.trainings.empty()) return;
  page.section("training", "Training", "Training");
  if (inputs.trainings.size() > 1) runs_table(page, inputs);
  curves_figure(page, inputs);
}

void flow_section(Page& page, const Inputs& inputs) {
  const auto has = [](const auto& item) {
    const auto& epochs = item.value.result.epochs;
    return std::any_of(epochs.begin(), epochs.end(), tracked);
  };
  if (std::none_of(inputs.trainings.begin(), inputs.trainings.end(), has)) return;
  page.section("flow", "Where the information goes", "Information");
  for (const auto& item : inputs.trainings) {
    if (!has(item)) continue;
    page.subheading(item.label);
    flow_figure(page, item.value);
  }
}

}  // namespace vitrim::report
