#include "tally/engine/error.h"

#include <doctest/doctest.h>

using namespace tally;

namespace {

std::string words(const std::string& found, const std::string& required, const std::string& node = "") {
  return Error(ErrorCode::model, node, found, required).what();
}

}  // namespace

TEST_CASE("error: a value found runs on into what is required of it") {
  CHECK(words("group=5", "must divide C=64", "Conv 'c3'") == "Conv 'c3': group=5 must divide C=64");
  CHECK(words("X of shape 3x4", "must have rank 4") == "X of shape 3x4 must have rank 4");
  CHECK(words("'sve'", "is not in this build") == "'sve' is not in this build");
  CHECK(words("7 inputs", "must be 1 to 3") == "7 inputs must be 1 to 3");
  CHECK(words("input 'this is no verb'", "must be constant") == "input 'this is no verb' must be constant");
}

TEST_CASE("error: a sentence found is parted from what is required") {
  CHECK(words("does not exist", "must be a readable file", "file 'x'") ==
        "file 'x': does not exist; must be a readable file");
  CHECK(words("no such layer", "must be a name") == "no such layer; must be a name");
  CHECK(words("missing", "must be given by -i") == "missing; must be given by -i");
  CHECK(words("input 1 is absent", "must be given") == "input 1 is absent; must be given");
  CHECK(words("x: Permission denied", "must be readable") == "x: Permission denied; must be readable");
  CHECK(words("3 layers begin so", "must be one") == "3 layers begin so; must be one");
}

TEST_CASE("error: without a node, without a requirement") {
  CHECK(words("a law is broken", "") == "a law is broken");
  const Error error(ErrorCode::limit, "node", "found", "required");
  CHECK(error.code == ErrorCode::limit);
  CHECK(error.node + error.found + error.required == "nodefoundrequired");
}
