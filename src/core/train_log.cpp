#include "core/artifact_fields.h"
#include "vitrim/core/error.h"

namespace vitrim {

using json::Json;
using json::Place;
using json::Reader;
using json::Writer;

namespace {

/// The text before the next line end, which is removed from `rest`; `ended`: whether there was one.
std::string_view next_line(std::string_view& rest, bool& ended) {
  const size_t end = rest.find('\n');
  ended = end != std::string_view::npos;
  std::string_view line = rest.substr(0, end);
  rest = ended ? rest.substr(end + 1) : std::string_view();
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

bool is_json(std::string_view text) { return json::try_parse(text).has_value(); }

/// Removes lines from `step` on, which were written before a kill and are repeated.
template <typename T>
void forget_from(std::vector<T>& records, int64_t step) {
  while (!records.empty() && records.back().step >= step) records.pop_back();
}

}  // namespace

std::string log_header(const TrainResult& result) {
  Writer f;
  head_fields(f, result);
  f("event", "start");
  return json::dump(f.json(), -1);
}

std::string log_line(const StepRecord& record) {
  Writer f;
  f("event", "step");
  fields(f, record);
  return json::dump(f.json(), -1);
}

std::string log_line(const EpochRecord& record) {
  Writer f;
  fields(f, record);
  f("event", "epoch");
  return json::dump(f.json(), -1);
}

std::string to_json_line(const EpochRecord& record) { return json::dump(json::write(record), -1); }

EpochRecord epoch_record_from_json(std::string_view text, const std::string& source) {
  return json::from_text<EpochRecord>(text, source);
}

bool is_train_log(std::string_view text) {
  bool ended = false;
  const std::string_view line = next_line(text, ended);
  if (!line.starts_with('{')) return false;
  const std::optional<Json> json = json::try_parse(line);
  return json && json->is_object() && json->contains("event");
}

TrainResult train_result_from_log(std::string_view lines, const std::string& source) {
  if (lines.empty()) throw FormatError(source, "", "the log is empty");
  TrainResult result;
  bool ended = true;
  for (int64_t number = 1; !lines.empty(); ++number) {
    const std::string_view line = next_line(lines, ended);
    if (number > 1 && (line.empty() || (!ended && !is_json(line)))) continue;
    const std::string here = source + ": line " + std::to_string(number);
    const Json json = json::parse(line, here);
    Reader f(json, Place{&here, ""});
    std::string event;
    f("event", event);
    if (number == 1) {
      if (event != "start") f.place("event").fail("is '" + event + "', but a log begins with 'start'");
      head_fields(f, result);
      f.finish();
    } else if (event == "step") {
      StepRecord record;
      fields(f, record);
      f.finish();
      forget_from(result.steps, record.step);
      forget_from(result.epochs, record.step);
      result.steps.push_back(record);
    } else if (event == "epoch") {
      EpochRecord record;
      fields(f, record);
      f.finish();
      // Its last step was logged before it.
      forget_from(result.steps, record.step + 1);
      forget_from(result.epochs, record.step);
      result.epochs.push_back(std::move(record));
    } else if (event == "start") {
      f.place("event").fail("a second run begins; pass every log as its own file");
    } else {
      f.place("event").fail("'" + event + "' is not one of start, step and epoch");
    }
  }
  return result;
}

}  // namespace vitrim
