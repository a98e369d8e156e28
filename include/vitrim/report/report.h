#pragma once
// Result files to one self-contained HTML page.

#include <string>
#include <vector>

namespace vitrim::report {

/// One artifact document (core/artifact_json.h) and where it came from.
struct Document {
  std::string source;  ///< file name, shown on the page
  std::string json;
};

/// Renders any mix of "layer_scores", "compress", "plan", "eval", "train" and "bench" documents and of
/// training runs' logs (JSON lines, told apart by their first line; of a run that goes on or was killed too)
/// as one HTML page that needs no network: charts by an inlined library, light and dark, wide and narrow,
/// readable as tables without JavaScript. Throws FormatError where a document is no artifact, for a log with
/// its line.
std::string render(const std::vector<Document>& documents, const std::string& title);

}  // namespace vitrim::report
