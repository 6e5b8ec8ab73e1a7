#pragma once
// Where words go: data to stdout or a file, messages and progress to stderr.
#include <cstdint>
#include <string>

namespace tally::tools {

/// Emphasis by escape sequences, or none.
struct Emphasis {
  bool on = false;
  std::string bold(const std::string& text) const { return on ? "\033[1m" + text + "\033[0m" : text; }
  std::string faint(const std::string& text) const { return on ? "\033[2m" + text + "\033[0m" : text; }
};

/// Columns a table may take: 100, or the terminal's where stdout is one and narrower (but 60 at least).
int table_width();

/// Emphasis for data on stdout: only on a terminal, and not where NO_COLOR is set or TERM is dumb.
Emphasis stdout_emphasis();

/// Writes all of `text` to `file`, or to stdout where it is empty. Throws Error(usage) where the file cannot be
/// written, Error(machine) where stdout cannot.
void write_data(const std::string& text, const std::string& file);

/// A line on stderr, "tally: " before it, unless `quiet`. Control characters are replaced.
void message(const std::string& text, bool quiet);

/// A line on stderr that overwrites itself, ten times a second at most; nothing where stderr is no terminal or `quiet`.
class Progress {
 public:
  explicit Progress(bool quiet);
  ~Progress() { wipe(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// True where a new text would be shown now: asks the clock, so call it seldom.
  bool due() const;
  void show(const std::string& text);
  void wipe();

 private:
  bool on_ = false;
  bool shown_ = false;
  int64_t last_ns_ = 0;
};

}  // namespace tally::tools
