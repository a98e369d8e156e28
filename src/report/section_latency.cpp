// Accuracy against speed. A row of bench and an evaluation belong to the same model if they name the same
// file.

#include <optional>
#include <set>

#include "report/sections.h"

namespace vitrim::report {
namespace {

struct Judged {
  const EvalResult* eval;
  bool dense;
};

// Evaluations on the images of the first one, by the file of their model.
class Evaluations {
 public:
  explicit Evaluations(const Inputs& inputs) {
    for (const auto& item : inputs.compresses) {
      if (item.value.dense) add(item.value.model, *item.value.dense, true);
      if (item.value.compressed) add(item.value.output, *item.value.compressed, false);
    }
    for (const auto& item : inputs.evals) add(item.value.model, item.value, false);
  }
  std::optional<Judged> of(const BenchRow& row) const {
    std::string name = row.name;  // "FILE, ENGINE"
    if (const size_t comma = name.rfind(", " + row.engine); comma != std::string::npos) name.resize(comma);
    for (const auto& [file, judged] : known_) {
      if (file == name || (judged.dense && name == "dense form")) return judged;
    }
    return std::nullopt;
  }

 private:
  void add(const std::string& model, const EvalResult& eval, bool dense) {
    if (known_.empty() || same_images(*known_.front().second.eval, eval))
      known_.push_back({file_name(model), {&eval, dense}});
  }
  std::vector<std::pair<std::string, Judged>> known_;
};

// How the figure distinguishes models.
std::string kind_of(const BenchRow& row, bool dense) {
  if (row.precision.starts_with("int8")) return dense ? "dense, int8" : "int8";
  return dense ? "dense" : row.precision;
}

}  // namespace

void latency_section(Page& page, const Inputs& inputs) {
  const Evaluations evaluations(inputs);
  nlohmann::json rows = nlohmann::json::array();
  std::set<int64_t> batches;
  Table table("Accuracy and speed of each model",
              {"Model", "Kind", num("Batch"), num("Images/s"), num("ms an image"), num("Accuracy"),
               num("95 % interval")});
  const auto add = [&](const std::string& name, const std::string& kind, int64_t batch, double rate,
                       double value, const std::optional<std::pair<double, double>>& ci95) {
    batches.insert(batch);
    rows.push_back({{"name", name},
                    {"kind", kind},
                    {"batch", batch},
                    {"rate", number(rate)},
                    {"value", value},
                    {"low", ci95 ? ci95->first : value},
                    {"high", ci95 ? ci95->second : value}});
    table.row({name, kind, num(std::to_string(batch)), num(fixed(rate, 1)), num(fixed(1e3 / rate, 2)),
               num(percent(value)), num(ci95 ? interval(*ci95) : kDash)});
  };
  for (const auto& item : inputs.benches) {
    for (const BenchRow& row : item.value.rows) {
      const auto judged = evaluations.of(row);
      if (!judged) continue;
      add(row.name, kind_of(row, judged->dense), row.batch, row.images_per_second, judged->eval->headline(),
          judged->eval->headline_ci95());
    }
  }
  if (rows.empty()) return;
  for (const PeerRow& peer : inputs.peers) {
    if (!batches.contains(peer.batch)) continue;
    add(peer.name, "other programs", peer.batch, peer.images_per_second, peer.accuracy, peer.accuracy_ci95);
  }
  if (rows.size() < 2) return;
  page.section("latency", "Accuracy against speed", "Accuracy/speed");
  page.figure({"latency",
               "Accuracy against images a second",
               "Each dot is a model at one batch size, and its bar is the 95 % interval of its accuracy. "
               "Closer to the top right is better. Speeds are medians of interleaved rounds on one machine; "
               "those of other programs are the values in their file.",
               {{"rows", rows}, {"batches", batches}},
               table.html()});
}

}  // namespace vitrim::report
