#pragma once
// Renders result files as one self-contained HTML page.

#include <string>
#include <vector>

namespace vitrim::report {

/// One artifact document (core/artifact_json.h) and where it came from.
struct Document {
  std::string source;  ///< file name, shown on the page
  std::string json;
};

/// Renders any mix of "layer_scores", "compress", "plan", "eval", "train" and "bench" documents and logs of
/// training runs as one HTML page that needs no network. (A log has JSON lines and is recognised by its first
/// line; the run may be unfinished or killed.) Charts use an inlined library; the page works in light and
/// dark mode, on wide and narrow screens, and without JavaScript as tables. Throws FormatError if a document
/// is not an artifact; for a log with the number of the line.
std::string render(const std::vector<Document>& documents, const std::string& title);

}  // namespace vitrim::report
