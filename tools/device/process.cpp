#include "tools/device/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "tally/engine/error.h"
#include "tally/platforms/clock.h"

namespace tally::tools {

namespace {

constexpr size_t kMostBytes = size_t{64} << 20;
constexpr int kTick_ms = 100;
constexpr int kWatched[] = {SIGINT, SIGTERM, SIGHUP};

volatile sig_atomic_t received_signal = 0;
std::array<struct sigaction, std::size(kWatched)> former_actions;

void note_signal(int number) { received_signal = number; }

/// The two ends of a pipe, closed with it; neither is inherited by programs.
struct Pipe {
  int ends[2] = {-1, -1};
  Pipe() {
    if (pipe2(ends, O_CLOEXEC) != 0) fail("pipe", std::strerror(errno), "must be made", ErrorCode::machine);
  }
  ~Pipe() {
    close_end(0);
    close_end(1);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  void close_end(int i) {
    if (ends[i] >= 0) close(ends[i]);
    ends[i] = -1;
  }
};

/// In the child: becomes the program, or tells `trouble` the reason in errno. Only calls that are safe after fork().
[[noreturn]] void become(char* const* words, int input, int out, int err, int trouble) {
  const int from = input >= 0 ? input : open("/dev/null", O_RDONLY);
  if (from >= 0 && dup2(from, 0) >= 0 && dup2(out, 1) >= 0 && dup2(err, 2) >= 0) {
    for (const int number : kWatched) signal(number, SIG_DFL);
    execvp(words[0], words);
  }
  const int reason = errno;
  [[maybe_unused]] const auto written = write(trouble, &reason, sizeof reason);
  _exit(127);
}

/// A child that is killed and waited for at the latest with this object.
class Child {
 public:
  Child(char* const* words, int input, Pipe& out, Pipe& err, Pipe& trouble) : id_(fork()) {
    if (id_ < 0) fail("fork", std::strerror(errno), "must be possible", ErrorCode::machine);
    if (id_ == 0) become(words, input, out.ends[1], err.ends[1], trouble.ends[1]);
    for (Pipe* pipe : {&out, &err, &trouble}) pipe->close_end(1);
  }
  ~Child() {
    if (id_ <= 0) return;
    kill(id_, SIGKILL);
    wait(0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// True once it has ended; `options` as of waitpid().
  bool wait(int options) {
    if (id_ <= 0) return true;
    pid_t ended;
    do ended = waitpid(id_, &status_, options);
    while (ended < 0 && errno == EINTR && options == 0);
    if (ended == id_) id_ = -1;
    return id_ <= 0;
  }
  int code() const { return WIFEXITED(status_) ? WEXITSTATUS(status_) : -1; }

 private:
  pid_t id_;
  int status_ = 0;
};

/// Appends what the pipe holds; closes it at its end.
void drain(Pipe& pipe, std::string& text) {
  std::array<char, 65536> bytes;
  const ssize_t got = read(pipe.ends[0], bytes.data(), bytes.size());
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (got <= 0) return pipe.close_end(0);
  if (text.size() < kMostBytes) text.append(bytes.data(), static_cast<size_t>(got));
}

/// Waits a tick for output. False where none came.
bool read_some(Pipe& out, Pipe& err, Ended& ended) {
  pollfd polled[2] = {{out.ends[0], POLLIN, 0}, {err.ends[0], POLLIN, 0}};
  if (poll(polled, 2, kTick_ms) <= 0) return false;
  if (polled[0].revents != 0) drain(out, ended.out);
  if (polled[1].revents != 0) drain(err, ended.err);
  return true;
}

}  // namespace

Ended run_process(const std::vector<std::string>& words, const ProcessOptions& options) {
  const std::string name = "program '" + words.front() + "'";
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);

  Ended ended;
  Pipe out, err, trouble;
  Child child(arguments.data(), options.input, out, err, trouble);
  int reason = 0;
  if (read(trouble.ends[0], &reason, sizeof reason) == sizeof reason)
    fail(name, std::strerror(reason), "must be installed, and found on PATH", ErrorCode::machine);

  const int64_t start = now_ns();
  while (out.ends[0] >= 0 || err.ends[0] >= 0) {
    const bool came = read_some(out, err, ended);
    if (options.heeds_interrupts && InterruptWatch::received() != 0)
      fail(name, "is interrupted", "must run to its end", ErrorCode::machine);
    if (static_cast<double>(now_ns() - start) > options.seconds * 1e9)
      fail(name, text("is still running after ", options.seconds, " s"), "must end in that time", ErrorCode::machine);
    if (options.waiting) options.waiting();
    // A program that stays behind (the server that adb starts) may hold the pipes open.
    if (!came && child.wait(WNOHANG)) break;
  }
  child.wait(0);
  ended.code = child.code();
  return ended;
}

InterruptWatch::InterruptWatch() {
  received_signal = 0;
  struct sigaction action = {};
  action.sa_handler = note_signal;
  for (size_t i = 0; i < std::size(kWatched); ++i) sigaction(kWatched[i], &action, &former_actions[i]);
}

InterruptWatch::~InterruptWatch() {
  for (size_t i = 0; i < std::size(kWatched); ++i) sigaction(kWatched[i], &former_actions[i], nullptr);
}

int InterruptWatch::received() { return received_signal; }

}  // namespace tally::tools
