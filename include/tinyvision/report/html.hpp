// A self-contained HTML page: sections, tables, figures. No scripts, nothing loaded from elsewhere, prints well.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tinyvision/report/text.hpp"

TINYVISION_BEGIN
namespace report {

/// A table of plain text; every cell is escaped.
struct Table {
  struct Column {
    std::string name{};
    bool numeric = false;  ///< aligned right
  };
  std::vector<Column> columns{};
  std::vector<std::vector<std::string>> rows{};
  std::string caption{};
};

/// The table as markup. Throws Error when a row has another number of cells than there are columns.
inline std::string html(const Table& table) {
  std::string out = "<table>";
  if (!table.caption.empty()) out += "<caption>" + escape_markup(table.caption) + "</caption>";
  const auto cell = [&](std::string_view tag, std::size_t column, const std::string& content) {
    const std::string kind = table.columns[column].numeric ? " class=\"number\"" : "";
    out += "<" + std::string(tag) + kind + ">" + escape_markup(content) + "</" + std::string(tag) + ">";
  };
  out += "\n<thead><tr>";
  for (std::size_t c = 0; c < table.columns.size(); ++c) cell("th", c, table.columns[c].name);
  out += "</tr></thead>\n<tbody>\n";
  for (const auto& row : table.rows) {
    check(row.size() == table.columns.size(), "table", "row of ", row.size(), " cells in a table of ",
          table.columns.size(), " columns");
    out += "<tr>";
    for (std::size_t c = 0; c < row.size(); ++c) cell("td", c, row[c]);
    out += "</tr>\n";
  }
  return out + "</tbody></table>\n";
}

/// A PNG file's bytes as an <img>, its data inside. `attributes` are written as they are.
inline std::string html_image(std::string_view png, std::string_view alternative, std::string_view attributes = "") {
  return "<img alt=\"" + escape_markup(alternative) + "\" src=\"data:image/png;base64," + base64(png) + "\"" +
         (attributes.empty() ? "" : " " + std::string(attributes)) + ">";
}

/// Collects a page from top to bottom. Text is escaped; only `markup` and the body of `figure` are taken as they are.
class HtmlPage {
 public:
  explicit HtmlPage(std::string title) : title_(std::move(title)) {}

  /// A line under the page's title.
  void subtitle(std::string_view text) { subtitle_ = text; }
  void section(std::string_view heading) {
    close_section();
    const std::string id = "section-" + std::to_string(sections_.size() + 1);
    sections_.emplace_back(heading);
    body_ += "<section id=\"" + id + "\">\n<h2>" + escape_markup(heading) + "</h2>\n";
    open_ = true;
  }
  void paragraph(std::string_view text) { body_ += "<p>" + escape_markup(text) + "</p>\n"; }
  /// A remark in smaller type.
  void note(std::string_view text) { body_ += "<p class=\"note\">" + escape_markup(text) + "</p>\n"; }
  /// Wide tables scroll sideways on screen instead of widening the page.
  void table(const Table& table) { body_ += "<div class=\"wide\">" + html(table) + "</div>\n"; }
  /// `markup` is an <svg> or other trusted element.
  void figure(std::string_view markup, std::string_view caption) {
    body_ += "<figure>\n" + std::string(markup);
    if (!caption.empty()) body_ += "<figcaption>" + escape_markup(caption) + "</figcaption>\n";
    body_ += "</figure>\n";
  }
  /// Trusted markup, not escaped.
  void markup(std::string_view text) { body_ += text; }

  /// The whole document, in UTF-8.
  std::string text() const {
    std::string out =
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        "img-src data:\">\n<title>" +
        escape_markup(title_) + "</title>\n<style>" + std::string(style()) +
        "</style>\n</head>\n<body>\n<header>\n<h1>" + escape_markup(title_) + "</h1>\n";
    if (!subtitle_.empty()) out += "<p class=\"subtitle\">" + escape_markup(subtitle_) + "</p>\n";
    out += "</header>\n";
    if (sections_.size() > 3) {
      out += "<nav>";
      for (std::size_t i = 0; i < sections_.size(); ++i)
        out += "<a href=\"#section-" + std::to_string(i + 1) + "\">" + escape_markup(sections_[i]) + "</a> ";
      out += "</nav>\n";
    }
    return out + "<main>\n" + body_ + (open_ ? "</section>\n" : "") + "</main>\n</body>\n</html>\n";
  }

 private:
  static std::string_view style() {
    return R"css(
:root { color-scheme: light; }
body { font: 15px/1.5 Helvetica, Arial, "Liberation Sans", sans-serif; color: #222; background: #fff; max-width: 60rem;
  margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.7rem; margin: 0; line-height: 1.25; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 0.6rem; padding-bottom: 0.2rem; border-bottom: 1px solid #ccc;
  break-after: avoid; }
.subtitle { color: #555; margin: 0.3rem 0 0; }
.note, figcaption, caption { color: #555; font-size: 0.87rem; }
nav { margin: 1rem 0 0; font-size: 0.9rem; }
nav a { color: #0059a0; margin-right: 1rem; white-space: nowrap; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 0.6rem 0; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: 0.3rem; }
th, td { text-align: left; padding: 0.25rem 0.9rem 0.25rem 0; border-bottom: 1px solid #e2e2e2; vertical-align: top; }
th { border-bottom: 1.5px solid #777; font-weight: 600; }
td { overflow-wrap: break-word; }
.number { text-align: right; white-space: nowrap; }
figure { margin: 1rem 0; break-inside: avoid; }
figure > svg { max-width: 100%; height: auto; display: block; }
.confusion td { text-align: right; padding: 0.2rem 0.5rem; border: 1px solid #fff; min-width: 2.2rem;
  print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.confusion th { border: 0; font-weight: 400; padding: 0.2rem 0.5rem; white-space: nowrap; }
.confusion thead th { text-align: right; vertical-align: bottom; }
.confusion .dark { color: #fff; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); gap: 0.9rem; margin: 0.8rem 0; }
.tile { margin: 0; font-size: 0.82rem; line-height: 1.35; overflow-wrap: anywhere; }
.tile img { width: 100%; aspect-ratio: 1; object-fit: contain; background: #f3f3f3; display: block; }
.tile .pixels { image-rendering: pixelated; }
.tile figcaption { color: #222; margin-top: 0.25rem; }
.wrong { color: #b04a00; }
@media print {
  body { font-size: 10pt; max-width: none; padding: 0; }
  nav { display: none; }
  .wide { overflow: visible; }
  tr, .confusion { break-inside: avoid; }
  h2 + .note { break-after: avoid; }
  td { overflow-wrap: anywhere; }
  .gallery { grid-template-columns: repeat(6, 1fr); }
}
)css";
  }
  void close_section() {
    if (open_) body_ += "</section>\n";
    open_ = false;
  }

  std::string title_;
  std::string subtitle_;
  std::string body_;
  std::vector<std::string> sections_;
  bool open_ = false;
};

}  // namespace report
TINYVISION_END
