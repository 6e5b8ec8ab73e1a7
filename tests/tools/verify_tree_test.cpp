// `tally verify` over a tree of model folders.
#include "tools/compare/verify_tree.h"

#include <doctest/doctest.h>

#include <sstream>

#include "tally/engine/onnx/tensor_proto.h"
#include "tests/tools/program.h"
#include "tools/output/numbers.h"

using namespace tally;
using namespace tally::test;

namespace {

/// Adds a case: y = op(x) with x = −2, and its answer where there is one.
void add_case(const TemporaryFolder& tree, const std::string& name, const std::string& op, std::optional<float> answer,
              const std::string& domain = "") {
  const std::filesystem::path folder = tree.path / name;
  std::filesystem::create_directories(folder / "test_data_set_0");
  Builder b;
  const auto x = b.named(b.input({1}), "x");
  b.output(b.named(b.node(op, {x})[0], "y"));
  Graph graph = b.graph();
  graph.nodes[0].domain = domain;
  if (!domain.empty()) graph.opsets[domain] = graph.nodes[0].opset = 1;
  write_onnx(graph, (folder / "model.onnx").string());
  const auto store = [&](const std::string& file, const std::string& value, float number) {
    write_tensor_proto((folder / "test_data_set_0" / file).string(), value,
                       Tensor::of<float>(DType::f32, {1}, std::vector<float>{number}));
  };
  if (!answer) return;
  store("input_0.pb", "x", -2);
  store("output_0.pb", "y", *answer);
}

/// Two agree, one differs, the others cannot be checked.
void fill(const TemporaryFolder& tree) {
  add_case(tree, "node/relu", "Relu", 0.0f);
  add_case(tree, "node/abs", "Abs", 2.0f);
  add_case(tree, "node/wrong", "Abs", 3.0f);
  add_case(tree, "node/no_answer", "Abs", std::nullopt);
  add_case(tree, "other/sequence", "SequenceLength", 0.0f);
  add_case(tree, "other/foo", "Foo", 0.0f);
  add_case(tree, "other/bar", "Bar", 0.0f, "com.example");
  tree.write("other/broken/model.onnx", "\x3a\x7f");
  tree.write("other/notes.txt", "no model");
}

const nlohmann::json& row_of(const nlohmann::json& document, const std::string& name) {
  for (const nlohmann::json& row : document["operators"])
    if (row["operator"] == name) return row;
  FAIL("no row " << name);
  return document;
}

}  // namespace

TEST_CASE("a tree: counts by operator, reasons, exit code") {
  const TemporaryFolder tree;
  fill(tree);
  const std::string root = tree.path.string();
  const Ran ran = run_tally("verify " + root + " --format json");
  CHECK(ran.code == 1);
  const nlohmann::json document = nlohmann::json::parse(ran.out);
  CHECK(document["schema"] == "tally.verify/1");
  CHECK(document["passed"] == 2);
  CHECK(document["failed"] == 1);
  CHECK(document["skipped"] == 5);
  CHECK(document["cases"].size() == 8);
  const nlohmann::json& abs = row_of(document, "Abs");
  CHECK(abs["cases"] == 3);
  CHECK(abs["passed"] == 1);
  CHECK(abs["failed"] == 1);
  CHECK(abs["skipped"] == 1);
  CHECK(abs["reasons"][0]["reason"].get<std::string>().find("no stored answers") == 0);
  CHECK(row_of(document, "SequenceLength")["reasons"][0]["reason"] == "out of scope: sequences");
  CHECK(row_of(document, "Foo")["reasons"][0]["reason"] == "operator Foo is not supported");
  CHECK(row_of(document, "com.example.Bar")["skipped"] == 1);
  CHECK(row_of(document, "(unreadable)")["skipped"] == 1);
  for (const nlohmann::json& one : document["cases"]) {
    CAPTURE(one["case"].get<std::string>());
    CHECK(one.contains("reason") == (one["outcome"] != "passed"));
  }
}

TEST_CASE("a tree: the table says what failed and why the rest was skipped, within 100 columns") {
  const TemporaryFolder tree;
  fill(tree);
  const Ran ran = run_tally("verify " + tree.path.string());
  CHECK(ran.code == 1);
  for (const char* words :
       {"2 of 8 cases agree, 1 failed, 5 skipped", "failed: wrong; 1 no stored answers", "1 out of scope: sequences",
        "1 operator Foo is not supported", "all, once each", "test_data_set_0: output 'y' [0]: 2, expected 3"}) {
    CAPTURE(words);
    CHECK(ran.out.find(words) != std::string::npos);
  }
  std::istringstream in(ran.out.substr(ran.out.find('\n')));  // the title names the folder
  for (std::string line; std::getline(in, line);) CHECK(tools::display_width(line) <= 100);
}

TEST_CASE("a tree: several at once, and those of which nothing can be checked") {
  const TemporaryFolder tree;
  fill(tree);
  std::filesystem::remove_all(tree.path / "node/wrong");
  const std::string root = tree.path.string();
  CHECK(run_tally("verify " + root).code == 0);
  CHECK(document_of("verify --recursive " + root + "/node/relu " + root + "/node/abs")["passed"] == 2);
  const Ran skipped = run_tally("verify " + root + "/other");
  CHECK(skipped.code == 3);
  CHECK(skipped.out.find("out of scope: sequences") != std::string::npos);
  CHECK(skipped.err.find("every case was skipped") != std::string::npos);
  std::filesystem::create_directories(tree.path / "empty");
  CHECK(run_tally("verify " + root + "/empty").err.find("no model.onnx below it") != std::string::npos);
  CHECK(!tools::is_tree(root + "/node/relu"));
  CHECK(tools::is_tree(root));
  CHECK(!tools::is_tree(root + "/nowhere"));
}
