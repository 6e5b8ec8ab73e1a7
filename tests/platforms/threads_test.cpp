#include <atomic>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <dirent.h>
#endif

#include <doctest/doctest.h>

#include "tally/platforms/threads.h"

using namespace tally;

namespace {

constexpr int kThreads = 4;  // one size for the whole program, as threads.h asks

/// Threads of this process; −1 where the system does not tell.
int threads_alive() {
  int count = -1;
#if defined(__linux__)
  if (DIR* folder = opendir("/proc/self/task")) {
    count = 0;
    while (const dirent* entry = readdir(folder)) count += entry->d_name[0] != '.';
    closedir(folder);
  }
#endif
  return count;
}

}  // namespace

TEST_CASE("a team of one is a plain call") {
  Team team(1);
  CHECK(team.size() == 1);
  int calls = 0;
  const std::thread::id self = std::this_thread::get_id();
  std::thread::id other;
  team.run([&](int thread) noexcept {
    calls += 1 + thread;
    other = std::this_thread::get_id();
    team.barrier(thread);
  });
  CHECK(calls == 1);
  CHECK(other == self);
  CHECK(Team(0).size() == 1);
  CHECK(Team(-3).size() == 1);
}

TEST_CASE("every thread runs the body once, and the pool stands before the first run") {
  Team team(kThreads);
  const int alive = threads_alive();
  std::vector<std::atomic<int>> calls(static_cast<size_t>(team.size()));
  for (int round = 0; round < 100; ++round) {
    team.run([&](int thread) noexcept { ++calls[static_cast<size_t>(thread)]; });
  }
  for (const auto& count : calls) CHECK(count == 100);
  CHECK(threads_alive() == alive);
}

TEST_CASE("barriers: what was written before one is read after it") {
  Team team(kThreads);
  const int T = team.size();
  std::vector<int> value(static_cast<size_t>(T) * 16);  // plain memory: the barrier alone orders it
  std::atomic<int> wrong{0};
  constexpr int kRounds = 2000;
  for (int run = 0; run < 3; ++run) {  // numbers go on from run to run
    team.run([&](int thread) noexcept {
      for (int round = 1; round <= kRounds; ++round) {
        value[static_cast<size_t>(thread) * 16] = round;
        team.barrier(thread);
        for (int t = 0; t < T; ++t) wrong += value[static_cast<size_t>(t) * 16] != round;
        team.barrier(thread);
      }
    });
  }
  CHECK(wrong == 0);
}

TEST_CASE("two teams of one size share the pool") {
  Team first(kThreads), second(kThreads);
  const int alive = threads_alive();
  std::atomic<int> sum{0};
  for (int round = 0; round < 10; ++round) {
    first.run([&](int thread) noexcept {
      sum += thread;
      first.barrier(thread);
    });
    second.run([&](int thread) noexcept {
      sum += thread;
      second.barrier(thread);
    });
  }
  CHECK(sum == 20 * first.size() * (first.size() - 1) / 2);
  CHECK(threads_alive() == alive);
}

TEST_CASE("a run inside another's region has one thread") {
  Team outer(kThreads), inner(kThreads);
  const int size = inner.size();
  std::atomic<int> calls{0};
  outer.run([&](int thread) noexcept {
    if (thread != 0) return;
    inner.run([&](int t) noexcept {
      calls += inner.size() == 1 || size == 1;
      inner.barrier(t);
    });
  });
  CHECK(calls == 1);
  CHECK(inner.size() == size);
}
