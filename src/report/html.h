#pragma once
// Small functions that every section of the page uses: escaped text, formatted numbers, tables, figures.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vitrim/core/artifacts.h"

namespace vitrim::report {

/// Replaces a figure that does not exist: an en dash.
inline constexpr const char* kDash = "\u2013";

/// Text for HTML content and quoted attributes: & < > " ' become character references.
std::string escape(std::string_view text);
/// JSON for a <script type="application/json"> element. It contains no "<", so data can't end the element or
/// open a comment.
std::string script_json(const nlohmann::json& value);

/// Fixed decimals with a real minus sign; an en dash if the value is not finite.
std::string fixed(double value, int decimals);
/// fixed() that always has a sign: "+1.2", "−0.3".
std::string signed_fixed(double value, int decimals);
/// About three significant digits, for figures of unknown size.
std::string significant(double value);
/// "5.72 M", "1.08 G".
std::string compact(double count);
/// 0.823 to "82.3 %".
std::string percent(double fraction, int decimals = 1);
/// The name of this result's main figure: "Top-1 accuracy", or "mIoU" for segmentation.
std::string metric_name(const EvalResult& eval);
/// "1.23 ± 0.04" with the decimals that the standard error warrants.
std::string with_error(const Estimate& estimate);
/// "p < 0.0001", "p = 0.032".
std::string p_value(double p);
/// "1 h 2 min", "3 min 12 s", "4.1 s".
std::string duration(double seconds);
/// "1, 3, 4"; "none" for an empty set.
std::string layer_names(const std::vector<int>& layers);
/// A JSON number; null if the value is not finite.
nlohmann::json number(double value);

/// A table cell. The text is escaped here, so callers pass plain text.
struct Cell {
  Cell(std::string plain, bool numeric_cell = false) : text(std::move(plain)), numeric(numeric_cell) {}
  Cell(const char* plain) : text(plain) {}
  std::string text;
  bool numeric = false;
  bool strong = false;
};
/// A right-aligned cell.
Cell num(std::string text);

class Table {
 public:
  Table(std::string caption, std::vector<Cell> header)
      : caption_(std::move(caption)), header_(std::move(header)) {}
  /// The first cell is the name of the row. `marked` rows are the chosen ones.
  void row(std::vector<Cell> cells, bool marked = false);
  bool empty() const { return rows_.empty(); }
  /// The table in its own scrolling box, so that a wide table never widens the page.
  std::string html() const;

 private:
  struct Row {
    std::vector<Cell> cells;
    bool marked;
  };
  std::string caption_;
  std::vector<Cell> header_;
  std::vector<Row> rows_;
};

/// A key figure under the page's title.
struct Card {
  std::string label, value, note;
};
std::string cards_html(const std::vector<Card>& cards);
/// "+12.3 %"; empty if there is nothing to compare with.
std::string change(double from, double to);
/// "[81.2, 83.4]" of two fractions; signed for differences.
std::string interval(const std::pair<double, double>& ci, bool sign = false);
/// The last part of a path.
std::string file_name(const std::string& source);

/// A chart with its caption, its data for the script and the same data as a table.
struct Figure {
  std::string chart;    ///< name by which the script finds the drawing function
  std::string title;    ///< one line above
  std::string caption;  ///< two sentences: what is drawn, and how to read it
  nlohmann::json data;
  std::string table;  ///< HTML; shown open without JavaScript
};

/// The body of the page under construction: sections in order, figures with consecutive numbers.
class Page {
 public:
  /// `short_title` is shown in the navigation.
  void section(const std::string& id, const std::string& title, const std::string& short_title);
  /// A subheading with the name of the document; nothing if the label is empty.
  void subheading(const std::string& label);
  void paragraph(const std::string& text);
  void figure(const Figure& figure);
  void raw(const std::string& html) { body_ += html; }
  /// Closes the last section; the body is complete then.
  std::string finish();
  const std::vector<std::pair<std::string, std::string>>& sections() const { return sections_; }

 private:
  std::string body_;
  std::vector<std::pair<std::string, std::string>> sections_;
  int figures_ = 0;
  bool open_ = false;
  bool below_subheading_ = false;  ///< figure titles are one level deeper there
};

}  // namespace vitrim::report
