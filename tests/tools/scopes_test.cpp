#include "tools/estimate/scopes.h"

#include <doctest/doctest.h>

#include "nlohmann/json.hpp"

using namespace tally;
using namespace tally::tools;

namespace {

NodeEstimate row(const std::string& scope, int64_t macs, int64_t live) {
  NodeEstimate row;
  row.scope = scope;
  row.params = 10 * macs;
  row.cost.macs = macs;
  row.live_bytes = live;
  return row;
}

Estimate estimate_of(std::vector<NodeEstimate> rows) {
  Estimate estimate;
  estimate.layers = std::move(rows);
  return estimate;
}

}  // namespace

TEST_CASE("scopes: every node in all that it lies in, nested in order of first use") {
  const Estimate estimate =
      estimate_of({row("/a/a.0", 1, 5), row("/b", 2, 9), row("/a/a.1/x", 4, 7), row("", 8, 1), row("/a/a.0", 16, 2)});
  const std::vector<ScopeSum> sums = scope_sums(estimate, 2);
  REQUIRE(sums.size() == 5);
  const auto check = [&](size_t i, const char* path, int depth, int64_t layers, int64_t macs, int64_t live) {
    CAPTURE(path);
    CHECK(sums[i].path == path);
    CHECK(sums[i].depth == depth);
    CHECK(sums[i].layers == layers);
    CHECK(sums[i].macs == macs);
    CHECK(sums[i].params == 10 * macs);
    CHECK(sums[i].peak_live_bytes == live);
  };
  check(0, "", 0, 5, 31, 9);
  check(1, "/a", 1, 3, 21, 7);
  check(2, "/a/a.0", 2, 2, 17, 5);
  check(3, "/a/a.1", 2, 1, 4, 7);
  check(4, "/b", 1, 1, 2, 9);
  CHECK(sums[3].name() == "a.1");
  const auto name = [](const char* path) {
    ScopeSum sum;
    sum.path = path;
    return sum.name();
  };
  CHECK(name("/decoder/decoder.ln") == "ln");
  CHECK(name("/decoder/encoder.ln") == "encoder.ln");
  CHECK(name("/a/a.") == "a.");
  CHECK(name("/a/a") == "a");
  CHECK(name("/") == "");
  CHECK(name("") == "");
  CHECK(scope_sums(estimate, 1).size() == 3);
  CHECK(scope_sums(estimate, 9).size() == 6);
}

TEST_CASE("scopes: hostile names") {
  const Estimate estimate = estimate_of({row("/", 1, 0), row("//", 2, 0), row("/a//b", 4, 0), row("no slash", 8, 0)});
  const std::vector<ScopeSum> sums = scope_sums(estimate, 64);
  CHECK(sums[0].macs == 15);
  CHECK(scope_json(sums).size() == sums.size());
  CHECK_FALSE(scope_part(sums).table.as_text(100, {}).empty());
}

TEST_CASE("scopes: the model alone where names say nothing") {
  CHECK(scope_sums(estimate_of({row("", 3, 0)}), 3).size() == 1);
  CHECK(scope_sums({}, 3).size() == 1);
}
