#include "tools/output/table.h"

#include <doctest/doctest.h>

#include <sstream>

#include "tools/output/numbers.h"

using namespace tally::tools;

namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

Table example() {
  Table table;
  table.columns = {{"name", "layer", Unit::text, "", 6},
                   {"macs", "MACs", Unit::count, "ideal"},
                   {"bytes", "bytes", Unit::bytes, "ideal", 0, 2},
                   {"ns", "time", Unit::ns, "measured"},
                   {"share", "share", Unit::share, "measured"}};
  table.rows = {{std::string("conv1"), int64_t{117600}, int64_t{1200}, 3210.0, 0.75},
                {std::string("relu"), int64_t{0}, int64_t{96}, 4.0, 0.25}};
  table.totals = {std::string("total"), int64_t{117600}, int64_t{1296}, 3214.0, 1.0};
  return table;
}

}  // namespace

TEST_CASE("columns are aligned under headings, groups and units") {
  const std::vector<std::string> lines = lines_of(example().as_text(100, {}));
  REQUIRE(lines.size() == 8);
  CHECK(lines[0] == "       ─── ideal ────  ─ measured ─");
  CHECK(lines[1] == "layer     MACs  bytes   time  share");
  CHECK(lines[2] == "                    B     µs      %");
  CHECK(lines[4] == "conv1  117,600  1,200   3.21   75.0");
  CHECK(lines[5] == "relu         -     96  <0.01   25.0");
  CHECK(lines[7] == "total  117,600  1,296   3.21  100.0");
}

TEST_CASE("a column of long numbers changes its unit as a whole") {
  Table table;
  table.columns = {{"macs", "MACs", Unit::count}, {"bytes", "bytes", Unit::bytes}, {"ns", "time", Unit::ns}};
  table.rows = {{int64_t{4089184256}, int64_t{97490000}, 2.5e9}, {int64_t{3}, int64_t{40}, 1.0}};
  const std::vector<std::string> lines = lines_of(table.as_text(100, {}));
  CHECK(lines[1] == "       M        kB       s");
  CHECK(lines[3] == "4,089.18  97,490.0   2.500");
  CHECK(lines[4] == "   <0.01      <0.1  <0.001");
}

TEST_CASE("no line is wider than asked for") {
  Table table;
  table.columns = {{"name", "layer", Unit::text, "", 10}, {"op", "operator", Unit::text, "", 6}};
  for (int c = 0; c < 12; ++c)
    table.columns.push_back({"c" + std::to_string(c), "column" + std::to_string(c), Unit::count, "group", 0, c});
  for (int r = 0; r < 5; ++r) {
    std::vector<Cell> row{std::string("a rather long name — ") + std::string(60, 'x'), std::string("ConvTranspose")};
    for (int64_t c = 0; c < 12; ++c) row.emplace_back(int64_t{99'999'999} / (c + 1));
    table.rows.push_back(row);
  }
  table.totals = table.rows[0];
  for (const int width : {60, 80, 100})
    for (const std::string& line : lines_of(table.as_text(width, {})))
      CHECK(display_width(line) <= static_cast<size_t>(width));
  const std::string text = table.as_text(80, {});
  CHECK(text.find("column0") != std::string::npos);  // priority 0 stays
  CHECK(text.find("Left out for want of width: group column11") != std::string::npos);
}

TEST_CASE("long text goes on in lines of its own where its column wraps") {
  Table table;
  table.columns = {{"what", ""}, {.key = "found", .title = "", .unit = Unit::text, .shrink_to = 10, .wraps = true}};
  table.rows = {{std::string("words"), std::string("one two three four five six")},
                {std::string("more"), std::string("seven")}};
  CHECK(lines_of(table.as_text(18, {})) == std::vector<std::string>{"──────────────────", "words  one two",
                                                                    "       three four", "       five six",
                                                                    "more   seven"});
  CHECK(table.as_csv() == "what,found\nwords,one two three four five six\nmore,seven\n");
}

TEST_CASE("what could not be had is n/a, and empty in CSV") {
  Table table;
  table.columns = {{"name", "name"},
                   {"value", "value", Unit::count},
                   {.key = "zero", .title = "zero", .unit = Unit::count, .hide_zeros = true},
                   {.key = "more", .title = "more", .unit = Unit::text, .only_csv = true}};
  table.rows = {{std::string("a, \"b\""), {}, int64_t{0}, std::string("x")},
                {std::string("c"), int64_t{1234}, int64_t{0}, std::string("y")}};
  const std::string text = table.as_text(100, {});
  CHECK(text.find("n/a") != std::string::npos);
  CHECK(text.find("zero") == std::string::npos);
  CHECK(text.find("more") == std::string::npos);
  CHECK(table.as_csv() == "name,value,zero,more\n\"a, \"\"b\"\"\",,0,x\nc,1234,0,y\n");
}

TEST_CASE("Markdown has the same rows") {
  const std::vector<std::string> lines = lines_of(example().as_markdown());
  REQUIRE(lines.size() == 5);
  CHECK(lines[0] == "| layer | ideal MACs | ideal bytes (B) | measured time (µs) | measured share (%) |");
  CHECK(lines[1] == "|---|---:|---:|---:|---:|");
  CHECK(lines[2] == "| conv1 | 117,600 | 1,200 | 3.21 | 75.0 |");
}

TEST_CASE("emphasis is escape sequences or nothing") {
  CHECK(example().as_text(100, {}).find('\033') == std::string::npos);
  CHECK(example().as_text(100, {true}).find("\033[1m") != std::string::npos);
}

TEST_CASE("names cannot smuggle control characters") {
  Table table;
  table.columns = {{"name", "name"}};
  table.rows = {{std::string("a\033[31m\nb\xff")}};
  CHECK(table.as_text(100, {}).find("a?[31m?b?") != std::string::npos);
}

TEST_CASE("paragraphs keep their indentation when wrapped") {
  CHECK(wrapped("- one two three four", 12) == "- one two\n  three four\n");
  CHECK(wrapped("    - alpha beta", 12) == "    - alpha\n      beta\n");
  CHECK(wrapped("short", 80) == "short\n");
  CHECK(wrapped("averyveryverylongword x", 8) == "averyveryverylongword\nx\n");
}
