// osvm-pdf: a report's pages (JSON, from stdin) become a PDF (to stdout). Loads nothing else than fonts.
#include <osvm/core/error.hpp>

#include <boost/json.hpp>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <iterator>

#include "page_writer.hpp"

namespace osvm::pdf {
namespace {

namespace json = boost::json;

constexpr std::size_t largest_document = 128u << 20;

std::string text_of(const json::object& o, std::string_view key) {
  const auto* v = o.if_contains(key);
  return v != nullptr && v->is_string() ? std::string(v->as_string()) : std::string();
}
double number_of(const json::value& v) {
  return v.is_number() ? v.to_number<double>() : 0;
}
const json::array& list_of(const json::object& o, std::string_view key) {
  static const json::array none;
  const auto* v = o.if_contains(key);
  return v != nullptr && v->is_array() ? v->as_array() : none;
}

std::vector<std::vector<std::string>> rows_of(const json::object& block) {
  std::vector<std::vector<std::string>> out;
  for (const auto& row : list_of(block, "rows")) {
    out.emplace_back();
    if (!row.is_array()) continue;
    for (const auto& cell : row.as_array())
      out.back().push_back(cell.is_string() ? std::string(cell.as_string()) : std::string());
  }
  return out;
}

page_writer::picture picture_of(const json::object& block) {
  page_writer::picture out;
  const auto* v = block.if_contains("picture");
  if (v == nullptr || !v->is_object()) return out;
  const auto& o = v->as_object();
  if (const auto* w = o.if_contains("width")) out.width = number_of(*w);
  if (const auto* h = o.if_contains("height")) out.height = number_of(*h);
  for (const auto& n : list_of(o, "nodes"))
    if (n.is_object())
      out.nodes.push_back({text_of(n.as_object(), "name"), number_of(n.as_object().at("x")),
                           number_of(n.as_object().at("y"))});
  for (const auto& l : list_of(o, "lines"))
    if (l.is_array() && l.as_array().size() == 5) {
      const auto& a = l.as_array();
      out.lines.push_back(
          {number_of(a[0]), number_of(a[1]), number_of(a[2]), number_of(a[3]), number_of(a[4]) != 0});
    }
  return out;
}

void write_block(page_writer& out, const json::object& b) {
  const auto kind = text_of(b, "kind"), text = text_of(b, "text"), anchor = text_of(b, "anchor");
  const auto* l = b.if_contains("level");
  const int level = l != nullptr ? static_cast<int>(number_of(*l)) : 0;
  if (kind == "heading") return out.heading(text, std::clamp(level, 1, 3), anchor);
  if (kind == "paragraph") return out.paragraph(text);
  if (kind == "link") return out.contents_line(text, anchor);
  if (kind == "finding") return out.finding(text, text_of(b, "color"), anchor);
  if (kind == "drawing") return out.drawing(picture_of(b));
  const auto rows = rows_of(b);
  if (kind == "code" && !rows.empty()) return out.code(rows[0], static_cast<unsigned>(level));
  if (kind == "list") {
    std::vector<std::string> items;
    for (const auto& r : rows)
      if (!r.empty()) items.push_back(r[0]);
    return out.list(items);
  }
  if (kind != "table") return;
  std::vector<double> widths;
  for (const auto& w : list_of(b, "widths")) widths.push_back(number_of(w));
  out.table(rows, widths);
}

cairo_status_t to_stdout(void*, const unsigned char* data, unsigned size) {
  return std::fwrite(data, 1, size, stdout) == size ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}
cairo_status_t to_nowhere(void*, const unsigned char*, unsigned) {
  return CAIRO_STATUS_SUCCESS;
}

// Once to learn on which page everything stands, once for good.
page_numbers write(const json::object& document, cairo_write_func_t sink, page_numbers known,
                   cairo_status_t& status) {
  const owned<cairo_surface_t> surface(cairo_pdf_surface_create_for_stream(sink, nullptr, 595, 842));
  cairo_pdf_surface_set_metadata(surface.get(), CAIRO_PDF_METADATA_TITLE,
                                 (text_of(document, "title") + ": " + text_of(document, "subtitle")).c_str());
  cairo_pdf_surface_set_metadata(surface.get(), CAIRO_PDF_METADATA_CREATOR,
                                 text_of(document, "footer").c_str());
  // The same document gives the same bytes on every day.
  cairo_pdf_surface_set_metadata(surface.get(), CAIRO_PDF_METADATA_CREATE_DATE, "2000-01-01T00:00:00Z");
  page_numbers seen;
  {
    page_writer out(surface.get(), text_of(document, "footer"), std::move(known));
    out.title(text_of(document, "title"), text_of(document, "subtitle"));
    for (const auto& b : list_of(document, "blocks"))
      if (b.is_object()) write_block(out, b.as_object());
    seen = out.finish();
  }
  cairo_surface_finish(surface.get());
  status = cairo_surface_status(surface.get());
  return seen;
}

int run() {
  std::string text(std::istreambuf_iterator<char>(std::cin), {});
  if (text.size() > largest_document) {
    std::fputs("osvm-pdf: the document is larger than 128 MiB\n", stderr);
    return 2;
  }
  boost::system::error_code e;
  const auto document = json::parse(text, e);
  if (e || !document.is_object()) {
    std::fputs("osvm-pdf: stdin is no report's pages (osvm audit --format pdf starts this program)\n",
               stderr);
    return 2;
  }
  cairo_status_t status = CAIRO_STATUS_SUCCESS;
  const auto known = write(document.as_object(), to_nowhere, {}, status);
  if (status == CAIRO_STATUS_SUCCESS) write(document.as_object(), to_stdout, known, status);
  if (status != CAIRO_STATUS_SUCCESS || std::fflush(stdout) != 0) {
    std::fprintf(stderr, "osvm-pdf: %s\n", cairo_status_to_string(status));
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace osvm::pdf

int main() {
  try {
    return osvm::pdf::run();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "osvm-pdf: %s\n", e.what());
    return 1;
  }
}
