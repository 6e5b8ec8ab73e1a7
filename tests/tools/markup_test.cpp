#include "tools/output/markup.h"

#include <doctest/doctest.h>

#include "tally/engine/error.h"

using namespace tally;
using namespace tally::tools;

TEST_CASE("markup characters become references") {
  CHECK(escaped("a & b < c > d \"e\" 'f'") == "a &amp; b &lt; c &gt; d &quot;e&quot; &#39;f&#39;");
  CHECK(escaped("</script><script>alert(1)</script>") == "&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;");
  CHECK(escaped("µs · ÷ → 層") == "µs · ÷ → 層");
  CHECK(escaped("two\nlines\tand a tab") == "two\nlines\tand a tab");
}

TEST_CASE("what XML forbids, and what turns the direction of writing, is replaced") {
  const std::string r = "\xef\xbf\xbd";
  CHECK(escaped(std::string_view("a\0b", 3)) == "a" + r + "b");
  CHECK(escaped("a\x01\x1b[31mb\x7f") == "a" + r + r + "[31mb" + r);
  CHECK(escaped("\xc2\x85") == r);  // a control character of C1
  CHECK(escaped("gnp\xe2\x80\xaetxt.exe") == "gnp" + r + "txt.exe");
  CHECK(escaped("\xe2\x81\xa6x\xe2\x81\xa9") == r + "x" + r);
  CHECK(escaped("\xef\xbf\xbe\xef\xbf\xbf") == r + r);  // U+FFFE, U+FFFF
  CHECK(escaped("\xf0\x9f\xbf\xbe") == r);              // U+1FFFE
}

TEST_CASE("broken UTF-8 is replaced byte by byte") {
  const std::string r = "\xef\xbf\xbd";
  CHECK(escaped("\xff"
                "a") == r + "a");
  CHECK(escaped("\xc3") == r);
  CHECK(escaped("\xc0\xaf") == r + r);                  // overlong "/"
  CHECK(escaped("\xe0\x80\xbc") == r + r + r);          // overlong "<"
  CHECK(escaped("\xed\xa0\x80") == r + r + r);          // a surrogate
  CHECK(escaped("\xf4\x90\x80\x80") == r + r + r + r);  // beyond U+10FFFF
  CHECK(escaped("\xe2\x82") == r + r);
}

TEST_CASE("elements nest, and attributes are escaped") {
  Markup out;
  out.open("p", {{"class", "a\"b"}}).text("x < y").single("br").leaf("b", "&").close();
  CHECK(out.done() == "<p class=\"a&quot;b\">x &lt; y<br/><b>&amp;</b></p>\n");
  Markup open;
  open.open("p");
  CHECK_THROWS_AS(open.done(), Error);
  Markup closed;
  CHECK_THROWS_AS(closed.close(), Error);
}
