#pragma once
// Budgets as a user types them: "latency<=12ms@batch1", "macs<=60%", "params<=5.1M".

#include <cstdint>
#include <string>

namespace vitrim::plan {

enum class Quantity { kLatency, kMacs, kParams };
std::string to_string(Quantity quantity);  ///< "latency", "macs", "params"

/// One limit, not yet compared with a model.
struct Budget {
  std::string text;  ///< as the user wrote it
  Quantity quantity = Quantity::kMacs;
  std::string amount;  ///< "60%", "12ms", "2.1G"
  int64_t batch = 0;   ///< batch size of a latency; else 0
};

/// Parses "QUANTITY<=AMOUNT"; for a latency "@batchN" may follow (default: batch 1); spaces are ignored. An
/// amount is a share of the dense model, "60%". For the latency of one call it may also be "12ms", "0.5s" or
/// "800us"; for a count, "2.1G", "350M", "900K" or a plain number. Throws std::invalid_argument that names
/// the fault and the remedy; an unknown quantity or unit comes with the nearest valid one.
Budget parse_budget(const std::string& text);

/// The limit that the budget sets if the dense model needs `dense` (seconds, multiply-adds or parameters).
/// Throws std::invalid_argument if the limit is more than it needs.
double limit_of(const Budget& budget, double dense);

/// Whether a model's latency of `seconds` meets the budget, if the dense model took `dense_seconds` in the
/// same interleaved timing. A share refers to this time of the dense model.
bool holds(const Budget& latency, double seconds, double dense_seconds);

/// A quantity as text for the user: "5.21 ms", "0.906 G", "4.573 M".
std::string show(Quantity quantity, double value);

}  // namespace vitrim::plan
