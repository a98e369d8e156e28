#pragma once
// Budgets as a person says them: "latency<=12ms@batch1", "macs<=60%", "params<=5.1M".

#include <cstdint>
#include <string>

namespace vitrim::plan {

enum class Quantity { kLatency, kMacs, kParams };
std::string to_string(Quantity quantity);  ///< "latency", "macs", "params"

/// One limit, not yet held against a model.
struct Budget {
  std::string text;  ///< as it was said
  Quantity quantity = Quantity::kMacs;
  std::string amount;  ///< "60%", "12ms", "2.1G"
  int64_t batch = 0;   ///< of a latency, else 0
};

/// "QUANTITY<=AMOUNT", of latency "@batchN" after it (batch 1 where it is missing); spaces may stand
/// anywhere. Amounts are a share of the dense model, "60%"; of a latency also "12ms", "0.5s" or "800us" of
/// one call, of a count "2.1G", "350M", "900K" or a plain number. Throws std::invalid_argument that says what
/// is wrong and how it is right; an unknown quantity or unit names the nearest.
Budget parse_budget(const std::string& text);

/// What the budget allows where the dense model needs `dense` (seconds, multiply-adds or parameters). Throws
/// std::invalid_argument where that is more than it needs.
double limit_of(const Budget& budget, double dense);

/// Whether a latency that was timed beside the dense model's holds: a share counts of the dense model as it
/// ran in the same turns.
bool holds(const Budget& latency, double seconds, double dense_seconds);

/// "5.21 ms", "0.906 G", "4.573 M": a quantity for people.
std::string show(Quantity quantity, double value);

}  // namespace vitrim::plan
