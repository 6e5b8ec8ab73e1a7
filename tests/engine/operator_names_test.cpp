#include "tally/engine/onnx/operator_names.h"

#include <doctest/doctest.h>

#include <vector>

#include "onnx_message.h"
#include "tally/engine/error.h"
#include "temporary_folder.h"

namespace {

using tally::Error;
using tally::ErrorCode;
using tally::OperatorName;
using namespace tally::test;

constexpr size_t kMost = 1 << 20;

std::vector<std::string> names_in(const Message& message) {
  const TemporaryFolder folder;
  std::vector<std::string> names;
  for (const OperatorName& name : tally::operator_names(folder.write("m.onnx", message.bytes), kMost))
    names.push_back(name.text());
  return names;
}

TEST_CASE("operators of a graph, its bodies and its functions") {
  const Message branch = Message().message(1, node("Det", {"x"}, {"z"}));
  Message conditional = node("If", {"c"}, {"y"});
  conditional.message(5, graph_attribute("then_branch", branch));
  Message graph = relu_graph().message(1, conditional).message(1, node("f", {"x"}, {"u"}).blob(7, "own"));
  graph.message(1, node("Foo", {"x"}, {"v"}).blob(7, "com.example")).message(1, node("Relu", {"y"}, {"w"}));
  graph.message(1, node("Abs", {"y"}, {"a"}).blob(7, "ai.onnx"));
  const Message function = Message().blob(1, "f").blob(10, "own").message(7, node("Tanh", {"a"}, {"t"}));
  CHECK(names_in(model(graph).message(25, function)) ==
        std::vector<std::string>{"Abs", "Det", "If", "Relu", "Tanh", "com.example.Foo"});
  CHECK(names_in(model(Message())).empty());
}

TEST_CASE("operators of a model that cannot be read otherwise") {
  const Message sequence = Message().blob(1, "s").message(2, Message().message(4, Message()));
  CHECK(names_in(model(relu_graph().message(11, sequence), 99)) == std::vector<std::string>{"Relu"});
}

TEST_CASE("operators of what is no model") {
  const TemporaryFolder folder;
  const auto code = [&](const std::filesystem::path& file, size_t most = kMost) {
    try {
      tally::operator_names(file, most);
    } catch (const Error& error) {
      CHECK(std::string(error.what()).find(file.string()) != std::string::npos);
      return error.code;
    }
    return ErrorCode::internal;
  };
  CHECK(code(folder.path / "absent.onnx") == ErrorCode::model);
  CHECK(code(folder.write("broken.onnx", std::string("\x3a\x7f", 2))) == ErrorCode::model);
  CHECK(code(folder.write("long.onnx", model(relu_graph()).bytes), 8) == ErrorCode::limit);
  Message nested = Message().message(1, node("Relu", {"x"}, {"y"}));
  for (int depth = 0; depth < 100; ++depth)
    nested = Message().message(1, node("If", {"c"}, {"y"}).message(5, graph_attribute("then_branch", nested)));
  CHECK(code(folder.write("nested.onnx", model(nested).bytes)) == ErrorCode::limit);
}

}  // namespace
