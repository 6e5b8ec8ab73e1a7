// `tally ops`.
#include <doctest/doctest.h>

#include <sstream>

#include "tally/layers/registry.h"
#include "tests/tools/program.h"
#include "tools/output/numbers.h"

using namespace tally;
using namespace tally::test;

TEST_CASE("docs/operators.md is what the program prints: tally ops --format md --output docs/operators.md") {
  const Ran ran = run_tally("ops --format md");
  CHECK(ran.code == 0);
  CHECK(ran.out == contents(TALLY_SOURCE_DIR "/docs/operators.md"));
}

TEST_CASE("ops: a row an operator, within 100 columns") {
  const Ran ran = run_tally("ops");
  CHECK(ran.code == 0);
  CHECK(ran.err.empty());
  std::istringstream in(ran.out);
  for (std::string line; std::getline(in, line);) CHECK(tools::display_width(line) <= 100);
  for (const SupportedOperator& row : supported_operators())
    CHECK(ran.out.find("\n" + std::string(row.op) + " ") != std::string::npos);
  CHECK(ran.out.find("n/a") == std::string::npos);
  CHECK(ran.out.find("SequenceConstruct") != std::string::npos);
}

TEST_CASE("ops: the document") {
  const nlohmann::json document = document_of("ops");
  CHECK(document["schema"] == "tally.ops/1");
  CHECK(document["missing"]["model"].is_string());
  CHECK(document["operators"].size() == supported_operators().size());
  CHECK(document["isas"] == document["machine"]["isas_usable"]);
  for (const nlohmann::json& row : document["operators"]) {
    CAPTURE(row["operator"].get<std::string>());
    CHECK(!row["types"].empty());
    CHECK(!row["coverage"].empty());
    CHECK(row["kernels"].empty() == (row["runs"] != "steps"));
    for (const nlohmann::json& group : row["kernels"]) CHECK(group["isas"].size() == document["isas"].size());
  }
  CHECK(document["out_of_scope"].size() == excluded_operators().size());
}

TEST_CASE("ops: some operators, one instruction set, CSV") {
  const nlohmann::json document = document_of("ops Relu DFT --isa scalar");
  REQUIRE(document["operators"].size() == 2);
  CHECK(document["operators"][0]["operator"] == "DFT");
  CHECK(document["operators"][0]["coverage"] == nlohmann::json{"approximate"});
  CHECK(document["operators"][1]["kernels"][0] ==
        nlohmann::json{{"types", {"float32"}}, {"isas", {{"scalar", {"map"}}}}});
  CHECK(run_tally("ops Relu --format csv")
            .out.rfind("operator,first_opset,last_opset,types,kernels,coverage\nRelu,1,24,float32 ", 0) == 0);
  const Ran unknown = run_tally("ops Foo");
  CHECK(unknown.code == 2);
  CHECK(unknown.err.find("operator: 'Foo' must be supported") != std::string::npos);
  CHECK(run_tally("ops SequenceAt").err.find("must be in scope, which excludes sequences") != std::string::npos);
}
