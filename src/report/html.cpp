#include "report/html.h"

#include <cmath>
#include <cstdio>

namespace vitrim::report {
namespace {

constexpr const char* kMinus = "\u2212";
constexpr const char* kThin = "\u202f";  // narrow no-break space between a number and its unit

std::string print(double value, int decimals) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, std::fabs(value));
  return text;
}

bool all_zero(const std::string& digits) { return digits.find_first_of("123456789") == std::string::npos; }

std::string cell(const Cell& cell, bool head_row, bool head_column) {
  const char* tag = head_row || head_column ? "th" : "td";
  std::string out = std::string("<") + tag;
  if (head_row) out += " scope=\"col\"";
  if (head_column) out += " scope=\"row\"";
  if (cell.numeric) out += " class=\"num\"";
  return out + ">" + escape(cell.text) + "</" + tag + ">";
}

}  // namespace

std::string escape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '\0':
        break;  // a parse error in HTML
      default:
        out += c;
    }
  }
  return out;
}

std::string script_json(const nlohmann::json& value) {
  // File names need not be UTF-8: such bytes become U+FFFD rather than an exception.
  const std::string text = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    if (c == '<')
      out += "\\u003c";
    else if (c == '>')
      out += "\\u003e";
    else if (c == '&')
      out += "\\u0026";
    else
      out += c;
  }
  return out;
}

std::string fixed(double value, int decimals) {
  if (!std::isfinite(value)) return kDash;
  const std::string digits = print(value, decimals);
  return (value < 0 && !all_zero(digits) ? kMinus : "") + digits;
}

std::string signed_fixed(double value, int decimals) {
  const std::string text = fixed(value, decimals);
  return std::isfinite(value) && value > 0 && !all_zero(text) ? "+" + text : text;
}

std::string significant(double value) {
  if (!std::isfinite(value)) return kDash;
  const double size = std::fabs(value);
  if (size == 0) return "0";
  if (size < 1e-4) {
    const int exponent = static_cast<int>(std::floor(std::log10(size)));
    return fixed(value / std::pow(10.0, exponent), 1) + "e" + kMinus + std::to_string(-exponent);
  }
  const int decimals = 2 - static_cast<int>(std::floor(std::log10(size)));
  return fixed(value, decimals < 0 ? 0 : decimals);
}

std::string compact(double count) {
  const double size = std::fabs(count);
  if (size >= 999.5e6) return significant(count / 1e9) + kThin + "G";
  if (size >= 999.5e3) return significant(count / 1e6) + kThin + "M";
  if (size >= 999.5) return significant(count / 1e3) + kThin + "k";
  return fixed(count, 0);
}

std::string percent(double fraction, int decimals) {
  return std::isfinite(fraction) ? fixed(100 * fraction, decimals) + kThin + "%" : kDash;
}

std::string with_error(const Estimate& estimate) {
  if (!std::isfinite(estimate.value)) return kDash;
  const double error = estimate.standard_error;
  if (!(error > 0)) return significant(estimate.value);
  // Two digits of the error, and the value with the same number of decimals.
  int decimals = 1 - static_cast<int>(std::floor(std::log10(error)));
  decimals = decimals < 0 ? 0 : decimals > 6 ? 6 : decimals;
  return fixed(estimate.value, decimals) + " \u00b1 " + fixed(error, decimals);
}

std::string metric_name(const EvalResult& eval) { return eval.segmentation ? "mIoU" : "Top-1 accuracy"; }

std::string p_value(double p) {
  if (std::isnan(p)) return "\u2013";
  if (!std::isfinite(p)) return kDash;
  return p < 1e-4 ? "p < 0.0001" : "p = " + fixed(p, p < 0.01 ? 4 : p < 0.1 ? 3 : 2);
}

std::string duration(double seconds) {
  if (!std::isfinite(seconds)) return kDash;
  if (seconds < 59.95) return fixed(seconds, seconds < 9.95 ? 1 : 0) + kThin + "s";
  const int64_t whole = std::llround(seconds);
  if (whole < 3600)
    return std::to_string(whole / 60) + kThin + "min " + std::to_string(whole % 60) + kThin + "s";
  return std::to_string(whole / 3600) + kThin + "h " + std::to_string(whole % 3600 / 60) + kThin + "min";
}

