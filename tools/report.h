#pragma once
#include <functional>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "tools/options.h"
#include "tools/table.h"

namespace tally::tools {

struct ReportPart {
  std::string heading;  ///< empty: none
  Table table;
};

/// What a command found, for people: a title, facts, tables, and notes beneath.
struct Report {
  std::string title;
  std::vector<std::string> facts;
  std::vector<ReportPart> parts;
  std::vector<std::string> notes;  ///< paragraphs; an empty one is a blank line

  std::string as_text(int width, const Emphasis& emphasis) const;
  std::string as_markdown() const;
  std::string as_csv() const;  ///< the first part's rows
};

/// Writes the report in the format asked for, where asked; JSON is `document`'s.
void write_report(const Report& report, const std::function<nlohmann::ordered_json()>& document,
                  const OutputOptions& options);

}  // namespace tally::tools
