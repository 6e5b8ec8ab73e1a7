// Decimal numbers at the start of a text.
#include "tools/input/decimal.h"

#include <doctest/doctest.h>

using namespace tally::tools;

TEST_CASE("a decimal number and what follows it") {
  const std::string text = "1.5GiB";
  const auto decimal = decimal_at_start(text);
  REQUIRE(decimal);
  CHECK(decimal->value == 1.5);
  CHECK(decimal->rest == "GiB");
  CHECK(decimal_in("-2e3") == -2000);
  CHECK(decimal_in(".25") == 0.25);
  CHECK(decimal_in("0") == 0);
  CHECK(decimal_in("1e-400") == 0);
}

TEST_CASE("what is no decimal number") {
  for (const char* text : {"", "-", ".", "x", " 1", "+1", "0x10", "-0X1", "inf", "nan", "-inf", "1e400", "--1"}) {
    CAPTURE(text);
    CHECK_FALSE(decimal_at_start(text));
  }
  for (const char* text : {"1 ", "1,5", "1x", "1.5.2"}) CHECK_FALSE(decimal_in(text));
}
