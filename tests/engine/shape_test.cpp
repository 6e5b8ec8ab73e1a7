#include "tally/engine/shape.h"

#include <doctest/doctest.h>

#include <limits>

#include "tally/engine/error.h"

using tally::Shape;

TEST_CASE("checked_multiply: nothing where the product overflows") {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  CHECK(tally::checked_multiply(6, 7) == 42);
  CHECK(tally::checked_multiply(0, kMax) == 0);
  CHECK(tally::checked_multiply(kMax, 0) == 0);
  CHECK(tally::checked_multiply(kMax, 1) == kMax);
  CHECK(tally::checked_multiply(int64_t{1} << 31, int64_t{1} << 31) == int64_t{1} << 62);
  CHECK_FALSE(tally::checked_multiply(int64_t{1} << 32, int64_t{1} << 31).has_value());
  CHECK_FALSE(tally::checked_multiply(kMax, 2).has_value());
}

TEST_CASE("element_count: the product, bounded by what 16-byte elements can address") {
  CHECK(tally::element_count({}) == 1);
  CHECK(tally::element_count({2, 3, 5}) == 30);
  CHECK(tally::element_count({int64_t{1} << 58}) == int64_t{1} << 58);
  // Zero elements, though a product from the left would overflow on its way.
  CHECK(tally::element_count({int64_t{1} << 40, int64_t{1} << 40, 0}) == 0);
  for (const Shape& shape :
       {Shape{int64_t{1} << 59}, Shape{int64_t{1} << 40, int64_t{1} << 40}, Shape{int64_t{1} << 62, 4}}) {
    try {
      tally::element_count(shape, "Conv 'c'");
      FAIL("accepted");
    } catch (const tally::Error& error) {
      CHECK(error.code == tally::ErrorCode::limit);
      CHECK(error.node == "Conv 'c'");
    }
  }
  CHECK_THROWS_WITH_AS(tally::element_count({2, -3}, "x"), "x: extent -3 of shape 2x-3 must be at least 0",
                       tally::Error);
}

TEST_CASE("to_string and row_major_strides") {
  CHECK(tally::to_string(Shape{}) == "scalar");
  CHECK(tally::to_string(Shape{1, 6, 28, 28}) == "1x6x28x28");
  CHECK(tally::row_major_strides({}) == Shape{});
  CHECK(tally::row_major_strides({7}) == Shape{1});
  CHECK(tally::row_major_strides({2, 3, 5}) == Shape{15, 5, 1});
  CHECK(tally::row_major_strides({4, 0, 5}) == Shape{0, 5, 1});
}

TEST_CASE("broadcast: ONNX's multidirectional rule") {
  CHECK(tally::broadcast({2, 3, 4, 5}, {}) == Shape{2, 3, 4, 5});
  CHECK(tally::broadcast({2, 3, 4, 5}, {5}) == Shape{2, 3, 4, 5});
  CHECK(tally::broadcast({4, 5}, {2, 3, 4, 5}) == Shape{2, 3, 4, 5});
  CHECK(tally::broadcast({1, 4, 5}, {2, 3, 1, 1}) == Shape{2, 3, 4, 5});
  CHECK(tally::broadcast({0}, {1}) == Shape{0});
  CHECK_FALSE(tally::broadcast({3}, {4}).has_value());
  CHECK_FALSE(tally::broadcast({0}, {4}).has_value());
}

TEST_CASE("normalize_axis: negative axes count from the end") {
  CHECK(tally::normalize_axis(0, 4, "n") == 0);
  CHECK(tally::normalize_axis(-1, 4, "n") == 3);
  CHECK(tally::normalize_axis(-4, 4, "n") == 0);
  CHECK_THROWS_WITH_AS(tally::normalize_axis(4, 4, "Softmax 's'"), "Softmax 's': axis=4 must be in [-4, 4)",
                       tally::Error);
  CHECK_THROWS_AS(tally::normalize_axis(-5, 4, "n"), tally::Error);
  CHECK_THROWS_AS(tally::normalize_axis(0, 0, "n"), tally::Error);
  CHECK_THROWS_AS(tally::normalize_axis(std::numeric_limits<int64_t>::min(), 4, "n"), tally::Error);
}
