#pragma once
// The files that cmake/VitrimReport.cmake embeds: the chart libraries, and the page's own style and script.

#include <string_view>

namespace vitrim::report::assets {

std::string_view d3();
std::string_view d3_license();
std::string_view plot();
std::string_view plot_license();
std::string_view page_css();
std::string_view page_js();
std::string_view model_js();
std::string_view layers_js();
std::string_view sets_js();
std::string_view accuracy_js();
std::string_view spectrum_js();
std::string_view training_js();
std::string_view flow_js();
std::string_view merge_js();
std::string_view quantization_js();
std::string_view bench_js();
std::string_view plan_js();
std::string_view front_js();
std::string_view latency_js();

}  // namespace vitrim::report::assets
