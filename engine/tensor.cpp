#include "tally/engine/tensor.h"

#include <limits>

#include "tally/engine/error.h"
#include "tally/platforms/float8.h"
#include "tally/platforms/nibble.h"

namespace tally {
namespace {

/// Each element through `convert`, which takes a T.
template <class T, class Out, class F>
void convert_all(const Tensor& tensor, std::vector<Out>& out, F convert) {
  for (const T& value : tensor.values<T>()) out.push_back(convert(value));
}

/// Appends the elements of an integer or boolean tensor; false for other types.
template <class Out>
bool append_integers(const Tensor& t, std::vector<Out>& out) {
  const auto cast = [](auto value) { return static_cast<Out>(value); };
  switch (t.dtype()) {
    case DType::i8:
      convert_all<int8_t>(t, out, cast);
      return true;
    case DType::u8:
      convert_all<uint8_t>(t, out, cast);
      return true;
    case DType::i16:
      convert_all<int16_t>(t, out, cast);
      return true;
    case DType::u16:
      convert_all<uint16_t>(t, out, cast);
      return true;
    case DType::i32:
      convert_all<int32_t>(t, out, cast);
      return true;
    case DType::u32:
      convert_all<uint32_t>(t, out, cast);
      return true;
    case DType::i64:
      convert_all<int64_t>(t, out, cast);
      return true;
    case DType::u64:
      convert_all<uint64_t>(t, out, cast);
      return true;
    case DType::boolean:
      convert_all<uint8_t>(t, out, [](uint8_t v) { return static_cast<Out>(v != 0); });
      return true;
    case DType::i4:
    case DType::u4:
      for (size_t i = 0; i < static_cast<size_t>(t.elements()); ++i)
        out.push_back(static_cast<Out>(nibble_at(static_cast<const uint8_t*>(t.data()), i, t.dtype() == DType::i4)));
      return true;
    default:
      return false;
  }
}

bool append_floats(const Tensor& t, std::vector<double>& out) {
  const auto widen = [](auto value) { return static_cast<double>(to_float(value)); };
  if (is_float8(t.dtype())) {
    convert_all<uint8_t>(t, out, [&](uint8_t bits) { return from_float8(t.dtype(), bits); });
    return true;
  }
  switch (t.dtype()) {
    case DType::f32:
      convert_all<float>(t, out, [](float v) { return static_cast<double>(v); });
      return true;
    case DType::f64:
      convert_all<double>(t, out, [](double v) { return v; });
      return true;
    case DType::f16:
      convert_all<Half>(t, out, widen);
      return true;
    case DType::bf16:
      convert_all<BFloat16>(t, out, widen);
      return true;
    default:
      return false;
  }
}

std::string describe(const Tensor& t) { return text("tensor ", name_of(t.dtype()), " ", to_string(t.shape())); }

void require_data(const Tensor& t) {
  if (!t.has_data()) fail("", describe(t) + " without its values", "must have them here");
}

}  // namespace

Tensor::Tensor(DType dtype, Shape shape) : Tensor(without_data(dtype, std::move(shape))) {
  if (elements_ != 0 && bits_of(dtype_) != 0) data_ = std::make_shared<AlignedBuffer>(bytes());
}

Tensor Tensor::without_data(DType dtype, Shape shape) {
  Tensor t;
  t.dtype_ = dtype;
  t.elements_ = element_count(shape, "");
  t.shape_ = std::move(shape);
  if (static_cast<uint64_t>(t.elements_) > std::numeric_limits<size_t>::max() / 16)
    fail("", "shape " + to_string(t.shape_), "must fit the address space", ErrorCode::limit);
  return t;
}

Tensor Tensor::scalar(float value) { return of<float>(DType::f32, {}, std::span<const float>(&value, 1)); }

Tensor Tensor::of_int64(const std::vector<int64_t>& values) {
  return of<int64_t>(DType::i64, {static_cast<int64_t>(values.size())}, values);
}

const void* Tensor::data() const { return data_ ? data_->data() : nullptr; }

void* Tensor::mutable_data() { return data_ ? data_->data() : nullptr; }

Tensor Tensor::reshaped(Shape shape) const {
  if (element_count(shape) != elements_) fail("", describe(*this), "must have as many elements as " + to_string(shape));
  Tensor t = *this;
  t.shape_ = std::move(shape);
  return t;
}

std::vector<int64_t> Tensor::to_int64() const {
  require_data(*this);
  std::vector<int64_t> values;
  values.reserve(static_cast<size_t>(elements_));
  if (!append_integers(*this, values)) fail("", describe(*this), "must hold integers");
  if (dtype_ == DType::u64)
    for (int64_t value : values)
      if (value < 0) fail("", text("element ", static_cast<uint64_t>(value)), "must be below 2^63");
  return values;
}

std::vector<double> Tensor::to_double() const {
  require_data(*this);
  std::vector<double> values;
  values.reserve(static_cast<size_t>(elements_));
  if (!append_integers(*this, values) && !append_floats(*this, values))
    fail("", describe(*this), "must hold real numbers");
  return values;
}

}  // namespace tally
