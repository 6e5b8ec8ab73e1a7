#pragma once
#include <memory>
#include <span>
#include <string>

#include "tally/engine/shape.h"
#include "tally/platforms/memory.h"

namespace tally {

/// A dense row-major tensor. Copies share the bytes, which are never changed once shared. A tensor may know its type
/// and shape only (`has_data()` false): weights whose values nobody needs, as in `estimate`.
class Tensor {
 public:
  Tensor() = default;
  /// Zero-filled.
  Tensor(DType dtype, Shape shape);
  /// Type and shape without values.
  static Tensor without_data(DType dtype, Shape shape);
  template <class T>
  static Tensor of(DType dtype, Shape shape, std::span<const T> values);
  static Tensor scalar(float value);
  static Tensor of_int64(const std::vector<int64_t>& values);  ///< rank 1

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int64_t elements() const { return elements_; }
  size_t bytes() const { return static_cast<size_t>(bytes_of(dtype_, elements_)); }
  bool has_data() const { return data_ != nullptr || elements_ == 0; }
  const void* data() const;
  void* mutable_data();  ///< the caller makes sure that no copy is shared
  template <class T>
  std::span<const T> values() const {
    return {static_cast<const T*>(data()), static_cast<size_t>(elements_)};
  }
  template <class T>
  std::span<T> mutable_values() {
    return {static_cast<T*>(mutable_data()), static_cast<size_t>(elements_)};
  }

  /// Same bytes, another shape of as many elements.
  Tensor reshaped(Shape shape) const;
  /// Elements of any integer or boolean type as int64; any numeric type as double. Throws Error(model) for others.
  std::vector<int64_t> to_int64() const;
  std::vector<double> to_double() const;

 private:
  DType dtype_ = DType::undefined;
  Shape shape_;
  int64_t elements_ = 0;
  std::shared_ptr<AlignedBuffer> data_;
};

template <class T>
Tensor Tensor::of(DType dtype, Shape shape, std::span<const T> values) {
  Tensor t(dtype, std::move(shape));
  for (size_t i = 0; i < values.size() && i < static_cast<size_t>(t.elements_); ++i)
    t.mutable_values<T>()[i] = values[i];
  return t;
}

}  // namespace tally
