#include "tally/platforms/system_files.h"

#include <doctest/doctest.h>

#include "tests/platforms/system_tree.h"

using namespace tally;
using namespace tally::test;

TEST_CASE("files of the system: lines, numbers, folders, and nothing where there is nothing") {
  const SystemTree tree;
  tree.put("/sys/a/one", " 42 ");
  tree.put("/sys/a/two", "word\nsecond");
  CHECK(tree.files.number("/sys/a/one") == 42);
  CHECK_FALSE(tree.files.number("/sys/a/two").has_value());
  CHECK_FALSE(tree.files.number("/sys/a/none").has_value());
  CHECK(tree.files.line("/sys/a/two") == "word");
  CHECK(tree.files.text("/sys/a/two") == "word\nsecond\n");
  CHECK(tree.files.text("/sys/a").empty());
  CHECK(tree.files.entries("/sys/a") == std::vector<std::string>{"one", "two"});
  CHECK(tree.files.entries("/sys/none").empty());
  CHECK(tree.files.exists("/sys/a"));
  CHECK_FALSE(tree.files.of_this_machine());
  CHECK(system_files().of_this_machine());
}

TEST_CASE("integers and CPU lists, however broken") {
  CHECK(integer_in("-7\n") == -7);
  for (const char* text : {"", " ", "1k", "x", "99999999999999999999", "1 2"}) {
    CAPTURE(text);
    CHECK_FALSE(integer_in(text).has_value());
  }
  CHECK(cpus_in("0-3,8") == std::vector<int>{0, 1, 2, 3, 8});
  CHECK(cpus_in("5") == std::vector<int>{5});
  CHECK(cpus_in("").empty());
  CHECK(cpus_in("a").empty());
  CHECK(cpus_in("3-1").empty());
  CHECK(cpus_in("0,x") == std::vector<int>{0});
  CHECK(cpus_in("0-2000000000").size() == 8192);  // no list of the kernel's
}

TEST_CASE("programs of the system") {
  const SystemTree tree;
  tree.put_program("/usr/bin/speak", "echo said $1");
  tree.put_program("/usr/bin/fail", "echo no; exit 3");
  tree.put("/usr/bin/data", "no program");
  CHECK(tree.files.output_of("/usr/bin/speak", "this") == "said this\n");
  CHECK_FALSE(tree.files.output_of("/usr/bin/fail", "").has_value());
  CHECK_FALSE(tree.files.output_of("/usr/bin/data", "").has_value());
  CHECK_FALSE(tree.files.output_of("/usr/bin/none", "").has_value());
}
