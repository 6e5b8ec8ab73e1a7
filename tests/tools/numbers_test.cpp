#include "tools/output/numbers.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using namespace tally::tools;

TEST_CASE("thousands are separated") {
  CHECK(with_thousands(int64_t{0}) == "0");
  CHECK(with_thousands(int64_t{999}) == "999");
  CHECK(with_thousands(int64_t{1000}) == "1,000");
  CHECK(with_thousands(int64_t{-1234567}) == "-1,234,567");
  CHECK(with_thousands(std::numeric_limits<int64_t>::min()) == "-9,223,372,036,854,775,808");
  CHECK(with_thousands(1234.5, 2) == "1,234.50");
  CHECK(with_thousands(-0.25, 1) == "-0.2");
  CHECK(with_thousands(NAN, 1) == "n/a");
  CHECK(with_sign(1200) == "+1,200");
  CHECK(with_sign(-1200) == "−1,200");
}

TEST_CASE("units suit the size") {
  CHECK(bytes_text(512) == "512 B");
  CHECK(bytes_text(61706) == "61.7 kB");
  CHECK(bytes_text(2.1e6) == "2.1 MB");
  CHECK(bytes_text(3e9) == "3.00 GB");
  CHECK(duration_text(820) == "820 ns");
  CHECK(duration_text(8250) == "8.25 µs");
  CHECK(duration_text(1.2e6) == "1.20 ms");
  CHECK(duration_text(3.4e9) == "3.40 s");
}

TEST_CASE("text is measured and cut by characters") {
  CHECK(display_width("µs − ÷") == 6);
  CHECK(cut_middle("abcdefghij", 10) == "abcdefghij");
  CHECK(cut_middle("abcdefghij", 7) == "abc…hij");
  CHECK(display_width(cut_middle("µµµµµµµµµµ", 5)) == 5);
  CHECK(cut_middle("abc", 1) == "…");
}

TEST_CASE("what a terminal would obey or choke on is replaced") {
  CHECK(printable("plain µ …") == "plain µ …");
  CHECK(printable("a\tb\nc") == "a?b?c");
  CHECK(printable("\033[2J") == "?[2J");
  CHECK(printable("\xc2\x9b"
                  "31m") == "?31m");     // an 8-bit control character
  CHECK(printable("\xff\xc3") == "??");  // no UTF-8
  CHECK(printable("\xc0\xaf") == "??");  // an overlong form
}

TEST_CASE("repeated components of a path are left out") {
  CHECK(short_path("/features/features.1/conv/conv.0/conv.0.0/Conv_quant") == "/features.1/conv.0.0/Conv_quant");
  CHECK(short_path("/conv1/Conv") == "/conv1/Conv");
  CHECK(short_path("a/a.") == "a.");
  CHECK(short_path("a/ab") == "a/ab");
  CHECK(short_path("//x/") == "//x/");
  CHECK(short_path("") == "");
}
