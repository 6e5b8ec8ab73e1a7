#pragma once
#include <span>
#include <string>

#include "tally/engine/context.h"
#include "tools/input/idx.h"

namespace tally::tools {

/// How images become a model's input: pixels divided by `scale`, zero-padded evenly (the odd row or column after) to
/// the model's height and width.
class ImageFeed {
 public:
  /// Reads the input's extents as [batch,] height, width, or [batch,] rows·columns flat; extents of 1 elsewhere
  /// (channels, the batch of time steps) do not count. Throws Error(model) where the images do not fit, or the input is
  /// no single float32 or float16 one.
  ImageFeed(const CompiledModel& model, const IdxImages& images, double scale);

  int64_t batch() const { return batch_; }
  const std::string& input() const { return input_; }
  const Shape& shape() const { return shape_; }
  DType dtype() const { return dtype_; }

  /// Writes images first … first + batch() − 1 to the context's input; zeros where there are no more.
  void write(Context& context, int64_t first) const;
  /// The same as a tensor of shape().
  Tensor tensor(int64_t first) const;

 private:
  template <class T, class Convert>
  void write_as(std::span<T> to, int64_t first, Convert convert) const;
  bool fits(const Shape& extents);

  const IdxImages& images_;
  std::string input_;
  Shape shape_;
  DType dtype_ = DType::f32;
  int64_t batch_ = 1, height_ = 0, width_ = 0;
  float values_[256] = {};  ///< of each pixel byte
};

}  // namespace tally::tools
