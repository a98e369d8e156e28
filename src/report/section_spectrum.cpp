// Spectra and times.
#include <algorithm>

#include "report/sections.h"

namespace vitrim::report {
namespace {

struct Panel {
  std::string title;
  const Spectrum* spectrum;
  std::vector<int> removed;
};

nlohmann::json panel_json(const Panel& panel) {
  nlohmann::json blocks = nlohmann::json::array();
  for (const auto& block : panel.spectrum->log_amplitude) {
    nlohmann::json line = nlohmann::json::array();
    for (double value : block) line.push_back(number(value));
    blocks.push_back(line);
  }
  return {{"title", panel.title},
          {"radii", panel.spectrum->radii},
          {"blocks", blocks},
          {"removed", panel.removed}};
}

void spectrum_figure(Page& page, const std::vector<Panel>& panels) {
  nlohmann::json data = nlohmann::json::array();
  std::vector<Cell> header{num("Block")};
  size_t blocks = 0;
  for (const Panel& panel : panels) {
    data.push_back(panel_json(panel));
    header.push_back(num(panel.title + ", half radius"));
    header.push_back(num(panel.title + ", full radius"));
    blocks = std::max(blocks, panel.spectrum->log_amplitude.size());
  }
  Table table("Relative log amplitude at half and at full radius", header);
  for (size_t i = 0; i < blocks; ++i) {
    std::vector<Cell> cells{num(std::to_string(i))};
    for (const Panel& panel : panels) {
      const auto& lines = panel.spectrum->log_amplitude;
      const bool given = i < lines.size() && !lines[i].empty();
      cells.push_back(num(given ? fixed(lines[i][lines[i].size() / 2], 2) : "\u2013"));
      cells.push_back(num(given ? fixed(lines[i].back(), 2) : "\u2013"));
    }
    table.row(cells);
  }
  page.figure({"spectrum",
               "Spatial frequencies of the patch features",
               "How strongly each block's output varies over the image, from coarse (left) to fine patterns "
               "(right), relative to its mean level; "
               "one line a block, from dark at the image to bright at the classifier" +
                   std::string(panels.size() > 1 ? ", dashed where the attention was removed" : "") +
                   ". Attention tends to smooth: lines that fall steeply have lost fine detail, and a "
                   "compressed model that keeps its lines "
                   "high keeps that detail.",
               {{"panels", data}},
               table.html()});
}

}  // namespace

void spectrum_section(Page& page, const Inputs& inputs) {
  const auto given = [](const Spectrum& spectrum) {
    return !spectrum.radii.empty() && !spectrum.log_amplitude.empty();
  };
  bool any = false;
  for (const auto& item : inputs.scores) any |= given(item.value.spectrum);
  for (const auto& item : inputs.compresses) any |= given(item.value.compressed_spectrum);
  if (!any) return;
  page.section("spectrum", "Spectrum", "Spectrum");
  std::vector<std::string> drawn;
  for (const auto& item : inputs.compresses) {
    std::vector<Panel> panels;
    if (item.value.scores && given(item.value.scores->spectrum))
      panels.push_back({"Dense", &item.value.scores->spectrum, {}});
    if (given(item.value.compressed_spectrum))
      panels.push_back({"Compressed", &item.value.compressed_spectrum, item.value.removed});
    if (panels.empty()) continue;
    drawn.push_back(item.source);
    page.subheading(item.label);
    spectrum_figure(page, panels);
  }
  for (const auto& item : inputs.scores) {
    if (!given(item.value.spectrum) || std::find(drawn.begin(), drawn.end(), item.source) != drawn.end())
      continue;
    page.subheading(item.label);
    spectrum_figure(page, {{"Dense", &item.value.spectrum, {}}});
  }
}

void time_section(Page& page, const Inputs& inputs) {
  bool any = false;
  for (const auto& item : inputs.compresses) any |= !item.value.seconds.empty();
  if (!any) return;
  page.section("time", "Time", "Time");
  for (const auto& item : inputs.compresses) {
    const auto& seconds = item.value.seconds;
    if (seconds.empty()) continue;
    page.subheading(item.label);
    double total = 0;
    for (const auto& phase : seconds) total += phase.second;
    Table table("Time of each phase", {"Phase", num("Time"), num("Share")});
    nlohmann::json rows = nlohmann::json::array();
    for (const auto& [name, value] : seconds) {
      table.row({name, num(duration(value)), num(total > 0 ? percent(value / total, 0) : "\u2013")});
      rows.push_back({{"phase", name}, {"seconds", number(value)}, {"label", duration(value)}});
    }
    table.row({"all", num(duration(total)), num("")}, true);
    page.figure(
        {"time",
         "Where the time went",
         "Seconds spent in each phase of the run, in the order in which they ran. Together they took " +
             duration(total) + " on the machine that the manifest below states.",
         {{"rows", rows}},
         table.html()});
  }
}

}  // namespace vitrim::report
