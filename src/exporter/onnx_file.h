#pragma once
// Writes a graph as a file, with its weights in the file or in a second one.

#include <map>
#include <string>

#include "exporter/graph.h"

namespace vitrim::exporter {

/// Writes the ModelProto to `path`, and the larger weights to `path` + ".data" if the file would be longer
/// than `longest`. Both are first written under temporary names. Returns the files.
std::vector<OnnxSummary::File> write_graph(const Graph& graph,
                                           const std::map<std::string, std::string>& metadata,
                                           const std::string& path, int64_t longest);

}  // namespace vitrim::exporter
