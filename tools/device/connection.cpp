#include "tools/device/connection.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>

#include "tally/engine/error.h"

namespace tally::tools {

namespace {

/// Long enough for any file that a slow line takes: a file that does not move is noticed by the connection itself.
constexpr double kCopySeconds = 6 * 3600;

std::string new_mark() {
  std::random_device random;
  char mark[32];
  std::snprintf(mark, sizeof mark, "tally-%08x%08x", random(), random());
  return mark;
}

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

/// A file without a name that holds `text`, at its beginning.
File holding(const std::string& text) {
  File file(std::tmpfile());
  if (!file || std::fwrite(text.data(), 1, text.size(), file.get()) != text.size() || std::fflush(file.get()) != 0)
    fail("temporary file", std::strerror(errno), "must be writable", ErrorCode::machine);
  std::rewind(file.get());
  return file;
}

}  // namespace

std::string last_line(const std::string& text) {
  const size_t last = text.find_last_not_of(" \t\r\n");
  if (last == std::string::npos) return "no reason given";
  const size_t before = text.find_last_of('\n', last);
  const size_t first = before == std::string::npos ? 0 : before + 1;
  return text.substr(first, last - first + 1);
}

Answer Connection::ask(const std::string& script, const Patience& patience) const {
  const std::string mark = new_mark();
  const File input = holding(framed(script, mark));
  const Ended ended = run_process(remote("exec sh"), {.input = fileno(input.get()),
                                                      .seconds = patience.seconds,
                                                      .waiting = patience.waiting,
                                                      .heeds_interrupts = patience.heeds_interrupts});
  if (std::optional<Answer> answer = answer_in(ended.out, mark)) return *std::move(answer);
  if (patience.heeds_interrupts && InterruptWatch::received() != 0)
    fail("device '" + address() + "'", "is interrupted", "must run to its end", ErrorCode::machine);
  const bool begun = ended.out.find(mark) != std::string::npos;
  fail("device '" + address() + "'",
       (begun ? "has lost its connection (" : "cannot be reached (") + last_line(ended.err) + ")",
       begun ? "must last until the run has ended" : "must answer to " + transport(), ErrorCode::machine);
}

void Connection::put(const std::filesystem::path& file, const std::string& to,
                     const std::function<void(uint64_t)>& progress) const {
  const File input(std::fopen(file.c_str(), "rb"));
  if (!input) fail("file '" + file.string() + "'", std::strerror(errno), "must be a readable file");
  const int fd = fileno(input.get());
  std::vector<std::string> words = copy(file, to);
  ProcessOptions options{.seconds = kCopySeconds};
  if (words.empty()) {
    words = remote("cat >" + to);
    options.input = fd;
    // The position is shared with the program that reads it.
    options.waiting = [&] { progress(static_cast<uint64_t>(std::max<off_t>(lseek(fd, 0, SEEK_CUR), 0))); };
  }
  const Ended ended = run_process(words, options);
  if (ended.code != 0)
    fail("device '" + address() + "'",
         "does not take '" + file.filename().string() + "' (" + last_line(ended.err) + ")", "must take it whole",
         ErrorCode::machine);
}

}  // namespace tally::tools
