#include "graph.hpp"

#include <osvm/core/text.hpp>

#include <algorithm>
#include <map>

namespace osvm::audit {
namespace {

constexpr double row_height = 28, gap = 120;
constexpr std::size_t most_nodes = 60;  // of a column: more is no drawing any more

class two_columns {
 public:
  void join(const std::string& left, const std::string& right, bool warning) {
    const auto l = place(left_, left), r = place(right_, right);
    if (l == most_nodes || r == most_nodes) return;
    auto& known = lines_[{l, r}];
    known = known || warning;
  }
  graph drawn() const {
    graph g;
    g.width = 2 * graph::box_width + gap;
    g.height = row_height * static_cast<double>(std::max(left_.size(), right_.size()));
    for (std::size_t i = 0; i < left_.size(); ++i) g.nodes.push_back({shown(left_[i]), 0, top(i)});
    for (std::size_t i = 0; i < right_.size(); ++i)
      g.nodes.push_back({shown(right_[i]), graph::box_width + gap, top(i)});
    for (const auto& [ends, warning] : lines_)
      g.lines.push_back({graph::box_width, top(ends.first) + graph::box_height / 2, graph::box_width + gap,
                         top(ends.second) + graph::box_height / 2, warning});
    return g;
  }

 private:
  static double top(std::size_t i) { return row_height * static_cast<double>(i); }
  static std::string shown(const std::string& name) { return printable(name, 28); }
  static std::size_t place(std::vector<std::string>& column, const std::string& name) {
    const auto it = std::find(column.begin(), column.end(), name);
    if (it != column.end()) return static_cast<std::size_t>(it - column.begin());
    if (column.size() == most_nodes) return most_nodes;
    column.push_back(name);
    return column.size() - 1;
  }
  std::vector<std::string> left_, right_;
  std::map<std::pair<std::size_t, std::size_t>, bool> lines_;
};

}  // namespace

graph call_graph(const program_summary& p) {
  two_columns c;
  for (const auto& in : p.rows)
    for (const auto& call : in.calls) c.join(in.name, call.program, !call.pinned);
  return c.drawn();
}

graph authority_graph(const program_summary& p) {
  two_columns c;
  for (const auto& in : p.rows)
    for (const auto& a : in.authorities) c.join(a.authority, a.over, false);
  return c.drawn();
}

}  // namespace osvm::audit
