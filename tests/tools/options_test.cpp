#include "tools/input/options.h"

#include <doctest/doctest.h>

#include "tally/engine/error.h"

using namespace tally;
using namespace tally::tools;

namespace {

ErrorCode code_of(const LoadingOptions& options) {
  try {
    options.parsed();
  } catch (const Error& e) {
    return e.code;
  }
  FAIL("parsed without an error");
  return ErrorCode::internal;
}

}  // namespace

TEST_CASE("quantities") {
  CHECK(parse_quantity("--max-memory", "0", 1024) == 0);
  CHECK(parse_quantity("--max-memory", "100000", 1024) == 100000);
  CHECK(parse_quantity("--max-memory", "512M", 1024) == 512ll << 20);
  CHECK(parse_quantity("--max-memory", "2G", 1024) == 2ll << 30);
  CHECK(parse_quantity("--max-memory", "2GiB", 1024) == 2ll << 30);
  CHECK(parse_quantity("--max-memory", "1.5k", 1024) == 1536);
  CHECK(parse_quantity("--max-macs", "1e11", 1000) == 100'000'000'000);
  CHECK(parse_quantity("--max-macs", "100G", 1000) == 100'000'000'000);
  for (const char* bad : {"", "G", "-1", "1X", "1MM", "nan", "inf", "1e300", "0x10", "9e18T", "1 G"})
    CHECK_THROWS_AS(parse_quantity("--max-memory", bad, 1024), Error);
}

TEST_CASE("loading options") {
  LoadingOptions options;
  CHECK(options.parsed().max_memory == size_t{2} << 30);
  CHECK(options.parsed().max_macs == 100'000'000'000);
  CHECK(!options.parsed().isa);
  options.dims = {"N=3", "a=b=4"};
  CHECK(options.parsed().dims == std::map<std::string, int64_t>{{"N", 3}, {"a=b", 4}});
  options.isa = "scalar";
  CHECK(options.parsed().isa == Isa::scalar);
}

TEST_CASE("what cannot be understood is a usage error, what is not here the machine's") {
  for (const char* dim : {"N", "=3", "N=", "N=x", "N=-1", "N=1.5"}) {
    LoadingOptions options;
    options.dims = {dim};
    CHECK(code_of(options) == ErrorCode::usage);
  }
  const auto with = [](auto set) {
    LoadingOptions options;
    set(options);
    return code_of(options);
  };
  CHECK(with([](LoadingOptions& o) { o.dims = {"N=1", "N=2"}; }) == ErrorCode::usage);
  CHECK(with([](LoadingOptions& o) { o.threads = 0; }) == ErrorCode::usage);
  CHECK(with([](LoadingOptions& o) { o.isa = "mmx"; }) == ErrorCode::usage);
  CHECK(with([](LoadingOptions& o) { o.isa = "sve"; }) == ErrorCode::machine);
  CHECK(with([](LoadingOptions& o) { o.dtype = "int8"; }) == ErrorCode::machine);
  CHECK(with([](LoadingOptions& o) { o.dtype = "fp64"; }) == ErrorCode::usage);
}
