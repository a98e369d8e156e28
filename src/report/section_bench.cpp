#include <set>

#include "core/counted.h"
#include "report/sections.h"

namespace vitrim::report {

void bench_section(Page& page, const Inputs& inputs) {
  if (inputs.benches.empty()) return;
  page.section("speed", "Speed", "Speed");
  for (const auto& item : inputs.benches) {
    const BenchResult& result = item.value;
    page.subheading(item.label);
    nlohmann::json rows = nlohmann::json::array();
    std::set<int64_t> batches;
    Table table("Every entry at every batch size, called interleaved",
                {"Model and engine", num("Batch"), num("Images/s"), num("ms a call"),
                 num("10th\u201390th percentile"), num("TFLOP/s"), num("Share of peak"), num("Speed-up"),
                 num("10th\u201390th percentile"), num("By MACs"), num("Weights, MB"), num("Work, MB")});
    for (const BenchRow& row : result.rows) {
      batches.insert(row.batch);
      const std::string name = row.name + ", " + row.precision;
      rows.push_back({{"name", name},
                      {"batch", row.batch},
                      {"speedup", number(row.speedup)},
                      {"low", number(row.speedup_p10)},
                      {"high", number(row.speedup_p90)},
                      {"predicted", number(row.predicted)},
                      {"rate", number(row.images_per_second)},
                      {"latency", number(1e3 * row.latency)}});
      table.row(
          {name, num(std::to_string(row.batch)), num(fixed(row.images_per_second, 1)),
           num(fixed(1e3 * row.latency, 2)),
           num(fixed(1e3 * row.latency_p10, 2) + "\u2013" + fixed(1e3 * row.latency_p90, 2)),
           num(fixed(row.tflops, 3)), num(percent(row.share_of_peak)), num(fixed(row.speedup, 2)),
           num(fixed(row.speedup_p10, 2) + "\u2013" + fixed(row.speedup_p90, 2)),
           num(fixed(row.predicted, 2)),
           num(row.weight_bytes > 0 ? fixed(1e-6 * static_cast<double>(row.weight_bytes), 1) : "\u2013"),
           num(row.work_bytes > 0 ? fixed(1e-6 * static_cast<double>(row.work_bytes), 1) : "\u2013")});
    }
    const std::string peak = fixed(std::max(result.tile_peak, result.library_peak), 2);
    page.figure({"bench",
                 "Measured speed against multiply-adds",
                 "Speed of each model relative to the first row, on " +
                     (result.device == "cpu" ? counted(result.threads, "thread") : result.device) +
                     ", and the speed that its multiply-adds alone would predict. All models were timed "
                     "interleaved, once per round; the machine's matrix peak was measured in the same run: " +
                     peak + " TFLOP/s.",
                 {{"rows", rows}, {"batches", batches}},
                 table.html()});
  }
}

}  // namespace vitrim::report
