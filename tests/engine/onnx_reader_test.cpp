#include "tally/engine/onnx/reader.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tally/engine/error.h"
#include "tally/engine/onnx/tensor_proto.h"
#include "tests/engine/onnx_message.h"
#include "tests/engine/temporary_folder.h"
#include "tests/fuzz/hostile_models.h"

namespace {

using namespace tally::test;
using tally::DType;
using tally::Graph;
using tally::Node;
using tally::Tensor;
using Names = std::vector<std::string>;

Graph read(const Message& model, const std::filesystem::path& folder = {}, const tally::ReadOptions& options = {}) {
  return tally::read_onnx(std::as_bytes(std::span(model.bytes.data(), model.bytes.size())), folder, options);
}
Graph read_with_tensor(const Message& tensor) { return read(model(relu_graph().message(5, tensor))); }
Tensor read_tensor(const Message& tensor) { return read_with_tensor(tensor).initializers.at("w"); }

std::vector<double> list(std::initializer_list<double> values) { return values; }

}  // namespace

TEST_CASE("a model: nodes, declarations, versions, producer") {
  Message extents =
      Message().message(1, Message().blob(2, "batch")).message(1, Message()).message(1, Message().varint(1, 3));
  const Message open =
      Message().blob(1, "x").message(2, Message().message(1, Message().varint(1, 1).message(2, extents)));
  const Message unranked = Message().blob(1, "z").message(2, Message().message(1, Message().varint(1, 7)));
  Message graph =
      Message().blob(2, "net").message(1, node("Relu", {"x"}, {"y"})).message(11, open).message(12, value("y", {}));
  graph.message(11, unranked).message(11, Message().blob(1, "untyped"));
  const Graph g = read(Message(model(graph, 17)).blob(2, "by hand").message(8, opset(3, "ai.onnx.ml")));
  CHECK(g.name == "net");
  CHECK(g.producer == "by hand");
  CHECK(g.ir_version == 8);
  CHECK(g.opsets == std::map<std::string, int>{{"", 17}, {"ai.onnx.ml", 3}});
  REQUIRE(g.inputs.size() == 3);
  CHECK(*g.inputs[0].shape == std::vector<tally::Dim>{{-1, "batch"}, {-1, ""}, {3, ""}});
  CHECK(g.inputs[1].dtype == DType::i64);
  CHECK_FALSE(g.inputs[1].shape.has_value());
  CHECK(g.inputs[2].dtype == DType::undefined);
  CHECK(g.outputs[0].shape->empty());
  REQUIRE(g.nodes.size() == 1);
  CHECK(g.nodes[0].label() == "Relu 'y'");
  CHECK(g.nodes[0].opset == 17);
  CHECK(g.nodes[0].domain.empty());
}

TEST_CASE("versions: 6 to 24, and older ones where they mean the same") {
  CHECK_NOTHROW(read(model(relu_graph(), 6)));
  CHECK_NOTHROW(read(model(relu_graph(), 24)));
  CHECK_THROWS_WITH_AS(read(model(relu_graph(), 25)), "model: ai.onnx opset 25 must be 1 to 24", tally::Error);
  CHECK_THROWS_WITH_AS(read(model(relu_graph(), 5)),
                       "Relu 'r': ai.onnx opset 5 must be 6 to 24: before, Relu meant something else", tally::Error);
  const Message old =
      Message().message(1, node("Not", {"x"}, {"y"})).message(11, value("x", {2}, 9)).message(12, value("y", {2}, 9));
  CHECK(read(model(old, 1)).nodes[0].opset == 1);
  // The long name of the default domain.
  const Message named = Message()
                            .varint(1, 8)
                            .message(8, opset(9, "ai.onnx"))
                            .message(7, Message()
                                            .message(1, node("Relu", {"x"}, {"y"}).blob(7, "ai.onnx"))
                                            .message(11, value("x", {2}))
                                            .message(12, value("y", {2})));
  CHECK(read(named).nodes[0].opset == 9);
  // Operators of other domains are left to whoever makes their layers.
  Message foreign = node("Thing", {"x"}, {"z"});
  CHECK(read(model(relu_graph_with(1, foreign.blob(7, "com.example")))).nodes[1].domain == "com.example");
}

