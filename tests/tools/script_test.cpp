// Scripts for a device's shell: quoting, framing, what comes back.
#include "tools/device/script.h"

#include <doctest/doctest.h>

#include <cstdlib>

#include "tests/tools/program.h"

using namespace tally;
using namespace tally::tools;

namespace {

/// What this machine's shell writes for a script.
std::string written(const std::string& script) {
  const test::TemporaryFolder folder;
  folder.write("script", script);
  const std::string place = folder.path.string();
  std::system(("sh " + place + "/script >" + place + "/out 2>/dev/null").c_str());
  return test::contents(folder.path / "out");
}

}  // namespace

TEST_CASE("a quoted word means itself in a shell, whatever it holds") {
  for (const std::string word : {"plain", "two words", "it's", "''", "$(touch pwned)", "`id`", "a\nb", "\\", "-n", "*",
                                 "\"", "!", "\x01\xff", "a'\\''b"}) {
    CAPTURE(word);
    CHECK(written("printf '%s' " + shell_word(word)) == word);
  }
  CHECK(shell_word("") == "''");
}

TEST_CASE("only plain paths go where a login shell reads") {
  for (const char* path : {"/tmp/tally.X9", "/data/local/tmp", "/a/b-c_d+e.f"}) CHECK(plain_path(path));
  for (const char* path : {"", "tmp", "/tmp/a b", "/tmp/$(id)", "/tmp/../etc", "/..", "/tmp/x;y", "/tmp/'", "/tmp/\n"})
    CHECK_FALSE(plain_path(path));
}

TEST_CASE("what a script wrote comes back by sections, with its exit code") {
  const std::string script = framed("section a\necho one\nsection b\nprintf two\n(exit 7)", "MARK");
  const auto answer = answer_in(written("echo noise\n" + script + "echo MARK after"), "MARK");
  REQUIRE(answer);
  CHECK(answer->code == 7);
  CHECK(answer->word("a") == "one");
  CHECK(answer->word("b") == "two");
  CHECK(answer->word("c").empty());
  CHECK(answer->sections.at("a") == "one\n\n");
}

TEST_CASE("an answer without its end is none") {
  const std::string out = written(framed("section a\necho one", "MARK"));
  REQUIRE(answer_in(out, "MARK"));
  for (size_t bytes = 0; bytes + 2 < out.size(); ++bytes) CHECK_FALSE(answer_in(out.substr(0, bytes), "MARK"));
  CHECK_FALSE(answer_in(out, "OTHER"));
  CHECK_FALSE(answer_in("MARK=x\n", "MARK"));
}

TEST_CASE("half a script does nothing") {
  const std::string script = framed("echo done >&2; echo one", "MARK");
  for (size_t bytes = 0; bytes + 2 < script.size(); ++bytes)
    CHECK(written(script.substr(0, bytes)).find("one") == std::string::npos);
}

TEST_CASE("a terminal's line ends do no harm") {
  const auto answer = answer_in("MARK a\r\none\r\n\r\nMARK=0\r\n", "MARK");
  REQUIRE(answer);
  CHECK(answer->word("a") == "one");
}
