// Where documents of devices are kept: whole or not at all.
#include "tools/device/run_store.h"

#include <doctest/doctest.h>

#include "tally/engine/error.h"
#include "tests/tools/program.h"

using namespace tally;
using namespace tally::tools;
using test::TemporaryFolder;

namespace {

size_t files_in(const std::filesystem::path& folder) {
  const std::filesystem::recursive_directory_iterator all(folder);
  return static_cast<size_t>(std::distance(begin(all), end(all)));
}

}  // namespace

TEST_CASE("names that devices and models bring become names of files") {
  CHECK(file_name_of("raspberrypi.local") == "raspberrypi.local");
  CHECK(file_name_of("../../etc/passwd") == "_.._.._etc_passwd");
  CHECK(file_name_of(".hidden") == "_.hidden");
  CHECK(file_name_of("-rf") == "_-rf");
  CHECK(file_name_of("a b\n$(x)") == "a_b___x_");
  CHECK(file_name_of("") == "_");
  CHECK(file_name_of(std::string(500, 'x')).size() == 120);
}

TEST_CASE("runs are stored by device, none over another") {
  const TemporaryFolder folder;
  const auto store = [&] { return store_run(folder.path, "pi@4", "m", "20250131T235959Z", {{"schema", "x"}}); };
  CHECK(store() == folder.path / "pi@4" / "m-20250131T235959Z.json");
  CHECK(store() == folder.path / "pi@4" / "m-20250131T235959Z-2.json");
  CHECK(store() == folder.path / "pi@4" / "m-20250131T235959Z-3.json");
  CHECK(test::contents(folder.path / "pi@4" / "m-20250131T235959Z.json") == "{\n \"schema\": \"x\"\n}\n");
  CHECK(files_in(folder.path) == 4);
}

TEST_CASE("what cannot be stored leaves nothing") {
  const TemporaryFolder folder;
  folder.write("file", "");
  CHECK_THROWS_AS(store_run(folder.path / "file", "pi", "m", "now", {}), Error);
  CHECK(files_in(folder.path) == 1);
  CHECK_THROWS_AS(store_run("/proc/none", "pi", "m", "now", {}), Error);
}

TEST_CASE("the time is UTC, to the second") {
  const std::string now = utc_now();
  REQUIRE(now.size() == 16);
  CHECK(now[8] == 'T');
  CHECK(now[15] == 'Z');
}
