#include "tests/layers/interpose.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include <atomic>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TALLY_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TALLY_SANITIZED 1
#endif
#endif

namespace {

std::atomic<bool> watching{false};
std::atomic<int64_t> allocation_count{0}, free_count{0}, thread_count{0};

[[maybe_unused]] void note(std::atomic<int64_t>& count) {
  if (watching.load(std::memory_order_relaxed)) count.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

namespace tally::test {

#ifdef TALLY_SANITIZED
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

}  // namespace tally::test

#ifndef TALLY_SANITIZED
extern "C" {

void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
void __libc_free(void*);

void* malloc(size_t size) {
  note(allocation_count);
  return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  note(allocation_count);
  return __libc_calloc(count, size);
}
void* realloc(void* old, size_t size) {
  note(allocation_count);
  return __libc_realloc(old, size);
}
void* memalign(size_t align, size_t size) {
  note(allocation_count);
  return __libc_memalign(align, size);
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
