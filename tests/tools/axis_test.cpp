#include "tools/html/axis.h"

#include <doctest/doctest.h>

using namespace tally::tools;

namespace {

std::string labels_of(const Axis& axis, int most) {
  std::string words;
  for (const Tick& tick : axis.ticks(most))
    if (!tick.label.empty()) words += (words.empty() ? "" : " ") + tick.label;
  return words;
}

}  // namespace

TEST_CASE("logarithmic axes end at 1, 2 or 5 times a power of ten") {
  const Axis axis = log_axis(0.13, 92);
  CHECK(axis.from == doctest::Approx(0.1));
  CHECK(axis.to == doctest::Approx(100));
  CHECK(axis.at(0.1) == doctest::Approx(0));
  CHECK(axis.at(1) == doctest::Approx(1.0 / 3));
  CHECK(axis.at(100) == doctest::Approx(1));
  CHECK(labels_of(axis, 6) == "0.1 1 10 100");
  CHECK(log_axis(0.3, 42).from == doctest::Approx(0.2));
  CHECK(log_axis(0.3, 42).to == doctest::Approx(50));
  CHECK(labels_of(log_axis(0.3, 42), 6) == "0.2 0.5 1 2 5 10 20 50");
  CHECK(labels_of(log_axis(1, 1), 6) == "0.1 0.2 0.5 1");
  CHECK(log_axis(1e-30, 1, 6).from == doctest::Approx(1e-6));
  CHECK(labels_of(log_axis(1e-6, 1e6), 4) == "1e-06 0.01 100 1M");
}

TEST_CASE("linear axes end at round values") {
  CHECK(linear_axis(93).to == doctest::Approx(100));
  CHECK(linear_axis(0).to == doctest::Approx(1));
  CHECK(labels_of(linear_axis(93), 5) == "0 20 40 60 80 100");
  const Axis between = linear_axis(8.97, 10.4);
  CHECK(between.from == doctest::Approx(8.5));
  CHECK(between.to == doctest::Approx(10.5));
  CHECK(linear_axis(3, 3).at(3) == doctest::Approx(0.5));
}

TEST_CASE("values that no clock can give still end in few ticks") {
  for (const auto& [least, most] : {std::pair{1e300, 1.0000001e300}, {-1e18, 1e18}, {1e-300, 2e-300}}) {
    const Axis axis = linear_axis(least, most);
    CHECK(axis.ticks(6).size() < 20);
  }
  CHECK(log_axis(1e-300, 1e300).ticks(6).size() < 200);
}

TEST_CASE("numbers on axes are short") {
  CHECK(short_number(0) == "0");
  CHECK(short_number(0.001) == "0.001");
  CHECK(short_number(10) == "10");
  CHECK(short_number(1000) == "1k");
  CHECK(short_number(2.5e6) == "2.5M");
  CHECK(short_number(1e9) == "1G");
}
