#pragma once
// Charts as static SVG written here instead of by a plotting library in the page. What a library would bring, zooming
// and animation, nobody needs of thirty layers; what it would cost is weight (the smallest useful ones have 50 kB; a
// whole page on LeNet-5, tables included, has 75), a page that is blank without scripts, marks that neither keyboard
// nor screen reader reaches, and a picture that a phone shrinks together with its words. Here every coordinate is a
// share of the plot in per cent, so that a plot takes the width there is and its text keeps its size; marks are
// elements with names of their own.
#include <string>

#include "tools/html/axis.h"
#include "tools/output/markup.h"

namespace tally::tools {

/// 0.1234 → "12.34%", held within ±1000 %.
std::string percent(double share);

/// A plot: its axes, what they measure, and where they meet.
struct Plot {
  std::string title;  ///< of the whole, for those who do not see it
  std::string x_title, y_title;
  Axis x, y;
  int height = 340;  ///< px of the area between the axes
  int x_ticks = 6, y_ticks = 6;

  /// Shares of the plot's width and height, the latter from above, as "12.34%".
  std::string left(double value) const { return percent(x.at(value)); }
  std::string top(double value) const { return percent(1 - y.at(value)); }
};

/// Opens the SVG of a plot and draws axes, grid and headings; close with close_plot.
void open_plot(Markup& out, const Plot& plot);
void close_plot(Markup& out);

/// A straight line between two points in the plot's units. `kind`: its class in the style sheet.
void draw_line(Markup& out, const Plot& plot, double x0, double y0, double x1, double y1, const std::string& kind);

/// Words at a point, moved by (dx, dy) px; `anchor`: start, middle or end.
void draw_words(Markup& out, const Plot& plot, double x, double y, double dx, double dy, const std::string& words,
                const std::string& anchor, const std::string& kind);

/// A point that can be reached by keyboard, with a name that hovering and focus show. `number`: written into it, unless
/// empty.
struct Mark {
  double x = 0, y = 0, radius = 5;
  std::string name, number, kind;
};
void draw_mark(Markup& out, const Plot& plot, const Mark& mark);

/// A line through points, and a band between two such lines, in a picture that stretches with the plot.
struct Curve {
  std::vector<double> x, y;
};
void draw_curve(Markup& out, const Plot& plot, const Curve& curve, const std::string& kind);
void draw_band(Markup& out, const Plot& plot, const Curve& lower, const Curve& upper, const std::string& kind);

/// A horizontal piece of a bar: from and to as shares of the bar's width. Reached by keyboard as a mark is.
struct Piece {
  double from = 0, to = 0;
  std::string name, number, kind;
};
/// One bar of such pieces, as an SVG of its own. `title`: what it shows.
void draw_bar(Markup& out, const std::string& title, const std::vector<Piece>& pieces);

}  // namespace tally::tools
