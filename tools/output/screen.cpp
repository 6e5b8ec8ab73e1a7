#include "tools/output/screen.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "tally/engine/error.h"
#include "tally/platforms/clock.h"
#include "tools/output/numbers.h"

namespace tally::tools {

namespace {

constexpr int kMostColumns = 100, kLeastColumns = 60;
constexpr int64_t kProgressInterval_ns = 100'000'000;

}  // namespace

int table_width() {
  winsize size{};
  if (isatty(STDOUT_FILENO) == 0 || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
    return kMostColumns;
  return std::clamp<int>(size.ws_col, kLeastColumns, kMostColumns);
}

Emphasis stdout_emphasis() {
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  const bool refused = (no_color != nullptr && *no_color != '\0') || term == nullptr || std::strcmp(term, "dumb") == 0;
  return {!refused && isatty(STDOUT_FILENO) != 0};
}

void write_data(const std::string& text, const std::string& file) {
  if (file.empty()) {
    const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
    if (!written || std::fflush(stdout) != 0)
      fail("standard output", "cannot be written", "must take all data", ErrorCode::machine);
    return;
  }
  std::ofstream out(file, std::ios::binary);
  if (!out || !out.write(text.data(), static_cast<std::streamsize>(text.size())).flush())
    fail("file '" + file + "'", "cannot be written", "must be writable", ErrorCode::usage);
}

void message(const std::string& text, bool quiet) {
  if (!quiet) std::fprintf(stderr, "tally: %s\n", printable(text).c_str());
}

Progress::Progress(bool quiet) : on_(!quiet && isatty(STDERR_FILENO) != 0), last_ns_(now_ns()) {}

void Progress::wipe() {
  if (shown_) std::fputs("\r\033[K", stderr);
  shown_ = false;
}

bool Progress::due() const { return on_ && now_ns() - last_ns_ >= kProgressInterval_ns; }

void Progress::show(const std::string& text) {
  if (!on_) return;
  std::fprintf(stderr, "\r\033[K%s", cut_middle(printable(text), 79).c_str());
  std::fflush(stderr);
  shown_ = true;
  last_ns_ = now_ns();
}

}  // namespace tally::tools
