#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>

namespace tally {

/// Alignment of every buffer the engine owns: a cache line and the widest vector.
inline constexpr size_t kAlignment = 64;
/// Bytes past the end of an AlignedBuffer that kernels may read (never write): one vector load that starts inside stays
/// legal.
inline constexpr size_t kGuardBytes = 64;

/// `bytes` bytes aligned to kAlignment, followed by kGuardBytes that may be read; all zero at first. Movable, not
/// copyable. The constructor throws std::bad_alloc, also of more than the address space holds. An empty buffer holds
/// nothing and its data() is null.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(int64_t bytes);
  AlignedBuffer(AlignedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~AlignedBuffer();

  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }
  size_t size() const { return size_; }  ///< in bytes, without the guard

  template <class T>
  T* as() {
    return reinterpret_cast<T*>(data_);
  }
  template <class T>
  const T* as() const {
    return reinterpret_cast<const T*>(data_);
  }

 private:
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace tally
