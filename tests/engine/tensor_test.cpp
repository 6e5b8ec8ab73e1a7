#include "tally/engine/tensor.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tally/engine/error.h"

using tally::DType;
using tally::Tensor;

namespace {

template <class T>
Tensor tensor_of(DType dtype, const std::vector<T>& values) {
  return Tensor::of<T>(dtype, {static_cast<int64_t>(values.size())}, values);
}

/// A tensor of `count` elements over these bytes.
Tensor tensor_of_bytes(DType dtype, int64_t count, const std::vector<uint8_t>& bytes) {
  Tensor t(dtype, {count});
  REQUIRE(t.bytes() == bytes.size());
  std::copy(bytes.begin(), bytes.end(), static_cast<uint8_t*>(t.mutable_data()));
  return t;
}

}  // namespace

TEST_CASE("a tensor starts as zeros, aligned to 64 bytes") {
  Tensor t(DType::f32, {2, 3});
  CHECK(t.elements() == 6);
  CHECK(t.bytes() == 24);
  CHECK(t.has_data());
  CHECK(reinterpret_cast<uintptr_t>(t.data()) % 64 == 0);
  for (float value : t.values<float>()) CHECK(value == 0.0f);
}

TEST_CASE("copies share bytes; reshaped keeps them") {
  Tensor t = Tensor::of_int64({1, 2, 3, 4, 5, 6});
  const Tensor copy = t;
  const Tensor reshaped = t.reshaped({2, 3});
  CHECK(copy.data() == t.data());
  CHECK(reshaped.data() == t.data());
  CHECK(reshaped.shape() == tally::Shape{2, 3});
  CHECK_THROWS_WITH_AS(t.reshaped({4}), "tensor int64 6 must have as many elements as 4", tally::Error);
}

TEST_CASE("without data: type and shape only") {
  const Tensor t = Tensor::without_data(DType::f32, {1000, 1000});
  CHECK_FALSE(t.has_data());
  CHECK(t.data() == nullptr);
  CHECK(t.bytes() == 4'000'000);
  CHECK_THROWS_WITH_AS(t.to_double(), "tensor float32 1000x1000 without its values must have them here", tally::Error);
  CHECK_THROWS_AS(Tensor::without_data(DType::f32, {int64_t{1} << 40, int64_t{1} << 40}), tally::Error);
  CHECK(Tensor::without_data(DType::f32, {0, 5}).has_data());
  CHECK(Tensor(DType::i64, {0}).to_int64().empty());
}

TEST_CASE("scalars and 4-bit sizes") {
  CHECK(Tensor::scalar(2.5f).shape().empty());
  CHECK(Tensor::scalar(2.5f).to_double() == std::vector<double>{2.5});
  CHECK(Tensor(DType::i4, {5}).bytes() == 3);
}

TEST_CASE("to_int64 and to_double of every integer type") {
  const auto check = [](const Tensor& t, const std::vector<int64_t>& expected) {
    CHECK(t.to_int64() == expected);
    CHECK(t.to_double() == std::vector<double>(expected.begin(), expected.end()));
  };
  check(tensor_of<int8_t>(DType::i8, {-128, 127}), {-128, 127});
  check(tensor_of<uint8_t>(DType::u8, {0, 255}), {0, 255});
  check(tensor_of<int16_t>(DType::i16, {-32768, 32767}), {-32768, 32767});
  check(tensor_of<uint16_t>(DType::u16, {0, 65535}), {0, 65535});
  check(tensor_of<int32_t>(DType::i32, {INT32_MIN, INT32_MAX}), {INT32_MIN, INT32_MAX});
  check(tensor_of<uint32_t>(DType::u32, {0, UINT32_MAX}), {0, UINT32_MAX});
  check(tensor_of<int64_t>(DType::i64, {-(int64_t{1} << 52), 7}), {-(int64_t{1} << 52), 7});
  check(tensor_of<uint64_t>(DType::u64, {uint64_t{1} << 52, 7}), {int64_t{1} << 52, 7});
  check(tensor_of<uint8_t>(DType::boolean, {0, 1}), {0, 1});
  check(tensor_of_bytes(DType::u4, 3, {0xf1, 0x08}), {1, 15, 8});
  check(tensor_of_bytes(DType::i4, 3, {0xf1, 0x08}), {1, -1, -8});
  CHECK_THROWS_AS(tensor_of<uint64_t>(DType::u64, {UINT64_MAX}).to_int64(), tally::Error);
  CHECK_THROWS_WITH_AS(tensor_of<float>(DType::f32, {1}).to_int64(), "tensor float32 1 must hold integers",
                       tally::Error);
}

TEST_CASE("to_double of every float type") {
  CHECK(tensor_of<float>(DType::f32, {-1.5f, 0.1f}).to_double() ==
        std::vector<double>{-1.5, static_cast<double>(0.1f)});
  CHECK(tensor_of<double>(DType::f64, {0.1}).to_double() == std::vector<double>{0.1});
  CHECK(tensor_of<uint16_t>(DType::f16, {0x3c00, 0xc000, 0x0001}).to_double() ==
        std::vector<double>{1.0, -2.0, std::ldexp(1.0, -24)});
  CHECK(tensor_of<uint16_t>(DType::bf16, {0x3f80, 0xc000}).to_double() == std::vector<double>{1.0, -2.0});
  CHECK_THROWS_AS(Tensor(DType::complex64, {1}).to_double(), tally::Error);
}

TEST_CASE("to_double of the 8-bit floats: largest, smallest, one, negative, special values") {
  // OCP 8-bit floating point specification, table 1; the FNUZ variants as in ONNX's "Float stored in 8 bits".
  const auto decode = [](DType dtype, std::vector<uint8_t> bits) {
    return tensor_of<uint8_t>(dtype, bits).to_double();
  };
  using List = std::vector<double>;
  CHECK(decode(DType::f8e4m3fn, {0x7e, 0x01, 0x38, 0xb8, 0x08}) ==
        List{448, std::ldexp(1, -9), 1, -1, std::ldexp(1, -6)});
  CHECK(std::isnan(decode(DType::f8e4m3fn, {0x7f})[0]));
  CHECK(std::isnan(decode(DType::f8e4m3fn, {0xff})[0]));
  CHECK(decode(DType::f8e4m3fnuz, {0x7f, 0x01, 0x40, 0xc0}) == List{240, std::ldexp(1, -10), 1, -1});
  CHECK(std::isnan(decode(DType::f8e4m3fnuz, {0x80})[0]));
  CHECK(decode(DType::f8e5m2, {0x7b, 0x01, 0x3c, 0xbc}) == List{57344, std::ldexp(1, -16), 1, -1});
  CHECK(decode(DType::f8e5m2, {0x7c, 0xfc}) ==
        List{std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()});
  CHECK(std::isnan(decode(DType::f8e5m2, {0x7d})[0]));
  CHECK(decode(DType::f8e5m2fnuz, {0x7f, 0x01, 0x40, 0xc0}) == List{57344, std::ldexp(1, -17), 1, -1});
  CHECK(std::isnan(decode(DType::f8e5m2fnuz, {0x80})[0]));
}
