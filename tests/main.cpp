// Runs the tests of one floor. `--claims FILE`: see tests/judged.h; every other argument is doctest's.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstring>
#include <vector>

#include "tests/judged.h"

int main(int argc, char** argv) {
  std::vector<char*> arguments;
  for (int i = 0; i < argc; ++i) {
    if (std::strcmp(argv[i], "--claims") == 0 && i + 1 < argc) {
      tally::test::Judge::instance().open(argv[++i]);
    } else {
      arguments.push_back(argv[i]);
    }
  }
  doctest::Context context(static_cast<int>(arguments.size()), arguments.data());
  return context.run();
}
