#include "tally/platforms/memory.h"

#include <cstdlib>
#include <cstring>
#include <new>

namespace tally {

AlignedBuffer::AlignedBuffer(int64_t bytes) {
  if (bytes == 0) return;
  if (static_cast<uint64_t>(bytes) > PTRDIFF_MAX - kGuardBytes - kAlignment) throw std::bad_alloc();
  const auto size = static_cast<size_t>(bytes);
  // Whole cache lines, so that no other object shares the last one. posix_memalign, since Android has had aligned_alloc
  // only from API level 28 on.
  const size_t whole = (size + kGuardBytes + kAlignment - 1) / kAlignment * kAlignment;
  void* memory = nullptr;
  if (posix_memalign(&memory, kAlignment, whole) != 0) throw std::bad_alloc();
  std::memset(memory, 0, whole);  // also brings the pages in, which a run must not wait for
  data_ = static_cast<std::byte*>(memory);
  size_ = size;
}

AlignedBuffer::~AlignedBuffer() { std::free(data_); }

}  // namespace tally
