#include "tests/layers/interpose.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include <atomic>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#define TALLY_ADDRESS_SANITIZED 1
#elif defined(__SANITIZE_THREAD__)
#define TALLY_THREAD_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TALLY_ADDRESS_SANITIZED 1
#elif __has_feature(thread_sanitizer)
#define TALLY_THREAD_SANITIZED 1
#endif
#endif

namespace {

std::atomic<bool> watching{false};
std::atomic<int64_t> allocation_count{0}, free_count{0}, thread_count{0};

/// Allocations of this thread until one fails; 0: none does. Below: so many have failed.
thread_local int64_t allocations_left = 0;
thread_local bool lasting_failure = false;

[[maybe_unused]] bool fails() {
  if (allocations_left == 0) return false;
  if (allocations_left > 0 && --allocations_left > 0) return false;
  if (allocations_left == 0)
    allocations_left = -1;
  else if (!lasting_failure)
    return false;
  return true;
}

[[maybe_unused]] void note(std::atomic<int64_t>& count) {
  if (watching.load(std::memory_order_relaxed)) count.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

namespace tally::test {

#if defined(TALLY_ADDRESS_SANITIZED) || defined(TALLY_THREAD_SANITIZED)
bool can_watch_allocations() { return false; }
#else
bool can_watch_allocations() { return true; }
#endif

AllocationWatch::AllocationWatch() {
  allocation_count = 0;
  free_count = 0;
  thread_count = 0;
  watching = true;
}
AllocationWatch::~AllocationWatch() { watching = false; }
int64_t AllocationWatch::allocations() const { return allocation_count; }
int64_t AllocationWatch::frees() const { return free_count; }
int64_t AllocationWatch::threads() const { return thread_count; }

#ifdef TALLY_THREAD_SANITIZED
bool can_fail_allocations() { return false; }
#else
bool can_fail_allocations() { return true; }
#endif

AllocationFailure::AllocationFailure(int64_t nth, bool lasting) {
  lasting_failure = lasting;
  allocations_left = nth;
}
AllocationFailure::~AllocationFailure() { allocations_left = 0; }
bool AllocationFailure::happened() const { return allocations_left < 0; }

}  // namespace tally::test

#if defined(TALLY_ADDRESS_SANITIZED)

// All of a kind, so that what one allocates another frees.
void* operator new(size_t size) {
  void* memory = fails() ? nullptr : malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void* operator new[](size_t size) { return operator new(size); }
void* operator new(size_t size, const std::nothrow_t&) noexcept { return fails() ? nullptr : malloc(size); }
void* operator new[](size_t size, const std::nothrow_t&) noexcept { return fails() ? nullptr : malloc(size); }
void operator delete(void* memory) noexcept { free(memory); }
void operator delete[](void* memory) noexcept { free(memory); }
void operator delete(void* memory, size_t) noexcept { free(memory); }
void operator delete[](void* memory, size_t) noexcept { free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { free(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { free(memory); }

extern "C" int __interceptor_posix_memalign(void** out, size_t align, size_t size);
extern "C" int posix_memalign(void** out, size_t align, size_t size) {
  return fails() ? ENOMEM : __interceptor_posix_memalign(out, align, size);
}

#elif !defined(TALLY_THREAD_SANITIZED)

extern "C" {

void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
void __libc_free(void*);

void* malloc(size_t size) {
  note(allocation_count);
  return fails() ? nullptr : __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  note(allocation_count);
  return fails() ? nullptr : __libc_calloc(count, size);
}
void* realloc(void* old, size_t size) {
  note(allocation_count);
  return fails() ? nullptr : __libc_realloc(old, size);
}
void* memalign(size_t align, size_t size) {
  note(allocation_count);
  return fails() ? nullptr : __libc_memalign(align, size);
}
void* aligned_alloc(size_t align, size_t size) { return memalign(align, size); }
int posix_memalign(void** out, size_t align, size_t size) {
  *out = memalign(align, size);
  return *out == nullptr ? ENOMEM : 0;
}
void free(void* p) {
  if (p != nullptr) note(free_count);
  __libc_free(p);
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*start)(void*), void* argument) {
  note(thread_count);
  using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto create = reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create"));
  return create(thread, attributes, start, argument);
}

}  // extern "C"
#endif
