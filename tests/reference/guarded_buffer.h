#pragma once
// Memory whose edges are watched: a load or store past its end faults, and bytes before its start are poisoned and
// checked.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <new>
#include <span>

namespace tally::reference {

/// `count` elements of T that end where an inaccessible page begins. The page before them holds 0xFF bytes, which are
/// NaN as float or half; intact() says whether they still do. Elements start as 0xFF bytes too.
template <class T>
class GuardedBuffer {
 public:
  explicit GuardedBuffer(size_t count) : count_(count) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t body = (count * sizeof(T) + page - 1) / page * page;
    size_ = page + body + page;
    void* map = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) throw std::bad_alloc();
    base_ = static_cast<uint8_t*>(map);
    std::memset(base_, 0xFF, page + body);
    mprotect(base_ + page + body, page, PROT_NONE);
    data_ = reinterpret_cast<T*>(base_ + page + body - count * sizeof(T));
  }
  ~GuardedBuffer() { munmap(base_, size_); }
  GuardedBuffer(const GuardedBuffer&) = delete;
  GuardedBuffer& operator=(const GuardedBuffer&) = delete;

  T* data() { return data_; }
  const T* data() const { return data_; }
  size_t size() const { return count_; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }
  std::span<T> span() { return {data_, count_}; }

  bool intact() const {
    for (const uint8_t* p = base_; p != reinterpret_cast<const uint8_t*>(data_); ++p) {
      if (*p != 0xFF) return false;
    }
    return true;
  }

 private:
  uint8_t* base_ = nullptr;
  size_t size_ = 0, count_ = 0;
  T* data_ = nullptr;
};

}  // namespace tally::reference
