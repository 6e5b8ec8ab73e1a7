#include "tools/input/image_feed.h"

#include <algorithm>
#include <cmath>

namespace tally::tools {

namespace {

/// Extents of the only input; a symbolic first one that nobody bound is a batch of 1.
Shape input_shape(const ValueInfo& input, const std::map<std::string, int64_t>& dims) {
  const std::string who = "input '" + input.name + "'";
  if (!input.shape) fail(who, "unknown rank", "must be declared for eval");
  Shape shape;
  for (size_t d = 0; d < input.shape->size(); ++d) {
    const Dim& dim = (*input.shape)[d];
    const auto bound = dims.find(dim.name);
    if (dim.value < 0 && bound == dims.end() && d > 0)
      fail(who, "dimension '" + (dim.name.empty() ? "?" : dim.name) + "'", "must be bound: --dim NAME=N",
           ErrorCode::usage);
    shape.push_back(dim.value >= 0 ? dim.value : bound == dims.end() ? 1 : bound->second);
  }
  return shape;
}

Shape without_ones(const Shape& shape) {
  Shape rest;
  std::copy_if(shape.begin(), shape.end(), std::back_inserter(rest), [](int64_t extent) { return extent != 1; });
  return rest;
}

}  // namespace

ImageFeed::ImageFeed(const CompiledModel& model, const IdxImages& images, double scale) : images_(images) {
  const std::vector<ValueInfo>& inputs = model.graph().inputs;
  if (inputs.size() != 1) fail("model", text(inputs.size(), " inputs"), "must have one, the image, for eval");
  input_ = inputs[0].name;
  dtype_ = inputs[0].dtype;
  const std::string who = "input '" + input_ + "'";
  if (dtype_ != DType::f32 && dtype_ != DType::f16)
    fail(who, text("dtype ", name_of(dtype_)), "must be float32 or float16 for eval");
  shape_ = input_shape(inputs[0], model.options().dims);
  const Shape rest = shape_.empty() ? Shape{} : without_ones(Shape(shape_.begin() + 1, shape_.end()));
  if (shape_.size() > 1 && shape_[0] > 0 && fits(rest)) {
    batch_ = shape_[0];
  } else if (!fits(without_ones(shape_))) {
    fail(who, "shape " + to_string(shape_),
         text("must hold images of ", images.rows, "x", images.columns, ", padded at most, or their ",
              images.rows * images.columns, " pixels flat"));
  }
  for (int pixel = 0; pixel < 256; ++pixel) values_[pixel] = static_cast<float>(pixel / scale);
}

bool ImageFeed::fits(const Shape& extents) {
  if (extents.size() == 1 && extents[0] == images_.rows * images_.columns) {
    height_ = images_.rows;
    width_ = images_.columns;
    return true;
  }
  if (extents.size() != 2 || extents[0] < images_.rows || extents[1] < images_.columns) return false;
  height_ = extents[0];
  width_ = extents[1];
  return true;
}

template <class T, class Convert>
void ImageFeed::write_as(std::span<T> to, int64_t first, Convert convert) const {
  std::fill(to.begin(), to.end(), T{});
  const int64_t top = (height_ - images_.rows) / 2, left = (width_ - images_.columns) / 2;
  for (int64_t n = 0; n < batch_ && first + n < images_.count; ++n) {
    const uint8_t* from = images_.pixels.data() + (first + n) * images_.rows * images_.columns;
    for (int64_t y = 0; y < images_.rows; ++y)
      for (int64_t x = 0; x < images_.columns; ++x)
        to[static_cast<size_t>((n * height_ + top + y) * width_ + left + x)] =
            convert(values_[from[y * images_.columns + x]]);
  }
}

void ImageFeed::write(Context& context, int64_t first) const {
  if (dtype_ == DType::f32)
    write_as(context.input<float>(input_), first, [](float v) { return v; });
  else
    write_as(context.input<Half>(input_), first, [](float v) { return to_half(v); });
}

Tensor ImageFeed::tensor(int64_t first) const {
  Tensor images(dtype_, shape_);
  if (dtype_ == DType::f32)
    write_as(images.mutable_values<float>(), first, [](float v) { return v; });
  else
    write_as(images.mutable_values<Half>(), first, [](float v) { return to_half(v); });
  return images;
}

}  // namespace tally::tools
