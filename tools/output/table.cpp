#include "tools/output/table.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "tools/output/formatted.h"
#include "tools/output/numbers.h"

namespace tally::tools {

namespace {

constexpr size_t kGap = 2;  // blanks between columns

/// How the numbers of one column are written.
struct Scale {
  double divisor = 1;
  int decimals = 0;
  std::string unit;
};

/// A column as shown: headings and cells as text.
struct Shown {
  const Column* column = nullptr;
  std::string title, unit;
  std::vector<std::string> cells;  // rows, then totals if any
  size_t width = 0;

  std::string heading() const { return column->group.empty() ? title : column->group + " " + title; }
  bool right() const { return column->unit != Unit::text && column->unit != Unit::path; }
  void measure() {
    width = std::max(display_width(title), display_width(unit));
    for (const std::string& cell : cells) width = std::max(width, display_width(cell));
  }
};

double magnitude(const Cell& cell) {
  if (const auto* integer = std::get_if<int64_t>(&cell)) return std::fabs(static_cast<double>(*integer));
  if (const auto* number = std::get_if<double>(&cell)) return std::fabs(*number);
  return 0;
}

Scale scale_of(const Column& column, double largest) {
  switch (column.unit) {
    case Unit::count:
      if (largest < 1e8) return {1, 0, ""};
      if (largest < 1e11) return {1e6, 2, "M"};
      if (largest < 1e14) return {1e9, 2, "G"};
      return {1e12, 2, "T"};
    case Unit::bytes:
      if (largest < 1e6) return {1, 0, "B"};
      if (largest < 1e9) return {1e3, 1, "kB"};
      if (largest < 1e12) return {1e6, 1, "MB"};
      return {1e9, 1, "GB"};
    case Unit::ns:
      if (largest < 1e3) return {1, 1, "ns"};
      if (largest < 1e6) return {1e3, 2, "µs"};
      if (largest < 1e9) return {1e6, 3, "ms"};
      return {1e9, 3, "s"};
    case Unit::share:
      return {0.01, column.decimals >= 0 ? column.decimals : 1, "%"};
    case Unit::rate:
      return {1, 1, ""};
    case Unit::number:
    case Unit::figure:
    case Unit::change:
    case Unit::path:
    case Unit::text:
      break;
  }
  return {};
}

std::string shown_number(double value, const Scale& scale) {
  const double scaled = value / scale.divisor;
  // A value that is not zero never looks like zero.
  if (value != 0 && scale.decimals > 0 && std::fabs(scaled) < 0.5 * std::pow(10.0, -scale.decimals))
    return formatted("<{:.{}f}", std::pow(10.0, -scale.decimals), scale.decimals);
  return with_thousands(scaled, scale.decimals);
}

std::string shown_cell(const Cell& cell, Unit unit, const Scale& scale) {
  if (std::holds_alternative<std::monostate>(cell)) return "n/a";
  if (const auto* words = std::get_if<std::string>(&cell))
    return printable(unit == Unit::path ? short_path(*words) : *words);
  const auto* integer = std::get_if<int64_t>(&cell);
  if (integer != nullptr && unit == Unit::change) return with_sign(*integer);
  if (integer != nullptr && *integer == 0 && (unit == Unit::count || unit == Unit::bytes)) return "-";
  if (integer != nullptr && scale.divisor == 1 && unit != Unit::rate) return with_thousands(*integer);
  const double value = integer != nullptr ? static_cast<double>(*integer) : std::get<double>(cell);
  if (!std::isfinite(value)) return "n/a";
  if (unit == Unit::rate && value == 0) return "-";
  return unit == Unit::number || unit == Unit::figure ? formatted("{:.4g}", value) : shown_number(value, scale);
}

/// The columns that have something to say, as text.
std::vector<Shown> show(const Table& table) {
  std::vector<Shown> list;
  for (size_t c = 0; c < table.columns.size(); ++c) {
    const Column& column = table.columns[c];
    if (column.only_csv) continue;
    double largest = 0;
    bool says_something = !column.hide_zeros;
    const auto look = [&](const Cell& cell) {
      largest = std::max(largest, magnitude(cell));
      says_something = says_something || magnitude(cell) > 0 || std::holds_alternative<std::monostate>(cell);
    };
    for (const auto& row : table.rows) look(row[c]);
    if (!table.totals.empty()) look(table.totals[c]);
    if (!says_something) continue;
    const Scale scale = scale_of(column, largest);
    Shown shown{&column, column.title, scale.unit, {}, 0};
    for (const auto& row : table.rows) shown.cells.push_back(shown_cell(row[c], column.unit, scale));
    if (!table.totals.empty()) shown.cells.push_back(shown_cell(table.totals[c], column.unit, scale));
    shown.measure();
    list.push_back(std::move(shown));
  }
  return list;
}

size_t full_width(const std::vector<Shown>& columns) {
  size_t width = 0;
  for (const Shown& shown : columns) width += shown.width + (width > 0 ? kGap : 0);
  return width;
}

/// Cuts texts, then leaves columns out, until the table fits; names of those left out.
std::vector<std::string> fit(std::vector<Shown>& columns, size_t limit) {
  std::vector<std::string> left_out;
  while (full_width(columns) > limit) {
    size_t spare = 0;
    for (const Shown& shown : columns)
      if (shown.column->shrink_to > 0)
        spare += shown.width - std::min(shown.width, static_cast<size_t>(shown.column->shrink_to));
    const auto least = std::max_element(columns.begin(), columns.end(), [](const Shown& a, const Shown& b) {
      return a.column->priority < b.column->priority;
    });
    if (full_width(columns) - spare > limit && least->column->priority > 0) {
      left_out.push_back(least->heading());
      columns.erase(least);
      continue;
    }
    // The widest text gives way first.
    Shown* widest = nullptr;
    for (Shown& shown : columns)
      if (shown.column->shrink_to > 0 && shown.width > static_cast<size_t>(shown.column->shrink_to) &&
          (widest == nullptr || shown.width > widest->width))
        widest = &shown;
    if (widest == nullptr) break;
    --widest->width;
  }
  return left_out;
}

std::string padded(const std::string& text, size_t width, bool right) {
  const std::string blanks(width - std::min(width, display_width(text)), ' ');
  return right ? blanks + text : text + blanks;
}

std::string without_trailing_blanks(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

template <class Text>
std::string line_of(const std::vector<Shown>& columns, Text text) {
  std::string line;
  for (const Shown& shown : columns) {
    if (&shown != &columns.front()) line += std::string(kGap, ' ');
    line += padded(cut_middle(text(shown), shown.width), shown.width, shown.right());
  }
  return without_trailing_blanks(std::move(line));
}

/// A row's lines: more than one where a column wraps.
std::string row_lines(const std::vector<Shown>& columns, size_t row) {
  std::vector<std::vector<std::string>> parts;
  size_t height = 1;
  for (const Shown& shown : columns) {
    std::vector<std::string>& lines = parts.emplace_back();
    if (shown.column->wraps) {
      std::istringstream in(wrapped(shown.cells[row], static_cast<int>(shown.width)));
      for (std::string line; std::getline(in, line);) lines.push_back(line);
    } else {
      lines = {shown.cells[row]};
    }
    height = std::max(height, lines.size());
  }
  std::string text;
  for (size_t h = 0; h < height; ++h) {
    size_t c = 0;
    text += line_of(columns,
                    [&](const Shown&) {
                      const std::vector<std::string>& lines = parts[c++];
                      return h < lines.size() ? lines[h] : std::string();
                    }) +
            "\n";
  }
  return text;
}

/// "───── ideal ─────" over neighbouring columns of a group; empty where there are no groups.
std::string group_line(const std::vector<Shown>& columns) {
  std::string line;
  bool any = false;
  for (size_t c = 0; c < columns.size();) {
    const std::string& group = columns[c].column->group;
    size_t width = columns[c].width, end = c + 1;
    while (end < columns.size() && columns[end].column->group == group) width += kGap + columns[end++].width;
    if (c > 0) line += std::string(kGap, ' ');
    const std::string label = group.empty() ? "" : cut_middle(group, width);
    const size_t rest = width - display_width(label);
    std::string left, right;
    for (size_t i = 0; i < rest; ++i) {
      const bool at_edge = group.empty() || i + 1 == rest / 2 || i == rest / 2;  // a blank on each side of the label
      (i < rest / 2 ? left : right) += at_edge ? " " : "─";
    }
    line += left + label + right;
    any = any || !group.empty();
    c = end;
  }
  return any ? without_trailing_blanks(std::move(line)) : std::string();
}

std::string csv_text(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

std::string csv_cell(const Cell& cell) {
  if (const auto* words = std::get_if<std::string>(&cell)) return csv_text(*words);
  if (const auto* integer = std::get_if<int64_t>(&cell)) return formatted("{}", *integer);
  if (const auto* number = std::get_if<double>(&cell))
    return std::isfinite(*number) ? formatted("{:.6g}", *number) : "";
  return "";
}

std::string markdown_text(const std::string& text) {
  std::string escaped;
  for (const char c : text)
    escaped += c == '|' || c == '<' || c == '*' || c == '_' ? std::string("\\") + c : std::string(1, c);
  return escaped;
}

}  // namespace

std::string Table::as_text(int width, const Emphasis& emphasis) const {
  std::vector<Shown> shown = show(*this);
  const std::vector<std::string> left_out = fit(shown, static_cast<size_t>(width));
  std::string text;
  if (const std::string groups = group_line(shown); !groups.empty()) text += emphasis.faint(groups) + "\n";
  const auto has_title = [](const Shown& s) { return !s.title.empty(); };
  if (std::any_of(shown.begin(), shown.end(), has_title))
    text += emphasis.bold(line_of(shown, [](const Shown& s) { return s.title; })) + "\n";
  if (std::any_of(shown.begin(), shown.end(), [](const Shown& s) { return !s.unit.empty(); }))
    text += emphasis.faint(line_of(shown, [](const Shown& s) { return s.unit; })) + "\n";
  std::string rule;
  for (size_t i = 0; i < full_width(shown); ++i) rule += "─";
  text += emphasis.faint(rule) + "\n";
  for (size_t r = 0; r < rows.size(); ++r) text += row_lines(shown, r);
  if (!totals.empty()) {
    text += emphasis.faint(rule) + "\n";
    text += emphasis.bold(line_of(shown, [&](const Shown& s) { return s.cells.back(); })) + "\n";
  }
  if (!left_out.empty())
    text += wrapped(formatted("Left out for want of width: {}; --format csv has all.", joined(left_out, ", ")), width);
  return text;
}

std::string Table::as_markdown() const {
  const std::vector<Shown> shown = show(*this);
  const auto line = [&](auto cell) {
    std::string row = "|";
    for (const Shown& s : shown) row += " " + markdown_text(cell(s)) + " |";
    return row + "\n";
  };
  std::string text = line([](const Shown& s) { return s.heading() + (s.unit.empty() ? "" : " (" + s.unit + ")"); });
  text += "|";
  for (const Shown& s : shown) text += s.right() ? "---:|" : "---|";
  text += "\n";
  const size_t count = rows.size() + (totals.empty() ? 0 : 1);
  for (size_t r = 0; r < count; ++r) text += line([&](const Shown& s) { return s.cells[r]; });
  return text;
}

std::string Table::as_csv() const {
  std::string text;
  const auto add_line = [&](auto cell) {
    std::string line;
    for (size_t c = 0; c < columns.size(); ++c)
      if (!columns[c].never_csv) line += "," + cell(c);
    text += line.substr(std::min<size_t>(1, line.size())) + "\n";
  };
  add_line([&](size_t c) { return csv_text(columns[c].key); });
  for (const auto& row : rows) add_line([&](size_t c) { return csv_cell(row[c]); });
  return text;
}

std::string wrapped(const std::string& text, int width) {
  std::string result;
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    size_t indent = std::min(line.find_first_not_of(' '), line.size());
    if (line.compare(indent, 2, "* ") == 0 || line.compare(indent, 2, "- ") == 0) indent += 2;
    std::string current = line.substr(0, indent);
    bool empty = true;
    for (size_t word = indent; word < line.size();) {
      const size_t stop = std::min(line.find(' ', word), line.size());
      const std::string piece = line.substr(word, stop - word);
      word = stop + 1;
      if (!empty && display_width(current) + 1 + display_width(piece) > static_cast<size_t>(width)) {
        result += current + "\n";
        current = std::string(indent, ' ');
        empty = true;
      }
      current += (empty ? "" : " ") + piece;
      empty = false;
    }
    result += current + "\n";
  }
  return result;
}

}  // namespace tally::tools
