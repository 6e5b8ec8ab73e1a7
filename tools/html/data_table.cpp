#include "tools/html/data_table.h"

#include <cmath>

#include "tools/output/formatted.h"
#include "tools/output/numbers.h"

namespace tally::tools {

namespace {

void write_cell(Markup& out, const DataTable& table, const std::vector<DataCell>& row, size_t c) {
  const DataCell& cell = row[c];
  const std::string kind = table.columns[c].number ? "number" : "words";
  const std::string words = cell.words.empty() ? "n/a" : cell.words;
  const std::string value = cell.value ? formatted("{:.17g}", *cell.value) : "";
  if (c == 0)
    out.open("th", {{"scope", "row"}, {"class", kind}, {"data-value", value}});
  else
    out.open("td", {{"class", kind}, {"data-value", value}});
  out.leaf("bdi", words).close();
}

void write_row(Markup& out, const DataTable& table, const std::vector<DataCell>& row) {
  out.open("tr");
  for (size_t c = 0; c < table.columns.size() && c < row.size(); ++c) write_cell(out, table, row, c);
  out.close();
}

}  // namespace

DataCell words_cell(const std::string& words) { return {words.empty() ? "–" : words, std::nullopt}; }

DataCell count_cell(std::optional<int64_t> count) {
  if (!count) return {};
  return {with_thousands(*count), static_cast<double>(*count)};
}

DataCell bytes_cell(std::optional<int64_t> bytes) {
  if (!bytes) return {};
  return {bytes_text(static_cast<double>(*bytes)), static_cast<double>(*bytes)};
}

DataCell time_cell(std::optional<double> ns) {
  if (!ns) return {};
  return {duration_text(*ns), *ns};
}

DataCell share_cell(std::optional<double> share) {
  if (!share || !std::isfinite(*share)) return {};
  return {formatted("{:.1f} %", *share * 100), *share};
}

DataCell number_cell(std::optional<double> number, int decimals) {
  if (!number || !std::isfinite(*number)) return {};
  return {with_thousands(*number, decimals), *number};
}

DataCell change_cell(std::optional<int64_t> change) {
  if (!change) return {};
  return {with_sign(*change), static_cast<double>(*change)};
}

void write_table(Markup& out, const DataTable& table) {
  if (table.rows.empty()) return;
  out.open("div", {{"class", "scroll"}, {"tabindex", "0"}, {"role", "region"}, {"aria-label", table.caption}});
  out.open("table").leaf("caption", table.caption).open("thead").open("tr");
  for (const DataTable::Column& column : table.columns)
    out.leaf("th", column.title + (column.unit.empty() ? "" : ", " + column.unit),
             {{"scope", "col"}, {"class", column.number ? "number" : "words"}});
  out.close().close().open("tbody");
  for (const auto& row : table.rows) write_row(out, table, row);
  out.close();
  if (!table.totals.empty()) {
    out.open("tfoot");
    write_row(out, table, table.totals);
    out.close();
  }
  out.close().close();
}

}  // namespace tally::tools
