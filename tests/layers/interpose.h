#pragma once
// Counts heap allocations and thread creations of the whole process, by every library in it, between two points.
#include <cstdint>

namespace tally::test {

/// False under sanitizers, which interpose the allocator themselves: tests then say "skipped".
bool can_watch_allocations();

class AllocationWatch {
 public:
  AllocationWatch();
  ~AllocationWatch();
  int64_t allocations() const;  ///< malloc, calloc, realloc, posix_memalign, aligned_alloc, memalign
  int64_t frees() const;
  int64_t threads() const;  ///< pthread_create
};

}  // namespace tally::test
