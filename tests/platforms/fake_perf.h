#pragma once
// A kernel's counters as a test wants them.
#include <linux/perf_event.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "tally/platforms/perf.h"

namespace tally::test {

/// Every reading of a group adds `step[config]` to each of its events, and to its times as if it had run for
/// `running_share` of them.
class FakePerf final : public PerfCalls {
 public:
  std::map<uint64_t, uint64_t> step;  ///< by config; 1000 where it is not named
  std::map<uint64_t, int> refused;    ///< by config: the errno
  int refuse_all = 0;                 ///< errno
  size_t most_at_once = 100;          ///< events that get counters as a group; more never run
  double running_share = 1;
  bool pages = false;  ///< counters that user code may read
  bool fail_reads = false;
  std::vector<perf_event_attr> asked;  ///< every open()
  int open_now = 0, mapped_now = 0, reads = 0, direct_reads = 0;

  int open(const perf_event_attr& attributes, int group) noexcept override {
    const std::scoped_lock lock(mutex_);
    asked.push_back(attributes);
    if (refuse_all != 0) return -refuse_all;
    if (const auto it = refused.find(attributes.config); it != refused.end()) return -it->second;
    const int descriptor = next_++;
    events_[descriptor] = {attributes.config, group < 0 ? descriptor : group, 0};
    ++open_now;
    return descriptor;
  }
  void close(int descriptor) noexcept override {
    const std::scoped_lock lock(mutex_);
    open_now -= static_cast<int>(events_.erase(descriptor));
  }
  int start(int) noexcept override { return 0; }
  int stop(int) noexcept override { return 0; }

  int64_t read(int leader, void* buffer, size_t bytes) noexcept override {
    const std::scoped_lock lock(mutex_);
    ++reads;
    if (fail_reads) return -EIO;
    std::vector<uint64_t> words{0, enabled_ += 1000, 0};
    for (auto& [descriptor, event] : events_) {
      if (event.group != leader) continue;
      event.count += step_of(event.config);
      words.push_back(event.count);
    }
    words[0] = words.size() - 3;
    running_ += words[0] > most_at_once ? 0 : static_cast<uint64_t>(1000 * running_share);
    words[2] = running_;
    std::memcpy(buffer, words.data(), std::min(bytes, words.size() * 8));
    return static_cast<int64_t>(std::min(bytes, words.size() * 8));
  }
  const void* map(int descriptor) noexcept override {
    const std::scoped_lock lock(mutex_);
    if (!pages) return nullptr;
    auto& page = pages_[descriptor] = std::make_unique<perf_event_mmap_page>();
    std::memset(page.get(), 0, sizeof *page);
    page->cap_user_rdpmc = 1;
    page->index = static_cast<uint32_t>(descriptor) + 1;
    page->pmc_width = 48;
    page->offset = 5'000'000;
    ++mapped_now;
    return page.get();
  }
  void unmap(const void*) noexcept override { --mapped_now; }
  /// 48 bits wide, the sign among them: counters start below zero, as the kernel sets them.
  uint64_t counter(uint32_t index) noexcept override {
    const std::scoped_lock lock(mutex_);
    ++direct_reads;
    Event& event = events_[static_cast<int>(index)];
    event.count += step_of(event.config);
    return (event.count - 1'000'000) & 0xffff'ffff'ffff;
  }

 private:
  struct Event {
    uint64_t config;
    int group;
    uint64_t count;
  };
  uint64_t step_of(uint64_t config) const {
    const auto it = step.find(config);
    return it == step.end() ? 1000 : it->second;
  }

  std::mutex mutex_;
  std::map<int, Event> events_;
  std::map<int, std::unique_ptr<perf_event_mmap_page>> pages_;
  int next_ = 3;
  uint64_t enabled_ = 0, running_ = 0;
};

}  // namespace tally::test
