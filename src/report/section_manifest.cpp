#include "core/json.h"
#include "report/sections.h"

namespace vitrim::report {
namespace {

void entry(std::string& out, const std::string& name, const std::string& value) {
  if (!value.empty()) out += "<div><dt>" + escape(name) + "</dt><dd>" + escape(value) + "</dd></div>";
}

/// A recipe's keys, folded away.
std::string recipe_html(const std::string& recipe) {
  const json::Json document = json::try_parse(recipe).value_or(json::Json());
  if (!document.is_object() || document.empty()) return "";
  const auto text = [](const json::Json& value) {
    return value.is_string() ? value.get<std::string>() : json::dump(value, -1);
  };
  Table table("The resolved recipe, every key of it", {"Group", "Key", "Value"});
  for (const auto& [group, keys] : document.items()) {
    if (!keys.is_object()) {
      table.row({"", group, text(keys)});
      continue;
    }
    for (const auto& [key, value] : keys.items()) table.row({group, key, text(value)});
  }
  return "<details class=\"recipe\" open><summary>Recipe</summary>" + table.html() + "</details>";
}

std::string manifest_html(const std::string& source, const std::string& kind, const Manifest& manifest,
                          const std::string& more = "") {
  std::string out = "<article class=\"manifest\"><h3 class=\"source\">" + escape(source) + " <small>" +
                    escape(kind) + "</small></h3>";
  if (!manifest.command.empty()) {
    out += "<div class=\"command\"><pre tabindex=\"0\"><code>" + escape(manifest.command) +
           "</code></pre><button type=\"button\" class=\"copy\" hidden>Copy</button></div>";
  }
  out += "<dl class=\"facts\">";
  entry(out, "Version",
        manifest.version + (manifest.git_commit.empty() ? "" : " (" + manifest.git_commit + ")"));
  std::string settings;
  for (const auto& [key, value] : manifest.settings)
    settings += (settings.empty() ? "" : ", ") + key + " = " + value;
  entry(out, "Settings", settings);
  entry(out, "LibTorch", manifest.torch_version);
  entry(out, "Processor", manifest.cpu);
  entry(out, "Instruction set", manifest.instruction_set);
  entry(out, "Threads", manifest.threads > 0 ? std::to_string(manifest.threads) : "");
  entry(out, "Seed", std::to_string(manifest.seed));
  entry(out, "Data", manifest.data_fingerprint);
  entry(out, "Started", manifest.started);
  return out + "</dl>" + more + "</article>\n";
}

}  // namespace

void manifest_section(Page& page, const Inputs& inputs) {
  page.section("manifest", "How this was made", "Origin");
  for (const auto& item : inputs.compresses)
    page.raw(manifest_html(item.source, "compression", item.value.manifest));
  for (const auto& item : inputs.scores) {
    bool inside = false;
    for (const auto& other : inputs.compresses) inside |= other.source == item.source;
    if (!inside) page.raw(manifest_html(item.source, "layer scores", item.value.manifest));
  }
  for (const auto& item : inputs.trainings) {
    const TrainResult& run = item.value.result;
    const std::string kind = run.removed.empty() ? "training run" : "dilution run";
    page.raw(manifest_html(item.source, kind + (item.value.finished ? "" : ", its log"), run.manifest,
                           recipe_html(run.recipe)));
  }
  for (const auto& item : inputs.evals)
    page.raw(manifest_html(item.source, "evaluation", item.value.manifest));
  for (const auto& item : inputs.plans) {
    if (!item.value.built) page.raw(manifest_html(item.source, "plan", item.value.manifest));
  }
  for (const auto& item : inputs.benches)
    page.raw(manifest_html(item.source, "benchmark", item.value.manifest));
}

}  // namespace vitrim::report
