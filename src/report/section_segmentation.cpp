#include <algorithm>
#include <cmath>

#include "report/sections.h"

namespace vitrim::report {
namespace {

constexpr size_t kMostClasses = 20;  // number of rows in the table by class

std::vector<AccuracyRow> segmented(const Inputs& inputs) {
  std::vector<AccuracyRow> rows;
  for (AccuracyRow& row : accuracy_rows(inputs)) {
    if (row.eval.segmentation) rows.push_back(std::move(row));
  }
  return rows;
}

std::string class_name(const SegmentationFigures& figures, size_t index) {
  return index < figures.class_names.size() ? figures.class_names[index] : "class " + std::to_string(index);
}

int64_t labelled(const SegmentationFigures& figures, size_t index) {
  int64_t sum = 0;
  for (const std::vector<ClassPixels>& image : figures.images) {
    for (const ClassPixels& c : image) sum += c.class_index == static_cast<int64_t>(index) ? c.labelled : 0;
  }
  return sum;
}

/// The classes with the most labelled pixels.
std::string classes_table(const std::vector<AccuracyRow>& rows) {
  const SegmentationFigures& first = *rows.front().eval.segmentation;
  std::vector<std::pair<int64_t, size_t>> order;
  for (size_t c = 0; c < first.class_iou.size(); ++c) {
    if (const int64_t pixels = labelled(first, c); pixels > 0) order.emplace_back(-pixels, c);
  }
  std::sort(order.begin(), order.end());
  if (order.size() > kMostClasses) order.resize(kMostClasses);
  std::vector<Cell> header{"Class", num("Labelled pixels")};
  for (const AccuracyRow& row : rows) header.push_back(num("IoU, " + row.name));
  Table table("Intersection over union of the " + std::to_string(order.size()) + " most frequent classes",
              header);
  for (const auto& [pixels, c] : order) {
    std::vector<Cell> cells{class_name(first, c), num(std::to_string(-pixels))};
    for (const AccuracyRow& row : rows) {
      const std::vector<double>& iou = row.eval.segmentation->class_iou;
      cells.push_back(num(c < iou.size() && std::isfinite(iou[c]) ? percent(iou[c]) : "\u2013"));
    }
    table.row(cells);
  }
  return table.html();
}

std::string picture(const std::string& url, const std::string& what) {
  return "<figure class=\"mask\"><img src=\"" + escape(url) + "\" alt=\"" + escape(what) + "\"><figcaption>" +
         escape(what) + "</figcaption></figure>";
}

/// An image, its mask, and the prediction of each model.
std::string pictures_html(const std::vector<AccuracyRow>& rows) {
  const std::vector<SegmentedPicture>& shown = rows.front().eval.segmentation->pictures;
  std::string out;
  for (const SegmentedPicture& p : shown) {
    out += "<div class=\"masks\">" + picture(p.image, file_name(p.name)) + picture(p.truth, "labelled");
    for (const AccuracyRow& row : rows) {
      for (const SegmentedPicture& other : row.eval.segmentation->pictures) {
        if (other.name == p.name) out += picture(other.predicted, row.name);
      }
    }
    out += "</div>\n";
  }
  return out;
}

}  // namespace

void segmentation_section(Page& page, const Inputs& inputs) {
  const std::vector<AccuracyRow> rows = segmented(inputs);
  if (rows.empty()) return;
  page.section("segmentation", "Masks", "Masks");
  Table table("Accuracy of pixel labels", {"Model", num("mIoU"), num("95 % interval"), num("Mean accuracy"),
                                           num("Pixel accuracy"), num("Images"), "Protocol"});
  for (const AccuracyRow& row : rows) {
    const SegmentationFigures& s = *row.eval.segmentation;
    table.row({row.name, num(percent(s.miou)), num(interval(s.miou_ci95)), num(percent(s.mean_accuracy)),
               num(percent(s.pixel_accuracy)), num(std::to_string(row.eval.images)), s.protocol},
              row.role == AccuracyRow::Role::kCompressed);
  }
  page.raw(table.html());
  page.raw(classes_table(rows));
  const std::string pictures = pictures_html(rows);
  if (pictures.empty()) return;
  page.paragraph(
      "Images of the evaluation set with their labelled and predicted masks, one colour per class. Pixels "
      "without a label are not counted and are empty in the labelled mask.");
  page.raw(pictures);
}

}  // namespace vitrim::report
