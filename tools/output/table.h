#pragma once
#include <string>
#include <variant>
#include <vector>

#include "tools/output/screen.h"

namespace tally::tools {

/// What a column holds, and with it how its numbers are written.
enum class Unit {
  text,
  path,    ///< names such as /conv/conv.0/Conv, without the repetitions
  count,   ///< integers, thousands separated, "-" for 0; in millions (M) … where they would be long
  bytes,   ///< integers; in kB … where they would be long
  ns,      ///< times; in ns, µs, ms or s as suits the column
  share,   ///< fractions, as percentages
  rate,    ///< one decimal, "-" for 0
  number,  ///< anything else, four significant digits
  figure,  ///< values of several units in one column: integers in full, texts as they are, all to the right
  change,  ///< differences: integers in full with their sign
};

struct Column {
  std::string key;    ///< heading in CSV: "bytes_loaded"
  std::string title;  ///< heading elsewhere: "loaded"
  Unit unit = Unit::text;
  std::string group = {};   ///< heading above neighbouring columns of the same group
  int shrink_to = 0;        ///< text may be cut, or wrapped, down to this many columns; 0: never
  int priority = 0;         ///< where a table is too wide, columns go by falling priority; 0 stays
  bool hide_zeros = false;  ///< left out (not in CSV) where nothing but 0 is in it
  bool only_csv = false;
  int decimals = -1;       ///< of shares, where the usual one does not do
  bool never_csv = false;  ///< another column has it in exact numbers
  bool wraps = false;      ///< long text goes on in lines of its own instead of being cut
};

inline Column csv_column(const char* key) { return {.key = key, .title = key, .unit = Unit::text, .only_csv = true}; }

/// A value that could not be had is the empty alternative: "n/a", and nothing in CSV.
using Cell = std::variant<std::monostate, std::string, int64_t, double>;

struct Table {
  std::vector<Column> columns;
  std::vector<std::vector<Cell>> rows;
  std::vector<Cell> totals;  ///< empty: no such line

  /// Aligned columns under headings with units, no line wider than `width`; ends with a line that names columns left
  /// out for want of width, if any.
  std::string as_text(int width, const Emphasis& emphasis) const;
  std::string as_markdown() const;
  /// RFC 4180 (lines end in \\n) with exact integers, without totals.
  std::string as_csv() const;
};

/// Paragraphs wrapped to `width`; a line's own indentation, and "* " or "- ", is kept by its continuation.
std::string wrapped(const std::string& text, int width);

}  // namespace tally::tools