TEST_CASE("attributes of every kind, lists packed or not") {
  Message n = node("Custom", {"x"}, {"z"}).blob(7, "own");
  const auto add = [&](Message m, int64_t type) { n.message(5, m.varint(20, type)); };
  add(Message().blob(1, "f").f32(2, 0.5f), 1);
  add(Message().blob(1, "i").varint(3, -7), 2);
  add(Message().blob(1, "s").blob(4, std::string("a\0b", 3)), 3);
  add(Message().blob(1, "t").message(5, float_tensor("", {2}, {1, 2})), 4);
  add(Message().blob(1, "g").message(6, relu_graph()), 5);
  add(Message().blob(1, "floats").f32(7, 1.0f).f32(7, 2.0f), 6);
  add(Message().blob(1, "floats_packed").packed_fixed<float>(7, {1, 2}), 6);
  add(Message().blob(1, "ints").varint(8, 1).varint(8, -2), 7);
  add(Message().blob(1, "ints_packed").packed(8, {1, -2}), 7);
  add(Message().blob(1, "strings").blob(9, "a").blob(9, ""), 8);
  add(Message().blob(1, "zero_left_out"), 2);
  add(Message().blob(1, "empty_list"), 7);
  n.message(5, Message().blob(1, "untyped").varint(3, 4));
  n.message(5, Message().blob(1, "untyped_list").packed(8, {5, 6}));
  const Node read_node = read(model(relu_graph_with(1, n))).nodes[1];
  CHECK(read_node.get_float("f", 0) == 0.5f);
  CHECK(read_node.get_int("i", 0) == -7);
  CHECK(read_node.get_string("s", "") == std::string("a\0b", 3));
  CHECK(read_node.get_tensor("t")->to_double() == list({1, 2}));
  CHECK(read_node.get_graph("g")->nodes.size() == 1);
  CHECK(read_node.get_floats("floats") == std::vector<float>{1, 2});
  CHECK(read_node.get_floats("floats_packed") == std::vector<float>{1, 2});
  CHECK(read_node.get_ints("ints") == std::vector<int64_t>{1, -2});
  CHECK(read_node.get_ints("ints_packed") == std::vector<int64_t>{1, -2});
  CHECK(std::get<Names>(read_node.attributes.at("strings")) == Names{"a", ""});
  CHECK(read_node.get_int("zero_left_out", 9) == 0);
  CHECK(read_node.get_ints("empty_list", {9}).empty());
  CHECK(read_node.get_int("untyped", 0) == 4);
  CHECK(read_node.get_ints("untyped_list") == std::vector<int64_t>{5, 6});
}

