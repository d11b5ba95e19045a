#include "page_writer.hpp"

#include <algorithm>
#include <cstdlib>

namespace osvm::pdf {
namespace {

constexpr double page_width = 595, page_height = 842, margin = 54, bottom = page_height - 60;
constexpr double text_width = page_width - 2 * margin;

double height_of(PangoLayout* l) {
  int w = 0, h = 0;
  pango_layout_get_size(l, &w, &h);
  return static_cast<double>(h) / PANGO_SCALE;
}

double hex_part(const std::string& color, std::size_t at) {
  return color.size() == 6 ? static_cast<double>(std::strtol(color.substr(at, 2).c_str(), nullptr, 16)) / 255
                           : 0.5;
}

}  // namespace

page_writer::page_writer(cairo_surface_t* surface, std::string footer, page_numbers known)
    : surface_(surface),
      cairo_(cairo_create(surface)),
      footer_(std::move(footer)),
      known_(std::move(known)),
      y_(margin) {}

owned<PangoLayout> page_writer::layout(const std::string& text, const style& s, double width) const {
  owned<PangoLayout> l(pango_cairo_create_layout(cairo_.get()));
  const owned<PangoFontDescription> font(pango_font_description_from_string(s.font));
  pango_layout_set_font_description(l.get(), font.get());
  pango_layout_set_width(l.get(), static_cast<int>(width * PANGO_SCALE));
  pango_layout_set_wrap(l.get(), PANGO_WRAP_WORD_CHAR);
  // A name that is broken stays what it is: no hyphens that are not in it.
  PangoAttrList* attributes = pango_attr_list_new();
  pango_attr_list_insert(attributes, pango_attr_insert_hyphens_new(FALSE));
  pango_layout_set_attributes(l.get(), attributes);
  pango_attr_list_unref(attributes);
  pango_layout_set_text(l.get(), text.data(), static_cast<int>(text.size()));
  return l;
}

void page_writer::end_page() {
  const std::string of = known_.pages > 0 ? " of " + std::to_string(known_.pages) : "";
  const style small{.font = "DejaVu Sans 7.5", .red = 0.45, .green = 0.45, .blue = 0.45};
  const auto left = layout(footer_, small, text_width);
  const auto right = layout("page " + std::to_string(page_) + of, small, text_width);
  pango_layout_set_alignment(right.get(), PANGO_ALIGN_RIGHT);
  cairo_set_source_rgb(cairo_.get(), small.red, small.green, small.blue);
  for (PangoLayout* l : {left.get(), right.get()}) {
    cairo_move_to(cairo_.get(), margin, page_height - 38);
    pango_cairo_show_layout(cairo_.get(), l);
  }
  cairo_show_page(cairo_.get());
}

void page_writer::new_page() {
  end_page();
  ++page_;
  y_ = margin;
}

void page_writer::need(double height) {
  if (y_ + height > bottom && y_ > margin) new_page();
}

// Line by line, so that long text goes on on the next page.
void page_writer::lines_of(PangoLayout* l, const style& s) {
  PangoLayoutIter* at = pango_layout_get_iter(l);
  do {
    PangoLayoutLine* line = pango_layout_iter_get_line_readonly(at);
    PangoRectangle box;
    pango_layout_iter_get_line_extents(at, nullptr, &box);
    const double height = static_cast<double>(box.height) / PANGO_SCALE;
    need(height);
    const double baseline = static_cast<double>(pango_layout_iter_get_baseline(at) - box.y) / PANGO_SCALE;
    cairo_set_source_rgb(cairo_.get(), s.red, s.green, s.blue);
    cairo_move_to(cairo_.get(), margin + s.indent + static_cast<double>(box.x) / PANGO_SCALE, y_ + baseline);
    pango_cairo_show_layout_line(cairo_.get(), line);
    y_ += height;
  } while (pango_layout_iter_next_line(at));
  pango_layout_iter_free(at);
}

// Attributes of tags are a language of their own: names in it are ours, never the document's.
std::string page_writer::name_of(const std::string& anchor) {
  return "a" + std::to_string(names_.emplace(anchor, static_cast<int>(names_.size())).first->second);
}

void page_writer::target(const std::string& anchor) {
  if (anchor.empty() || !seen_.of_anchor.emplace(anchor, page_).second) return;
  cairo_move_to(cairo_.get(), margin, y_);
  cairo_tag_begin(cairo_.get(), CAIRO_TAG_DEST, ("name='" + name_of(anchor) + "'").c_str());
  cairo_tag_end(cairo_.get(), CAIRO_TAG_DEST);
}

void page_writer::bookmark(const std::string& text, int level, const std::string& anchor) {
  if (anchor.empty() || cairo_surface_get_type(surface_) != CAIRO_SURFACE_TYPE_PDF) return;
  const int parent = level > 1 ? parents_[level - 1] : CAIRO_PDF_OUTLINE_ROOT;
  const int id = cairo_pdf_surface_add_outline(
      surface_, parent, text.c_str(), ("dest='" + name_of(anchor) + "'").c_str(),
      level == 1 ? CAIRO_PDF_OUTLINE_FLAG_OPEN : cairo_pdf_outline_flags_t{});
  for (int i = level; i < 4; ++i) parents_[i] = id;
}

void page_writer::title(const std::string& text, const std::string& subtitle) {
  y_ = 150;
  lines_of(layout(text, {.font = "DejaVu Sans Bold 28"}, text_width).get(), {});
  space(8);
  lines_of(layout(subtitle, {.font = "DejaVu Sans 12"}, text_width).get(),
           {.red = 0.3, .green = 0.3, .blue = 0.3});
  space(30);
}

void page_writer::heading(const std::string& text, int level, const std::string& anchor) {
  if (level == 1 && y_ > margin && page_ > 1) new_page();
  const style s{.font = level == 1 ? "DejaVu Sans Bold 15" : "DejaVu Sans Bold 11"};
  space(level == 1 ? 4 : 10);
  const auto l = layout(text, s, text_width);
  need(height_of(l.get()) + 40);
  target(anchor);
  bookmark(text, level, anchor);
  lines_of(l.get(), s);
  space(6);
}

void page_writer::paragraph(const std::string& text, const style& s) {
  lines_of(layout(text, s, text_width - s.indent).get(), s);
  space(5);
}

void page_writer::contents_line(const std::string& text, const std::string& anchor) {
  std::string shown = text;
  const double indent = shown.starts_with("    ") ? 14 : 0;
  shown.erase(0, std::min(shown.find_first_not_of(' '), shown.size()));
  const style s{.font = "DejaVu Sans 9", .red = 0.1, .green = 0.3, .blue = 0.6};
  const auto l = layout(shown, s, text_width - indent - 30);
  pango_layout_set_height(l.get(), -1);  // one line, cut with an ellipsis
  pango_layout_set_ellipsize(l.get(), PANGO_ELLIPSIZE_END);
  const double height = height_of(l.get());
  need(height + 2);
  cairo_tag_begin(cairo_.get(), CAIRO_TAG_LINK, ("dest='" + name_of(anchor) + "'").c_str());
  cairo_set_source_rgb(cairo_.get(), s.red, s.green, s.blue);
  cairo_move_to(cairo_.get(), margin + indent, y_);
  pango_cairo_show_layout(cairo_.get(), l.get());
  cairo_tag_end(cairo_.get(), CAIRO_TAG_LINK);
  if (const auto it = known_.of_anchor.find(anchor); it != known_.of_anchor.end()) {
    const auto number = layout(std::to_string(it->second), s, text_width);
    pango_layout_set_alignment(number.get(), PANGO_ALIGN_RIGHT);
    cairo_move_to(cairo_.get(), margin, y_);
    pango_cairo_show_layout(cairo_.get(), number.get());
  }
  y_ += height + 2;
}

void page_writer::finding(const std::string& text, const std::string& color, const std::string& anchor) {
  const style s{.font = "DejaVu Sans Bold 9.5", .indent = 12};
  const auto l = layout(text, s, text_width - s.indent);
  space(10);
  const double height = height_of(l.get());
  need(std::min(height, 200.0) + 50);
  target(anchor);
  bookmark(text.substr(0, text.find(": ")), 2, anchor);
  cairo_set_source_rgb(cairo_.get(), hex_part(color, 0), hex_part(color, 2), hex_part(color, 4));
  cairo_rectangle(cairo_.get(), margin, y_, 4, std::min(height, bottom - y_));
  cairo_fill(cairo_.get());
  lines_of(l.get(), s);
  space(4);
}

void page_writer::code(const std::vector<std::string>& lines, unsigned first) {
  const style s{.font = "DejaVu Sans Mono 7.5", .indent = 40};
  const style number{.font = "DejaVu Sans Mono 7.5", .red = 0.5, .green = 0.5, .blue = 0.5};
  for (const auto& text : lines) {
    const auto l = layout(text, s, text_width - s.indent);
    const double height = height_of(l.get());
    need(height);
    cairo_set_source_rgb(cairo_.get(), 0.955, 0.955, 0.955);
    cairo_rectangle(cairo_.get(), margin, y_, text_width, std::min(height, bottom - y_));
    cairo_fill(cairo_.get());
    cairo_set_source_rgb(cairo_.get(), number.red, number.green, number.blue);
    cairo_move_to(cairo_.get(), margin + 4, y_);
    pango_cairo_show_layout(cairo_.get(), layout(std::to_string(first++), number, s.indent).get());
    lines_of(l.get(), s);
  }
  space(6);
}

std::vector<owned<PangoLayout>> page_writer::cells_of(const std::vector<std::string>& row,
                                                      const std::vector<double>& columns, bool head) const {
  std::vector<owned<PangoLayout>> cells;
  for (std::size_t i = 0; i < row.size() && i < columns.size(); ++i) {
    cells.push_back(
        layout(row[i], {.font = head ? "DejaVu Sans Bold 8" : "DejaVu Sans 7.5"}, columns[i] - 8));
    pango_layout_set_height(cells.back().get(), -12);  // a cell is no page
    pango_layout_set_ellipsize(cells.back().get(), PANGO_ELLIPSIZE_END);
  }
  return cells;
}

void page_writer::table(const std::vector<std::vector<std::string>>& rows,
                        const std::vector<double>& widths) {
  if (rows.empty() || rows[0].empty()) return;
  const auto count = rows[0].size();
  std::vector<double> columns(count, 110);
  if (widths.size() == count) {
    double all = 0;
    for (const double w : widths) all += w;
    for (std::size_t i = 0; i < count; ++i) columns[i] = text_width * widths[i] / std::max(all, 0.01);
  }
  for (std::size_t n = 0; n < rows.size(); ++n) {
    const auto cells = cells_of(rows[n], columns, n == 0);
    double height = 0, x = margin;
    for (const auto& c : cells) height = std::max(height, height_of(c.get()));
    need(height + 6);
    for (std::size_t i = 0; i < columns.size(); ++i) {
      cairo_set_source_rgb(cairo_.get(), n == 0 ? 0.92 : 1, n == 0 ? 0.92 : 1, n == 0 ? 0.94 : 1);
      cairo_rectangle(cairo_.get(), x, y_, columns[i], height + 6);
      cairo_fill_preserve(cairo_.get());
      cairo_set_source_rgb(cairo_.get(), 0.7, 0.7, 0.7);
      cairo_set_line_width(cairo_.get(), 0.4);
      cairo_stroke(cairo_.get());
      if (i < cells.size()) {
        cairo_set_source_rgb(cairo_.get(), 0, 0, 0);
        cairo_move_to(cairo_.get(), x + 4, y_ + 3);
        pango_cairo_show_layout(cairo_.get(), cells[i].get());
      }
      x += columns[i];
    }
    y_ += height + 6;
  }
  space(8);
}

void page_writer::list(const std::vector<std::string>& items) {
  for (const auto& item : items) {
    const style s{.font = "DejaVu Sans 8.5", .indent = 14};
    const auto l = layout(item, s, text_width - s.indent);
    need(height_of(layout("x", s, 100).get()));
    cairo_set_source_rgb(cairo_.get(), 0, 0, 0);
    cairo_move_to(cairo_.get(), margin + 4, y_);
    pango_cairo_show_layout(cairo_.get(), layout("•", s, 20).get());
    lines_of(l.get(), s);
    space(2);
  }
  space(3);
}

void page_writer::drawing(const picture& p) {
  if (p.width <= 0 || p.height <= 0) return;
  const double room = bottom - margin;
  const double scale = std::min({1.0, text_width / p.width, room / p.height});
  need(p.height * scale);
  cairo_t* c = cairo_.get();
  cairo_save(c);
  cairo_translate(c, margin, y_);
  cairo_scale(c, scale, scale);
  cairo_set_line_width(c, 0.8);
  const double dashes[] = {4, 3};
  for (const auto& l : p.lines) {
    cairo_set_source_rgb(c, l.warning ? 0.776 : 0.5, l.warning ? 0.157 : 0.5, l.warning ? 0.157 : 0.5);
    cairo_set_dash(c, dashes, l.warning ? 2 : 0, 0);
    cairo_move_to(c, l.x1, l.y1);
    cairo_line_to(c, l.x2, l.y2);
    cairo_stroke(c);
  }
  cairo_set_dash(c, dashes, 0, 0);
  for (const auto& n : p.nodes) {
    cairo_set_source_rgb(c, 0.965, 0.965, 0.975);
    cairo_rectangle(c, n.x, n.y, 170, 20);
    cairo_fill_preserve(c);
    cairo_set_source_rgb(c, 0.35, 0.35, 0.35);
    cairo_stroke(c);
    const auto l = layout(n.name, {.font = "DejaVu Sans 8"}, 160);
    pango_layout_set_height(l.get(), -1);
    pango_layout_set_ellipsize(l.get(), PANGO_ELLIPSIZE_END);
    cairo_set_source_rgb(c, 0, 0, 0);
    cairo_move_to(c, n.x + 5, n.y + 4);
    pango_cairo_show_layout(c, l.get());
  }
  cairo_restore(c);
  y_ += p.height * scale;
  space(8);
}

page_numbers page_writer::finish() {
  end_page();
  seen_.pages = page_;
  return seen_;
}

}  // namespace osvm::pdf
