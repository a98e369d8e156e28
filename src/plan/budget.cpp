#include "vitrim/plan/budget.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>
#include <stdexcept>
#include <vector>

#include "vitrim/core/macs_target.h"
#include "vitrim/core/suggest.h"

namespace vitrim::plan {

namespace {

constexpr const char* kForms = "write latency<=12ms@batch1, macs<=60% or params<=5.1M";

const std::map<std::string, double>& time_units() {
  static const std::map<std::string, double> units = {{"s", 1}, {"ms", 1e-3}, {"us", 1e-6}};
  return units;
}

[[noreturn]] void fail(const std::string& text, const std::string& what) {
  throw std::invalid_argument("budget '" + text + "': " + what);
}

Quantity quantity_of(const std::string& name, const std::string& text) {
  const std::vector<std::string> names = {"latency", "macs", "params"};
  for (const Quantity quantity : {Quantity::kLatency, Quantity::kMacs, Quantity::kParams}) {
    if (name == to_string(quantity)) return quantity;
  }
  if (name.empty()) fail(text, std::string("the quantity is missing; ") + kForms);
  fail(text, "unknown quantity '" + name + "'; did you mean '" + nearest(name, names) + "'?");
}

int64_t batch_of(const std::string& word, const std::string& text) {
  const std::string digits = word.starts_with("batch") ? word.substr(5) : "";
  if (digits.empty() || digits.size() > 5 || digits.find_first_not_of("0123456789") != std::string::npos ||
      std::stoll(digits) < 1 || std::stoll(digits) > 65536) {
    fail(text, "'@" + word + "' is not a batch size; write @batch1 or @batch32");
  }
  return std::stoll(digits);
}

// Checks everything that can be checked without a model: a share or a time, or a count.
void check_amount(const Budget& budget) {
  const Amount amount = parse_amount(budget.amount);
  const bool latency = budget.quantity == Quantity::kLatency;
  if (budget.amount.empty()) fail(budget.text, std::string("the amount is missing; ") + kForms);
  if (!(amount.value > 0) || !std::isfinite(amount.value))
    fail(budget.text, "'" + budget.amount + "' is not an amount above 0; " + kForms);
  if (amount.unit == "%") {
    if (amount.value > 100)
      fail(budget.text, budget.amount + " is more than the dense model needs; state a smaller budget");
    return;
  }
  if (!latency) {
    try {
      parse_count(budget.amount, std::numeric_limits<int64_t>::max(),
                  budget.quantity == Quantity::kMacs ? "MACs" : "parameters");
    } catch (const std::invalid_argument& error) {
      fail(budget.text, error.what());
    }
  } else if (!time_units().contains(amount.unit)) {
    std::vector<std::string> valid = {"ms", "s", "us", "%"};
    if (amount.unit.empty())
      fail(budget.text, "a latency needs a unit; did you mean " + budget.amount + "ms?");
    fail(budget.text,
         "unknown unit '" + amount.unit + "'; did you mean '" + nearest(amount.unit, valid) + "'?");
  }
}

}  // namespace

std::string to_string(Quantity quantity) {
  return quantity == Quantity::kLatency ? "latency" : quantity == Quantity::kMacs ? "macs" : "params";
}

Budget parse_budget(const std::string& text) {
  std::string tight;
  std::copy_if(text.begin(), text.end(), std::back_inserter(tight),
               [](char c) { return c != ' ' && c != '\t'; });
  const size_t relation = tight.find_first_of("<=>");
  if (relation == std::string::npos) fail(text, std::string("it has no '<='; ") + kForms);
  Budget budget;
  budget.text = tight;
  budget.quantity = quantity_of(tight.substr(0, relation), text);
  const size_t behind = tight.find_first_not_of("<=>", relation);
  const std::string sign = tight.substr(relation, behind == std::string::npos ? behind : behind - relation);
  if (sign != "<=") fail(text, "'" + sign + "' instead of '<='; a budget is an upper limit");
  std::string rest = behind == std::string::npos ? "" : tight.substr(behind);
  const size_t at = rest.find('@');
  if (budget.quantity == Quantity::kLatency) budget.batch = 1;
  if (at != std::string::npos) {
    if (budget.quantity != Quantity::kLatency)
      fail(text, "only a latency has a batch size; omit '" + rest.substr(at) + "'");
    budget.batch = batch_of(rest.substr(at + 1), text);
    rest = rest.substr(0, at);
  }
  budget.amount = rest;
  check_amount(budget);
  return budget;
}

namespace {

double seconds_allowed(const Budget& latency, double dense) {
  const Amount amount = parse_amount(latency.amount);
  return amount.unit == "%" ? amount.value / 100 * dense : amount.value * time_units().at(amount.unit);
}

}  // namespace

bool holds(const Budget& latency, double seconds, double dense_seconds) {
  return seconds <= seconds_allowed(latency, dense_seconds);
}

double limit_of(const Budget& budget, double dense) {
  if (budget.quantity != Quantity::kLatency) {
    try {
      return static_cast<double>(parse_count(budget.amount, std::llround(dense),
                                             budget.quantity == Quantity::kMacs ? "MACs" : "parameters"));
    } catch (const std::invalid_argument& error) {
      fail(budget.text, error.what());
    }
  }
  const double limit = seconds_allowed(budget, dense);
  if (limit > dense) {
    fail(budget.text, "the dense model needs " + show(budget.quantity, dense) +
                          " on this machine, which is within the budget already; state a smaller budget");
  }
  return limit;
}

std::string show(Quantity quantity, double value) {
  if (quantity != Quantity::kLatency) return giga(std::llround(value));
  char text[32];
  std::snprintf(text, sizeof text, "%.*f ms", value < 0.1 ? 3 : 1, 1e3 * value);
  return text;
}

}  // namespace vitrim::plan
