#include "tools/output/report.h"

#include "nlohmann/json.hpp"
#include "tools/output/document.h"
#include "tools/output/numbers.h"

namespace tally::tools {

std::string Report::as_text(int width, const Emphasis& emphasis) const {
  std::string text = emphasis.bold(cut_middle(printable(title), static_cast<size_t>(width))) + "\n";
  for (const std::string& fact : facts) text += wrapped(printable(fact), width);
  for (const ReportPart& part : parts) {
    if (part.only_csv) continue;
    text += "\n";
    if (!part.heading.empty()) text += emphasis.bold(part.heading) + "\n";
    text += part.table.as_text(width, emphasis);
  }
  if (!notes.empty()) text += "\n";
  for (const std::string& note : notes) text += note.empty() ? "\n" : wrapped(printable(note), width);
  return text;
}

std::string Report::as_markdown() const {
  std::string text = "## " + printable(title) + "\n\n";
  for (const std::string& fact : facts) text += printable(fact) + "  \n";
  for (const ReportPart& part : parts) {
    if (part.only_csv) continue;
    text += "\n";
    if (!part.heading.empty()) text += "### " + part.heading + "\n\n";
    text += part.table.as_markdown();
  }
  bool in_list = false;
  for (const std::string& note : notes) {
    const bool item =
        note.find_first_not_of(' ') != std::string::npos && note.compare(note.find_first_not_of(' '), 2, "- ") == 0;
    if (!note.empty()) text += (item && in_list ? "" : "\n") + printable(note) + "\n";
    in_list = item;
  }
  return text;
}

std::string Report::as_csv() const {
  std::string text;
  for (const ReportPart& part : parts)
    text += (text.empty() ? "" : "\n#" + (part.heading.empty() ? "" : " " + part.heading) + "\n") + part.table.as_csv();
  return text;
}

#if defined(TALLY_ONLY_JSON)

void write_report(const Report&, const std::function<nlohmann::ordered_json()>& document,
                  const OutputOptions& options) {
  write_data(as_text(document()), options.file);
}

#else

void write_report(const Report& report, const std::function<nlohmann::ordered_json()>& document,
                  const OutputOptions& options) {
  switch (options.format) {
    case Format::json:
      return write_data(as_text(document()), options.file);
    case Format::csv:
      return write_data(report.as_csv(), options.file);
    case Format::md:
      return write_data(report.as_markdown(), options.file);
    case Format::table:
      break;
  }
  const bool to_file = !options.file.empty();
  write_data(report.as_text(to_file ? 100 : table_width(), to_file ? Emphasis{} : stdout_emphasis()), options.file);
}

#endif

}  // namespace tally::tools
