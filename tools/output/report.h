#pragma once
#include <functional>
#include <string>
#include <vector>

#include "nlohmann/json_fwd.hpp"
#include "tools/input/options.h"
#include "tools/output/table.h"

namespace tally::tools {

struct ReportPart {
  std::string heading;  ///< empty: none
  Table table;
  bool only_csv = false;
};

/// What a command found, for people: a title, facts, tables, and notes beneath.
struct Report {
  std::string title;
  std::vector<std::string> facts;
  std::vector<ReportPart> parts;
  std::vector<std::string> notes;  ///< paragraphs; an empty one is a blank line

  std::string as_text(int width, const Emphasis& emphasis) const;
  std::string as_markdown() const;
  /// Every table. Between two of them a blank line and "# " with the second one's heading.
  std::string as_csv() const;
};

/// Writes the report in the format asked for, where asked; JSON is `document`'s.
void write_report(const Report& report, const std::function<nlohmann::ordered_json()>& document,
                  const OutputOptions& options);

}  // namespace tally::tools