std::string layer_names(const std::vector<int>& layers) {
  std::string out;
  for (int layer : layers) out += (out.empty() ? "" : ", ") + std::to_string(layer);
  return out.empty() ? "none" : out;
}

nlohmann::json number(double value) {
  return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json(nullptr);
}

Cell num(std::string text) { return {std::move(text), true}; }

void Table::row(std::vector<Cell> cells, bool marked) { rows_.push_back({std::move(cells), marked}); }

std::string Table::html() const {
  std::string out = "<div class=\"table\" role=\"region\" tabindex=\"0\" aria-label=\"" + escape(caption_) +
                    "\"><table><caption>" + escape(caption_) + "</caption><thead><tr>";
  for (const Cell& head : header_) out += cell(head, true, false);
  out += "</tr></thead><tbody>";
  for (const Row& row : rows_) {
    out += row.marked ? "<tr class=\"marked\">" : "<tr>";
    for (size_t i = 0; i < row.cells.size(); ++i) out += cell(row.cells[i], false, i == 0);
    out += "</tr>";
  }
  return out + "</tbody></table></div>\n";
}

std::string cards_html(const std::vector<Card>& cards) {
  // Rows of equal length if the number allows it.
  const size_t columns = cards.size() == 4 || cards.size() > 6 ? 4 : cards.size() < 3 ? 2 : 3;
  std::string out = "<dl class=\"cards\" style=\"--columns:" + std::to_string(columns) + "\">";
  for (const Card& card : cards) {
    out += "<div class=\"card\"><dt>" + escape(card.label) + "</dt><dd class=\"value\">" +
           escape(card.value) + "</dd><dd class=\"note\">" + escape(card.note) + "</dd></div>";
  }
  return out + "</dl>\n";
}

std::string change(double from, double to) {
  return from > 0 ? signed_fixed(100 * (to - from) / from, 1) + kThin + "%" : "";
}

std::string interval(const std::pair<double, double>& ci, bool sign) {
  const auto text = [sign](double value) {
    return sign ? signed_fixed(100 * value, 1) : fixed(100 * value, 1);
  };
  return "[" + text(ci.first) + ", " + text(ci.second) + "]";
}

std::string file_name(const std::string& source) {
  const size_t slash = source.find_last_of('/');
  return slash == std::string::npos ? source : source.substr(slash + 1);
}

void Page::section(const std::string& id, const std::string& title, const std::string& short_title) {
  if (open_) body_ += "</section>\n";
  open_ = true;
  below_subheading_ = false;
  sections_.emplace_back(id, short_title);
  body_ += "<section id=\"" + id + "\" aria-labelledby=\"" + id + "-title\"><h2 id=\"" + id + "-title\">" +
           escape(title) + "</h2>\n";
}

void Page::subheading(const std::string& label) {
  below_subheading_ = !label.empty();
  if (below_subheading_) body_ += "<h3 class=\"source\">" + escape(label) + "</h3>\n";
}

void Page::paragraph(const std::string& text) { body_ += "<p>" + escape(text) + "</p>\n"; }

void Page::figure(const Figure& figure) {
  const std::string id = "figure-" + std::to_string(++figures_);
  const std::string level = below_subheading_ ? "4" : "3";
  body_ += "<figure id=\"" + id + "\" class=\"chart\" data-chart=\"" + figure.chart +
           "\" aria-labelledby=\"" + id + "-title\">" + "<h" + level + " id=\"" + id +
           "-title\"><span class=\"number\">Figure " + std::to_string(figures_) + "</span> " +
           escape(figure.title) + "</h" + level + "><div class=\"plots\"></div>" +
           "<script type=\"application/json\">" + script_json(figure.data) + "</script><figcaption>" +
           escape(figure.caption) + "</figcaption>";
  if (!figure.table.empty()) {
    body_ += "<details open><summary>The figures as a table</summary>" + figure.table + "</details>";
  }
  body_ += "</figure>\n";
}

std::string Page::finish() {
  if (open_) body_ += "</section>\n";
  open_ = false;
  return body_;
}

}  // namespace vitrim::report
