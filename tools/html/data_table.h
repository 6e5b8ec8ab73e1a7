#pragma once
#include <optional>
#include <string>
#include <vector>

#include "tools/output/markup.h"

namespace tally::tools {

/// What a cell shows; `value` is what its column is sorted by. Without words: "n/a".
struct DataCell {
  std::string words;
  std::optional<double> value;
};

DataCell words_cell(const std::string& words);
DataCell count_cell(std::optional<int64_t> count);
DataCell bytes_cell(std::optional<int64_t> bytes);
DataCell time_cell(std::optional<double> ns);
/// A fraction as a percentage.
DataCell share_cell(std::optional<double> share);
DataCell number_cell(std::optional<double> number, int decimals);
/// A difference, with its sign.
DataCell change_cell(std::optional<int64_t> change);

/// A table that says the same as the chart it stands beside. The first column heads its rows.
struct DataTable {
  struct Column {
    std::string title;
    bool number = true;
    std::string unit = {};
  };
  std::string caption;
  std::vector<Column> columns;
  std::vector<std::vector<DataCell>> rows;
  std::vector<DataCell> totals;  ///< empty: none
};

/// In a region of its own that scrolls where the table is wider than the page. Nothing where there are no rows.
void write_table(Markup& out, const DataTable& table);

}  // namespace tally::tools