TEST_CASE("tensors: raw data of every element type") {
  const auto raw = [](int64_t type, int64_t count, std::vector<uint8_t> bytes) {
    return read_tensor(tensor("w", type, {count}).blob(9, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
  };
  CHECK(raw(1, 1, {0, 0, 0x80, 0x3f}).to_double() == list({1}));
  CHECK(raw(2, 2, {0, 255}).to_double() == list({0, 255}));
  CHECK(raw(3, 2, {1, 255}).to_double() == list({1, -1}));
  CHECK(raw(4, 1, {0xff, 0xff}).to_double() == list({65535}));
  CHECK(raw(5, 1, {0xff, 0xff}).to_double() == list({-1}));
  CHECK(raw(6, 1, {0xfe, 0xff, 0xff, 0xff}).to_double() == list({-2}));
  CHECK(raw(7, 1, {0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}).to_double() == list({-3}));
  CHECK(raw(9, 3, {0, 1, 2}).to_int64() == std::vector<int64_t>{0, 1, 1});
  CHECK(raw(9, 3, {0, 1, 2}).values<uint8_t>()[2] == 1);  // never another byte where bool is read
  CHECK(raw(10, 1, {0x00, 0xc0}).to_double() == list({-2}));
  CHECK(raw(11, 1, {0, 0, 0, 0, 0, 0, 0xf0, 0x3f}).to_double() == list({1}));
  CHECK(raw(12, 1, {0xff, 0xff, 0xff, 0xff}).to_double() == list({4294967295.0}));
  CHECK(raw(13, 1, {1, 0, 0, 0, 0, 0, 0, 0}).to_double() == list({1}));
  CHECK(raw(14, 1, std::vector<uint8_t>(8)).dtype() == DType::complex64);
  CHECK(raw(15, 1, std::vector<uint8_t>(16)).dtype() == DType::complex128);
  CHECK(raw(16, 1, {0x80, 0x3f}).to_double() == list({1}));
  CHECK(raw(17, 1, {0x38}).to_double() == list({1}));
  CHECK(raw(18, 1, {0x40}).to_double() == list({1}));
  CHECK(raw(19, 1, {0x3c}).to_double() == list({1}));
  CHECK(raw(20, 1, {0x40}).to_double() == list({1}));
  CHECK(raw(21, 3, {0xf1, 0x02}).to_double() == list({1, 15, 2}));
  CHECK(raw(22, 3, {0xf1, 0x02}).to_double() == list({1, -1, 2}));
}

TEST_CASE("tensors: typed data of every element type, packed and not") {
  const auto both = [](int64_t type, uint32_t field, std::vector<int64_t> dims, std::vector<int64_t> values) {
    const Tensor packed = read_tensor(tensor("w", type, dims).packed(field, values));
    Message each = tensor("w", type, dims);
    for (int64_t value : values) each.varint(field, value);
    CHECK(read_tensor(each).to_double() == packed.to_double());
    return packed.to_double();
  };
  CHECK(both(2, 5, {2}, {0, 255}) == list({0, 255}));
  CHECK(both(3, 5, {2}, {-128, 127}) == list({-128, 127}));
  CHECK(both(4, 5, {1}, {65535}) == list({65535}));
  CHECK(both(5, 5, {1}, {-32768}) == list({-32768}));
  CHECK(both(6, 5, {1}, {INT32_MIN}) == list({INT32_MIN}));
  CHECK(both(7, 7, {2}, {-5, 5}) == list({-5, 5}));
  CHECK(both(9, 5, {2}, {0, 1}) == list({0, 1}));
  CHECK(both(10, 5, {2}, {0x3c00, 0xc000}) == list({1, -2}));
  CHECK(both(10, 5, {1}, {-16384}) == list({-2}));  // the same bits, sign-extended
  CHECK(both(12, 11, {1}, {4294967295}) == list({4294967295.0}));
  CHECK(both(13, 11, {1}, {7}) == list({7}));
  CHECK(both(16, 5, {1}, {0x3f80}) == list({1}));
  CHECK(both(17, 5, {1}, {0x38}) == list({1}));
  CHECK(both(21, 5, {3}, {0xf1, 0x02}) == list({1, 15, 2}));
  CHECK(both(22, 5, {3}, {0xf1, 0x02}) == list({1, -1, 2}));
  CHECK(read_tensor(tensor("w", 1, {2}).packed_fixed<float>(4, {1, 2})).to_double() == list({1, 2}));
  CHECK(read_tensor(tensor("w", 1, {2}).f32(4, 1).f32(4, 2)).to_double() == list({1, 2}));
  CHECK(read_tensor(tensor("w", 11, {2}).packed_fixed<double>(10, {1, 2})).to_double() == list({1, 2}));
  CHECK(read_tensor(tensor("w", 11, {2}).f64(10, 1).f64(10, 2)).to_double() == list({1, 2}));
  CHECK(read_tensor(tensor("w", 14, {1}).packed_fixed<float>(4, {1, 2})).values<float>()[0] == 1);
  // A list may come in pieces, dims too.
  CHECK(read_tensor(tensor("w", 1, {}).varint(1, 3).packed_fixed<float>(4, {1, 2}).f32(4, 3)).to_double() ==
        list({1, 2, 3}));
  CHECK(read_tensor(tensor("w", 1, {0, 4})).elements() == 0);
  // Strings have type and shape only: nothing here computes with them.
  CHECK_FALSE(read_tensor(tensor("w", 8, {2}).blob(6, "a").blob(6, "b")).has_data());
}

TEST_CASE("Constant nodes are initialisers named by their output") {
  const auto constant = [](const Message& attribute) {
    const Graph g = read(model(relu_graph_with(1, node("Constant", {}, {"k"}).message(5, attribute))));
    CHECK(g.nodes.size() == 1);
    return g.initializers.at("k");
  };
  CHECK(constant(tensor_attribute("value", float_tensor("", {1, 2}, {3, 4}))).shape() == tally::Shape{1, 2});
  CHECK(constant(Message().blob(1, "value_float").f32(2, 2.5f).varint(20, 1)).to_double() == list({2.5}));
  CHECK(constant(Message().blob(1, "value_float").f32(2, 2.5f).varint(20, 1)).shape().empty());
  CHECK(constant(Message().blob(1, "value_floats").f32(7, 2.5f).varint(20, 6)).shape() == tally::Shape{1});
  CHECK(constant(int_attribute("value_int", -4)).to_int64() == std::vector<int64_t>{-4});
  CHECK(constant(int_attribute("value_int", -4)).shape().empty());
  CHECK(constant(Message().blob(1, "value_ints").packed(8, {1, 2}).varint(20, 7)).to_int64() ==
        std::vector<int64_t>{1, 2});
  const Message sparse = Message()
                             .message(1, float_tensor("", {1}, {9}))
                             .message(2, tensor("", 7, {1, 2}).packed(7, {1, 0}))
                             .packed(3, {2, 2});
  CHECK(constant(Message().blob(1, "sparse_value").message(22, sparse).varint(20, 11)).to_double() ==
        list({0, 0, 9, 0}));
}

TEST_CASE("initialisers among the inputs are no inputs; sparse ones become dense") {
  Message graph = relu_graph().message(11, value("w", {1})).message(5, float_tensor("w", {1}, {1}));
  graph.message(15, Message()
                        .message(1, float_tensor("s", {2}, {5, 6}))
                        .message(2, tensor("", 7, {2}).packed(7, {3, 0}))
                        .packed(3, {2, 2}));
  const Graph g = read(model(graph));
  CHECK(g.inputs.size() == 1);
  CHECK(g.initializers.at("s").to_double() == list({6, 0, 0, 5}));
  CHECK(g.initializers.at("s").shape() == tally::Shape{2, 2});
}

TEST_CASE("node names and scopes") {
  const auto scope = [](const std::string& name, const std::string& key = "", const std::string& text = "") {
    Message n = node("Conv", {"x"}, {"z"}, name);
    if (!key.empty()) n.message(9, Message().blob(1, key).blob(2, text));
    return read(model(relu_graph_with(1, n))).nodes[1].scope;
  };
  CHECK(scope("/features/features.0/Conv") == "/features/features.0");
  CHECK(scope("/Conv").empty());
  CHECK(scope("Conv_0").empty());
  CHECK(scope("").empty());
  CHECK(scope("model/dense/MatMul") == "/model/dense");
  CHECK(scope("node_conv2d_1", "pkg.torch.onnx.name_scopes", "['', 'features', 'features.0', 'conv2d']") ==
        "/features/features.0");
  CHECK(scope("n", "namespace", ": Net/features: torch.nn.Sequential/features.0: Conv2d/conv2d: aten.conv2d") ==
        "/features/features.0");
  const Graph g =
      read(model(relu_graph_with(1, Message().blob(1, "x").blob(2, "").blob(2, "mask").blob(4, "Dropout"))));
  CHECK(g.nodes[1].name == "mask");
}

TEST_CASE("nodes are put in order; bodies see the names around them") {
  const Message branch = Message().message(1, node("Relu", {"h"}, {"z"})).message(12, value("z", {2}));
  Message conditional = node("If", {"c"}, {"y"});
  conditional.message(5, graph_attribute("then_branch", branch)).message(5, graph_attribute("else_branch", branch));
  Message graph = Message().message(1, conditional).message(1, node("Tanh", {"x"}, {"h"}));
  graph.message(11, value("x", {2})).message(11, value("c", {}, 9)).message(12, value("y", {2}));
  const Graph g = read(model(graph));
  CHECK(g.nodes[0].op == "Tanh");
  CHECK(g.nodes[1].get_graph("then_branch")->nodes[0].inputs[0] == "h");
}

TEST_CASE("functions are inlined: names, attributes, nesting, bodies") {
  // f(a) = Scale<alpha = @alpha>(Tanh(a)), also inside a body that reads `t` from around it.
  Message scale =
      node("LeakyRelu", {"t"}, {"b"}, "leaky").message(5, Message().blob(1, "alpha").blob(21, "slope").varint(20, 1));
  Message inner =
      Message().blob(1, "f").blob(10, "own").blob(4, "a").blob(5, "b").blob(6, "slope").message(9, opset(16));
  inner.message(7, node("Tanh", {"a"}, {"t"})).message(7, scale);
  inner.message(11, Message().blob(1, "slope").f32(2, 0.25f).varint(20, 1));
  Message call =
      node("f", {"p"}, {"q"}, "c").blob(7, "own").message(5, Message().blob(1, "slope").f32(2, 0.5f).varint(20, 1));
  Message outer = Message().blob(1, "g").blob(10, "own").blob(4, "p").blob(4, "unused").blob(5, "q").blob(5, "p");
  outer.message(7, call).message(9, opset(13)).message(9, opset(1, "own"));
  Message graph = Message().message(1, node("f", {"x"}, {"u"}, "first").blob(7, "own"));
  graph.message(1, node("g", {"u"}, {"y", "same"}, "second").blob(7, "own"));
  graph.message(11, value("x", {2})).message(12, value("y", {2})).message(12, value("same", {2}));
  const Graph g = read(Message(model(graph)).message(8, opset(1, "own")).message(25, inner).message(25, outer));
  REQUIRE(g.nodes.size() == 5);
  CHECK(g.nodes[0].op == "Tanh");
  CHECK(g.nodes[0].inputs == Names{"x"});
  CHECK(g.nodes[0].outputs == Names{"first::t"});
  CHECK(g.nodes[0].scope == "/first");
  CHECK(g.nodes[0].opset == 16);
  CHECK(g.nodes[1].name == "first/leaky");
  CHECK(g.nodes[1].outputs == Names{"u"});
  CHECK(g.nodes[1].get_float("alpha", 0) == 0.25f);
  CHECK(g.nodes[2].op == "Identity");
  CHECK(g.nodes[2].inputs == Names{"u"});
  CHECK(g.nodes[2].outputs == Names{"same"});
  CHECK(g.nodes[3].outputs == Names{"second/c::t"});
  CHECK(g.nodes[4].name == "second/c/leaky");
  CHECK(g.nodes[4].outputs == Names{"y"});
  CHECK(g.nodes[4].get_float("alpha", 0) == 0.5f);
}

TEST_CASE("without weights: shapes of large tensors, values of small ones") {
  const Message large = float_tensor("w", {64, 65}, std::vector<float>(64 * 65, 1.0f));
  const Message small = float_tensor("v", {64, 64}, std::vector<float>(64 * 64, 1.0f));
  const Message graph =
      relu_graph().message(5, large).message(5, small).message(5, external_tensor("e", {4}, "none.bin"));
  tally::ReadOptions options;
  options.weights = false;
  const Graph g = read(model(graph), {}, options);
  CHECK_FALSE(g.initializers.at("w").has_data());
  CHECK(g.initializers.at("w").shape() == tally::Shape{64, 65});
  CHECK(g.initializers.at("v").has_data());
  CHECK_FALSE(g.initializers.at("e").has_data());
}

TEST_CASE("the places of external data are told, without the files") {
  const Message first = external_tensor("e", {4}, "data/none.bin"), second = external_tensor("f", {1}, "data/none.bin");
  std::set<std::string> places;
  tally::ReadOptions options;
  options.weights = false;
  options.external_files = &places;
  read(model(relu_graph().message(5, first).message(5, second)), {}, options);
  CHECK(places == std::set<std::string>{"data/none.bin"});
  CHECK_THROWS_AS(read(model(relu_graph().message(5, external_tensor("g", {1}, "../x"))), {}, options), tally::Error);
  CHECK(places.size() == 1);
}

TEST_CASE("weights left out: shapes alone, where no values are asked for") {
  tally::ReadOptions options;
  options.weights = false;
  const Message left_out = Message().varint(1, 3).varint(1, 4).varint(2, 1).blob(8, "w");
  const Tensor w = read(model(relu_graph().message(5, left_out)), {}, options).initializers.at("w");
  CHECK(w.shape() == tally::Shape{3, 4});
  CHECK_FALSE(w.has_data());
  CHECK_THROWS_AS(read_tensor(left_out), tally::Error);
  // Half of the values is no weight left out.
  const Message half = Message(left_out).blob(9, std::string(24, '\0'));
  CHECK_THROWS_AS(read(model(relu_graph().message(5, half)), {}, options), tally::Error);
}

TEST_CASE("external data: inside the model's folder and inside its file") {
  const TemporaryFolder folder;
  const float values[] = {1, 2, 3, 4};
  const std::string_view bytes(reinterpret_cast<const char*>(values), sizeof values);
  folder.write("model/data/w.bin", bytes);
  folder.write("outside.bin", bytes);
  std::filesystem::create_symlink("../outside.bin", folder.path / "model/link.bin");
  std::filesystem::create_symlink("data/w.bin", folder.path / "model/good_link.bin");
  const auto load = [&](const Message& tensor) {
    const auto file = folder.write("model/model.onnx", model(relu_graph().message(5, tensor)).bytes);
    return tally::read_onnx(file).initializers.at("w").to_double();
  };
  CHECK(load(external_tensor("w", {2, 2}, "data/w.bin")) == list({1, 2, 3, 4}));
  CHECK(load(external_tensor("w", {2}, "data/w.bin", "4", "8")) == list({2, 3}));
  CHECK(load(external_tensor("w", {1}, "./good_link.bin", "12")) == list({4}));
  CHECK(load(external_tensor("w", {0}, "data/w.bin", "16")).empty());
  CHECK_THROWS_AS(load(external_tensor("w", {1}, "link.bin")), tally::Error);
  CHECK_THROWS_AS(load(external_tensor("w", {1}, "../outside.bin")), tally::Error);
  CHECK_THROWS_AS(load(external_tensor("w", {1}, (folder.path / "model/data/w.bin").string())), tally::Error);
  CHECK_THROWS_AS(load(external_tensor("w", {1}, "data/w.bin", "13")), tally::Error);
  CHECK_THROWS_AS(load(external_tensor("w", {5}, "data/w.bin")), tally::Error);
  CHECK_THROWS_AS(load(external_tensor("w", {1}, "data/w.bin", "18446744073709551615")), tally::Error);
  CHECK_THROWS_AS(load(external_tensor("w", {int64_t{1} << 40}, "data/w.bin")), tally::Error);
  CHECK_THROWS_AS(load(external_tensor("w", {1}, "data")), tally::Error);
  CHECK_THROWS_AS(read(model(relu_graph().message(5, external_tensor("w", {1}, "data/w.bin")))), tally::Error);
}

TEST_CASE("the sound model of the mutations says what it should") {
  const std::string bytes = sound_model();
  const Graph g = tally::read_onnx(std::as_bytes(std::span(bytes.data(), bytes.size())));
  REQUIRE(g.nodes.size() == 3);
  CHECK(g.nodes[0].op == "Conv");
  CHECK(g.nodes[0].scope == "/layer");
  CHECK(g.nodes[1].op == "Add");
  CHECK(g.nodes[1].outputs == Names{"f"});
  CHECK(g.nodes[2].op == "If");
  CHECK(g.inputs.size() == 1);
  CHECK(g.initializers.at("b").to_double() == list({1, 0}));
  CHECK(g.initializers.at("i").to_int64() == std::vector<int64_t>{1, -1});
}
