#pragma once
// Counts heap allocations and thread creations of the whole process, by every library in it, between two points; and
// lets allocations fail.
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

/// False where the allocator is the thread sanitizer's.
bool can_fail_allocations();

/// As long as it lives, the `nth` allocation of this thread (from 1) fails: malloc returns null, operator new throws
/// std::bad_alloc; where it is `lasting`, so do all that follow. The address sanitizer's own malloc never fails:
/// there operator new and posix_memalign do.
class AllocationFailure {
 public:
  AllocationFailure(int64_t nth, bool lasting);
  ~AllocationFailure();
  AllocationFailure(const AllocationFailure&) = delete;
  AllocationFailure& operator=(const AllocationFailure&) = delete;
  bool happened() const;  ///< so many allocations there were
};

}  // namespace tally::test
