// A PDF's pages, from top to bottom. Text is laid out by pango and never read as markup.
#pragma once

#include <cairo-pdf.h>
#include <pango/pangocairo.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace osvm::pdf {

struct release {
  void operator()(cairo_surface_t* s) const { cairo_surface_destroy(s); }
  void operator()(cairo_t* c) const { cairo_destroy(c); }
  void operator()(PangoLayout* l) const { g_object_unref(l); }
  void operator()(PangoFontDescription* f) const { pango_font_description_free(f); }
};
template <class T>
using owned = std::unique_ptr<T, release>;

struct style {
  const char* font = "DejaVu Sans 9.5";
  double red = 0, green = 0, blue = 0;
  double indent = 0;
};

// What an earlier run over the same document found out.
struct page_numbers {
  int pages = 0;
  std::map<std::string, int> of_anchor;
};

// Not thread-safe. Lives as long as the surface that it is given.
class page_writer final {
 public:
  page_writer(cairo_surface_t* surface, std::string footer, page_numbers known);

  void title(const std::string& text, const std::string& subtitle);
  void heading(const std::string& text, int level, const std::string& anchor);
  void paragraph(const std::string& text, const style& s = {});
  void contents_line(const std::string& text, const std::string& anchor);
  void finding(const std::string& text, const std::string& color, const std::string& anchor);
  void code(const std::vector<std::string>& lines, unsigned first);
  void table(const std::vector<std::vector<std::string>>& rows, const std::vector<double>& widths);
  void list(const std::vector<std::string>& items);

  struct picture {
    struct node {
      std::string name;
      double x, y;
    };
    struct line {
      double x1, y1, x2, y2;
      bool warning;
    };
    double width = 0, height = 0;
    std::vector<node> nodes;
    std::vector<line> lines;
  };
  void drawing(const picture& p);

  // Ends the last page.
  page_numbers finish();

 private:
  owned<PangoLayout> layout(const std::string& text, const style& s, double width) const;
  void new_page();
  void end_page();
  void need(double height);
  void space(double height) { y_ += height; }
  void lines_of(PangoLayout* l, const style& s);
  void bookmark(const std::string& text, int level, const std::string& anchor);
  std::string name_of(const std::string& anchor);
  void target(const std::string& anchor);
  std::vector<owned<PangoLayout>> cells_of(const std::vector<std::string>& row,
                                           const std::vector<double>& columns, bool head) const;

  cairo_surface_t* surface_;
  owned<cairo_t> cairo_;
  std::string footer_;
  page_numbers known_, seen_;
  std::map<std::string, int> names_;
  int parents_[4] = {CAIRO_PDF_OUTLINE_ROOT, CAIRO_PDF_OUTLINE_ROOT, CAIRO_PDF_OUTLINE_ROOT,
                     CAIRO_PDF_OUTLINE_ROOT};
  int page_ = 1;
  double y_;
};

}  // namespace osvm::pdf
