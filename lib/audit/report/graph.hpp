// Drawings of two columns joined by lines: who calls which program, who decides over what. Coordinates only;
// each report draws them in its own way.
#pragma once

#include <osvm/audit/finding.hpp>

namespace osvm::audit {

struct graph_node {
  std::string name;
  double x = 0, y = 0;  // of the box's upper left corner
};
struct graph_line {
  double x1 = 0, y1 = 0, x2 = 0, y2 = 0;
  bool warning = false;  // a program that nothing pins
};
struct graph {
  static constexpr double box_width = 170, box_height = 20;
  double width = 0, height = 0;
  std::vector<graph_node> nodes;
  std::vector<graph_line> lines;
  bool empty() const { return lines.empty(); }
};

graph call_graph(const program_summary& p);
graph authority_graph(const program_summary& p);

}  // namespace osvm::audit
