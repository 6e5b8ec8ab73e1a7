// Other programs: words instead of a shell, limits, ends.
#include "tools/device/process.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "tally/engine/error.h"
#include "tally/platforms/clock.h"
#include "tests/engine/temporary_folder.h"

using namespace tally;
using namespace tally::tools;

TEST_CASE("a program gets its words as they are, and its ends come back") {
  const Ended ended = run_process({"sh", "-c", "printf '%s' \"$1\"; printf err >&2; exit 3", "sh", "$(id) 'x'"}, {});
  CHECK(ended.code == 3);
  CHECK(ended.out == "$(id) 'x'");
  CHECK(ended.err == "err");
  CHECK(run_process({"sh", "-c", "kill -9 $$"}, {}).code == -1);
}

TEST_CASE("standard input is the file given, or empty") {
  CHECK(run_process({"cat"}, {}).out.empty());
  const test::TemporaryFolder folder;
  const int file = open(folder.write("in", "words").c_str(), O_RDONLY | O_CLOEXEC);
  CHECK(run_process({"cat"}, {.input = file}).out == "words");
  close(file);
}

TEST_CASE("much output arrives whole") {
  const Ended ended = run_process({"sh", "-c", "head -c 3000000 /dev/zero; head -c 200000 /dev/zero >&2"}, {});
  CHECK(ended.out.size() == 3000000);
  CHECK(ended.err.size() == 200000);
}

TEST_CASE("a program that is missing, or takes too long, is an error of the machine") {
  const auto refused = [](const std::vector<std::string>& words, double seconds) -> std::string {
    try {
      run_process(words, {.seconds = seconds});
    } catch (const Error& e) {
      CHECK(e.code == ErrorCode::machine);
      return e.what();
    }
    return "";
  };
  CHECK(refused({"no-such-program"}, 10).find("must be installed") != std::string::npos);
  const int64_t start = now_ns();
  CHECK(refused({"sleep", "60"}, 0.3).find("must end in that time") != std::string::npos);
  CHECK(now_ns() - start < 30'000'000'000);
}

TEST_CASE("a program left behind with the pipes does not hold up the end") {
  const int64_t start = now_ns();
  const Ended ended = run_process({"sh", "-c", "sleep 20 & echo done"}, {});
  CHECK(ended.out == "done\n");
  CHECK(now_ns() - start < 15'000'000'000);
}

TEST_CASE("an interrupt ends the program, unless it cleans up") {
  const InterruptWatch watch;
  CHECK(InterruptWatch::received() == 0);
  raise(SIGTERM);
  CHECK(InterruptWatch::received() == SIGTERM);
  CHECK_THROWS_AS(run_process({"sleep", "60"}, {}), Error);
  CHECK(run_process({"sh", "-c", "echo cleaned"}, {.heeds_interrupts = false}).out == "cleaned\n");
}
