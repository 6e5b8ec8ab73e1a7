#pragma once
// Other programs, run to their end. No shell takes part: arguments are words.
#include <functional>
#include <string>
#include <vector>

namespace tally::tools {

/// A program that has ended.
struct Ended {
  int code = -1;         ///< exit code; −1 where a signal ended it
  std::string out, err;  ///< what it wrote
};

struct ProcessOptions {
  int input = -1;                      ///< file that it reads as standard input, from its position on; −1: empty
  double seconds = 60;                 ///< time after which it is killed
  std::function<void()> waiting = {};  ///< called ten times a second
  bool heeds_interrupts = true;        ///< false: goes on after an interrupt, to clean up
};

/// Runs `words` (the program, found on PATH, and its arguments) and waits for its end. What it writes is kept up to
/// 64 MiB. Throws Error(machine) where it is not installed, takes longer than allowed, or the user interrupts.
Ended run_process(const std::vector<std::string>& words, const ProcessOptions& options);

/// While it lives, SIGINT, SIGTERM and SIGHUP are noted instead of ending the program: run_process() heeds them, so
/// that what is half done can be undone. One at a time.
class InterruptWatch {
 public:
  InterruptWatch();
  ~InterruptWatch();
  InterruptWatch(const InterruptWatch&) = delete;
  InterruptWatch& operator=(const InterruptWatch&) = delete;

  /// The signal that came; 0: none.
  static int received();
};

}  // namespace tally::tools
