#include "vitrim/report/report.h"

#include "report/assets.h"
#include "report/sections.h"

namespace vitrim::report {
namespace {

/// The policy forbids all loading: no request leaves the page even if data tried to make one. The page
/// contains everything that it needs.
constexpr const char* kPolicy =
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; base-uri "
    "'none'; form-action 'none'";

/// Runs before the first paint, so that a chosen theme does not flash and the tables of charts start closed.
constexpr const char* kEarly =
    "document.documentElement.classList.add('js');"
    "try{const "
    "t=localStorage.getItem('vitrim-theme');if(t)document.documentElement.dataset.theme=t}catch(e){}";

std::string script(std::initializer_list<std::string_view> parts) {
  std::string out = "<script>";
  for (const std::string_view part : parts) out.append(part).append("\n");
  return out + "</script>\n";
}

}  // namespace

std::string render(const std::vector<Document>& documents, const std::string& title) {
  const Inputs inputs = read_inputs(documents);
  const std::string heading = title.empty() ? "vitrim report" : title;

  Page page;
  comparison_section(page, inputs);
  training_section(page, inputs);
  flow_section(page, inputs);
  plan_section(page, inputs);
  latency_section(page, inputs);
  bench_section(page, inputs);
  model_section(page, inputs);
  merge_section(page, inputs);
  quantization_section(page, inputs);
  entropy_section(page, inputs);
  transfer_section(page, inputs);
  interaction_section(page, inputs);
  sets_section(page, inputs);
  accuracy_section(page, inputs);
  segmentation_section(page, inputs);
  spectrum_section(page, inputs);
  time_section(page, inputs);
  manifest_section(page, inputs);
  const std::string body = page.finish();
  // In a build without chart libraries, the page stays as browsers without JavaScript show it.
  const bool charts = !assets::d3().empty();

  std::string out =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta "
      "http-equiv=\"Content-Security-Policy\" content=\"" +
      std::string(kPolicy) +
      "\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n" +
      "<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"generator\" content=\"vitrim\">\n" +
      "<link rel=\"icon\" href=\"data:,\">\n<title>" + escape(heading) + "</title>\n<style>\n";
  out.append(assets::page_css());
  out += "</style>\n";
  if (charts) out += "<script>" + std::string(kEarly) + "</script>\n";
  out += "</head>\n<body>\n";
  out +=
      "<a class=\"skip\" href=\"#main\">Skip to the results</a>\n<header class=\"bar\"><nav "
      "aria-label=\"Sections\"><ul>";
  for (const auto& [id, name] : page.sections())
    out += "<li><a href=\"#" + id + "\">" + escape(name) + "</a></li>";
  out += "</ul></nav><button type=\"button\" id=\"theme\" hidden>Dark</button></header>\n";
  out += "<main id=\"main\">\n<div class=\"head\"><h1>" + escape(heading) + "</h1>\n" + head_html(inputs) +
         "</div>\n" + body + "</main>\n";
  out += "<footer>Made by vitrim. This page holds all its data and loads nothing.</footer>\n";

  if (!charts) return out + "</body>\n</html>\n";
  // The licences of the libraries must be included with them.
  out += script({"/*! d3", assets::d3_license(), "*/", assets::d3()});
  out += script({"/*! Observable Plot", assets::plot_license(), "*/", assets::plot()});
  out += script({assets::page_js(), assets::model_js(), assets::layers_js(), assets::sets_js(),
                 assets::accuracy_js(), assets::spectrum_js(), assets::training_js(), assets::flow_js(),
                 assets::merge_js(), assets::quantization_js(), assets::bench_js(), assets::plan_js(),
                 assets::front_js(), assets::latency_js(), "vitrim.start();"});
  return out + "</body>\n</html>\n";
}

}  // namespace vitrim::report
