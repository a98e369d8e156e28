#pragma once
// A graph as a file, its weights inside it or in a second file.

#include <map>
#include <string>

#include "exporter/graph.h"

namespace vitrim::exporter {

/// Writes the ModelProto to `path`, and the larger weights to `path` + ".data" where the file would be longer
/// than `longest`. Both files are written under temporary names first. Returns them.
std::vector<OnnxSummary::File> write_graph(const Graph& graph,
                                           const std::map<std::string, std::string>& metadata,
                                           const std::string& path, int64_t longest);

}  // namespace vitrim::exporter
