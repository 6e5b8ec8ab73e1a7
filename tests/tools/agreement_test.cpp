#include "tools/compare/agreement.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using namespace tally;
using namespace tally::tools;

namespace {

Tensor floats(const Shape& shape, const std::vector<float>& values) {
  return Tensor::of<float>(DType::f32, shape, values);
}

constexpr float kInfinite = std::numeric_limits<float>::infinity();

}  // namespace

TEST_CASE("elements agree within atol + rtol·|expected|") {
  const Tensor expected = floats({3}, {0, 100, -1});
  CHECK(compare_tensors(floats({3}, {1e-7f, 100.09f, -1.0009f}), expected, 1e-3, 1e-6).agrees());
  const Agreement a = compare_tensors(floats({3}, {0, 100.2f, -1.5f}), expected, 1e-3, 1e-6);
  CHECK(!a.agrees());
  CHECK(a.differing == 2);
  CHECK(a.elements == 3);
  CHECK(a.worst == 2);
  CHECK(a.worst_got == -1.5);
  CHECK(a.worst_expected == -1.0);
  CHECK(a.largest_difference == doctest::Approx(0.5));
}

TEST_CASE("neighbours of 16 bits agree, whatever the tolerance") {
  const auto bits = [](DType type, const std::vector<uint16_t>& values) {
    return Tensor::of<uint16_t>(type, {static_cast<int64_t>(values.size())}, values);
  };
  for (const DType type : {DType::bf16, DType::f16}) {
    const Tensor expected = bits(type, {0x3f80, 0x8000, 0x4001});
    CHECK(compare_tensors(bits(type, {0x3f81, 0x0001, 0x4000}), expected, 0, 0).agrees());
    CHECK(compare_tensors(bits(type, {0x3f82, 0x8000, 0x4001}), expected, 0, 0).worst == 0);
    CHECK(compare_tensors(bits(type, {0x3f80, 0x8000, 0x7fff}), expected, 0, 0).worst == 2);
    const uint16_t infinity = type == DType::f16 ? 0x7c00 : 0x7f80, largest = static_cast<uint16_t>(infinity - 1);
    CHECK(!compare_tensors(bits(type, {largest}), bits(type, {infinity}), 0, 0).agrees());
  }
}

TEST_CASE("NaN agrees with NaN alone, infinities with themselves") {
  const Tensor expected = floats({3}, {NAN, kInfinite, 1});
  CHECK(compare_tensors(floats({3}, {-NAN, kInfinite, 1.0001f}), expected, 1e-3, 0).agrees());
  CHECK(compare_tensors(floats({3}, {NAN, -kInfinite, 1}), expected, 1e-3, 0).worst == 1);
  CHECK(compare_tensors(floats({3}, {0, kInfinite, 1}), expected, 1e-3, 0).worst == 0);
  CHECK(compare_tensors(floats({3}, {NAN, kInfinite, NAN}), expected, 1e-3, 0).worst == 2);
  CHECK(compare_tensors(floats({3}, {NAN, 1e30f, 1}), expected, 1e-3, 0).differing == 1);
}

TEST_CASE("types and shapes must be the same") {
  CHECK(compare_tensors(floats({2}, {1, 2}), floats({1, 2}, {1, 2}), 1, 1).mismatch.find("shape") == 0);
  CHECK(compare_tensors(Tensor(DType::f64, {2}), Tensor(DType::f32, {2}), 1, 1).mismatch.find("dtype") == 0);
  CHECK(compare_tensors(Tensor(DType::f32, {0, 3}), Tensor(DType::f32, {0, 3}), 0, 0).agrees());
}

TEST_CASE("large integers are told apart by their bytes") {
  const std::vector<int64_t> a{int64_t{1} << 62};
  CHECK(compare_tensors(Tensor::of_int64(a), Tensor::of_int64(a), 0, 0).agrees());
  CHECK(compare_tensors(Tensor::of_int64({1000}), Tensor::of_int64({1001}), 1e-3, 0).agrees());
  CHECK(!compare_tensors(Tensor::of_int64({1000}), Tensor::of_int64({1003}), 1e-3, 0).agrees());
}

TEST_CASE("indices are given by dimension") {
  CHECK(index_text(0, {}) == "[]");
  CHECK(index_text(5, {2, 3}) == "[1, 2]");
  CHECK(index_text(23, {2, 3, 4}) == "[1, 2, 3]");
}
