#include "tools/html/plot.h"

#include <algorithm>
#include <cmath>

#include "tools/output/formatted.h"

namespace tally::tools {

namespace {

/// Units of the stretched picture that holds curves.
constexpr double kStretch = 1000;

/// The share of a bar beneath which a number does not fit, at the width of a phone.
constexpr double kRoomForNumber = 0.05;

std::string pixels(double value) { return formatted("{:.1f}", value); }

std::string points_of(const Plot& plot, const Curve& curve, bool backwards) {
  std::string text;
  const size_t n = std::min(curve.x.size(), curve.y.size());
  for (size_t k = 0; k < n; ++k) {
    const size_t i = backwards ? n - 1 - k : k;
    const auto held = [](double share) { return std::isfinite(share) ? std::clamp(share, -10.0, 10.0) : 0.0; };
    text += formatted("{}{:.1f},{:.1f}", text.empty() ? "" : " ", kStretch * held(plot.x.at(curve.x[i])),
                      kStretch * (1 - held(plot.y.at(curve.y[i]))));
  }
  return text;
}

void open_stretched(Markup& out) {
  out.open("svg", {{"class", "stretched"},
                   {"width", "100%"},
                   {"height", "100%"},
                   {"viewBox", "0 0 1000 1000"},
                   {"preserveAspectRatio", "none"},
                   {"aria-hidden", "true"}});
}

void draw_axis(Markup& out, const Plot& plot) {
  out.open("g", {{"class", "axis"}, {"aria-hidden", "true"}});
  for (const Tick& tick : plot.x.ticks(plot.x_ticks)) {
    const std::string at = plot.left(tick.value);
    out.single("line",
               {{"class", tick.label.empty() ? "faint" : "grid"}, {"x1", at}, {"x2", at}, {"y1", "0"}, {"y2", "100%"}});
    if (!tick.label.empty())
      out.leaf("text", tick.label, {{"x", at}, {"y", "100%"}, {"dy", "18"}, {"text-anchor", "middle"}});
  }
  for (const Tick& tick : plot.y.ticks(plot.y_ticks)) {
    const std::string at = plot.top(tick.value);
    out.single("line",
               {{"class", tick.label.empty() ? "faint" : "grid"}, {"x1", "0"}, {"x2", "100%"}, {"y1", at}, {"y2", at}});
    if (!tick.label.empty())
      out.leaf("text", tick.label, {{"x", "0"}, {"y", at}, {"dx", "-8"}, {"dy", "0.35em"}, {"text-anchor", "end"}});
  }
  out.leaf("text", plot.x_title,
           {{"class", "axis-title"}, {"x", "100%"}, {"y", "100%"}, {"dy", "38"}, {"text-anchor", "end"}});
  out.leaf("text", plot.y_title, {{"class", "axis-title"}, {"x", "0"}, {"y", "0"}, {"dx", "-48"}, {"dy", "-14"}});
  out.single("line", {{"class", "frame"}, {"x1", "0"}, {"x2", "100%"}, {"y1", "100%"}, {"y2", "100%"}});
  out.single("line", {{"class", "frame"}, {"x1", "0"}, {"x2", "0"}, {"y1", "0"}, {"y2", "100%"}});
  out.close();
}

/// Opens the group of a mark: focus stops there, and its title is what hovering shows where scripts are off.
void open_mark(Markup& out, const std::string& kind, const std::string& name) {
  out.open("g", {{"class", "mark " + kind}, {"tabindex", "0"}, {"role", "img"}, {"aria-label", name}});
  out.leaf("title", name);
}

}  // namespace

std::string percent(double share) {
  const double held = std::isfinite(share) ? std::clamp(share, -10.0, 10.0) : 0.0;
  return formatted("{:.3f}%", held * 100);
}

void open_plot(Markup& out, const Plot& plot) {
  out.open("div", {{"class", "plot"}});
  out.open("svg",
           {{"class", "area"}, {"role", "group"}, {"aria-label", plot.title}, {"height", std::to_string(plot.height)}});
  draw_axis(out, plot);
}

void close_plot(Markup& out) { out.close().close(); }

void draw_line(Markup& out, const Plot& plot, double x0, double y0, double x1, double y1, const std::string& kind) {
  out.single("line", {{"class", kind},
                      {"x1", plot.left(x0)},
                      {"y1", plot.top(y0)},
                      {"x2", plot.left(x1)},
                      {"y2", plot.top(y1)},
                      {"aria-hidden", "true"}});
}

void draw_words(Markup& out, const Plot& plot, double x, double y, double dx, double dy, const std::string& words,
                const std::string& anchor, const std::string& kind) {
  out.leaf("text", words,
           {{"class", kind},
            {"x", plot.left(x)},
            {"y", plot.top(y)},
            {"dx", pixels(dx)},
            {"dy", pixels(dy)},
            {"text-anchor", anchor},
            {"aria-hidden", "true"}});
}

void draw_mark(Markup& out, const Plot& plot, const Mark& mark) {
  const std::string x = plot.left(mark.x), y = plot.top(mark.y);
  open_mark(out, mark.kind, mark.name);
  out.single("circle", {{"cx", x}, {"cy", y}, {"r", pixels(mark.radius)}});
  if (!mark.number.empty())
    out.leaf("text", mark.number, {{"x", x}, {"y", y}, {"dy", "0.35em"}, {"text-anchor", "middle"}});
  out.close();
}

void draw_curve(Markup& out, const Plot& plot, const Curve& curve, const std::string& kind) {
  open_stretched(out);
  out.single("polyline", {{"class", "curve " + kind}, {"points", points_of(plot, curve, false)}});
  out.close();
}

void draw_band(Markup& out, const Plot& plot, const Curve& lower, const Curve& upper, const std::string& kind) {
  open_stretched(out);
  out.single("polygon", {{"class", "band " + kind},
                         {"points", points_of(plot, lower, false) + " " + points_of(plot, upper, true)}});
  out.close();
}

void draw_bar(Markup& out, const std::string& title, const std::vector<Piece>& pieces) {
  out.open("svg", {{"class", "bar"}, {"role", "group"}, {"aria-label", title}});
  for (const Piece& piece : pieces) {
    const double from = std::clamp(piece.from, 0.0, 1.0), to = std::clamp(piece.to, from, 1.0);
    open_mark(out, piece.kind, piece.name);
    out.single("rect", {{"x", percent(from)}, {"y", "0"}, {"width", percent(to - from)}, {"height", "100%"}});
    if (!piece.number.empty() && to - from > kRoomForNumber)
      out.leaf("text", piece.number,
               {{"x", percent((from + to) / 2)}, {"y", "50%"}, {"dy", "0.35em"}, {"text-anchor", "middle"}});
    out.close();
  }
  out.close();
}

}  // namespace tally::tools
