#include "tally/engine/onnx/writer.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <cstring>

#include "tally/engine/error.h"
#include "tally/engine/onnx/reader.h"
#include "tally/engine/onnx/tensor_proto.h"
#include "tests/engine/temporary_folder.h"
#include "tests/fuzz/hostile_models.h"

namespace {

namespace fs = std::filesystem;
using tally::DType;
using tally::Graph;
using tally::Node;
using tally::Tensor;
using tally::ValueInfo;

Graph reread(const Graph& graph) {
  const std::string bytes = tally::to_onnx(graph);
  return tally::read_onnx(std::as_bytes(std::span(bytes.data(), bytes.size())));
}

bool same(const Graph& a, const Graph& b);

bool same(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || a.shape() != b.shape() || a.has_data() != b.has_data()) return false;
  return a.bytes() == 0 || !a.has_data() || std::memcmp(a.data(), b.data(), a.bytes()) == 0;
}

bool same(const tally::Attribute& a, const tally::Attribute& b) {
  if (a.index() != b.index()) return false;
  if (const auto* tensor = std::get_if<Tensor>(&a)) return same(*tensor, std::get<Tensor>(b));
  if (const auto* graph = std::get_if<std::shared_ptr<const Graph>>(&a))
    return same(**graph, *std::get<std::shared_ptr<const Graph>>(b));
  return std::visit(
      [&](const auto& value) {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<T, Tensor>)
          return false;
        else
          return value == std::get<T>(b);
      },
      a);
}

template <class Map>
bool same_map(const Map& a, const Map& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return x.first == y.first && same(x.second, y.second); });
}

bool same(const ValueInfo& a, const ValueInfo& b) {
  return a.name == b.name && a.dtype == b.dtype && a.shape == b.shape;
}

bool same(const Node& a, const Node& b) {
  return a.name == b.name && a.op == b.op && a.domain == b.domain && a.scope == b.scope && a.inputs == b.inputs &&
         a.outputs == b.outputs && same_map(a.attributes, b.attributes);
}

template <class List>
bool same_list(const List& a, const List& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) { return same(x, y); });
}

/// Equal but for the IR version, and the versions of single nodes (inlined functions have their own).
bool same(const Graph& a, const Graph& b) {
  return (a.name.empty() || a.name == b.name) && same_list(a.inputs, b.inputs) && same_list(a.outputs, b.outputs) &&
         same_map(a.initializers, b.initializers) && same_list(a.nodes, b.nodes) && a.opsets == b.opsets &&
         a.producer == b.producer;
}

Graph small_graph() {
  Graph g;
  g.name = "small";
  g.producer = "test";
  g.opsets = {{"", 17}, {"own", 2}};
  g.inputs = {{"x", DType::f32, std::vector<tally::Dim>{{-1, "N"}, {3, ""}, {-1, ""}}},
              {"u", DType::undefined, std::nullopt},
              {"r", DType::i64, std::nullopt}};
  g.outputs = {{"y", DType::f32, std::vector<tally::Dim>{}}};
  g.initializers["w"] = Tensor::of_int64({1, -2, 3});
  Node n;
  n.name = "/layer/Op";
  n.op = "Op";
  n.domain = "own";
  n.scope = "/layer";
  n.inputs = {"x", "", "w"};
  n.outputs = {"y", ""};
  n.attributes["f"] = 0.5f;
  n.attributes["i"] = int64_t{-3};
  n.attributes["s"] = std::string("a\0b", 3);
  n.attributes["t"] = Tensor::scalar(4);
  n.attributes["floats"] = std::vector<float>{1, 2};
  n.attributes["ints"] = std::vector<int64_t>{-1, 2};
  n.attributes["no_ints"] = std::vector<int64_t>{};
  n.attributes["strings"] = std::vector<std::string>{"", "b"};
  Graph body;
  body.name = "body";
  body.outputs = {{"x", DType::f32, std::nullopt}};
  n.attributes["g"] = std::shared_ptr<const Graph>(std::make_shared<Graph>(body));
  g.nodes = {n};
  return g;
}

/// Every model below a folder must be read and survive being written, or end in an Error; returns how many were read.
struct Tried {
  int read = 0, refused = 0;
};
Tried try_all(const fs::path& folder) {
  Tried tried;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".onnx") continue;
    CAPTURE(entry.path().string());
    try {
      const Graph graph = tally::read_onnx(entry.path());
      ++tried.read;
      CHECK(same(graph, reread(graph)));
    } catch (const tally::Error& error) {
      CHECK_FALSE(error.node.empty());
      ++tried.refused;
    }
  }
  return tried;
}

}  // namespace

TEST_CASE("a graph survives being written and read") {
  const Graph g = small_graph();
  const Graph back = reread(g);
  CHECK(same(g, back));
  CHECK(back.ir_version == 8);
  CHECK(back.nodes[0].opset == 2);
  const std::string sound = tally::test::sound_model();
  const Graph decoded = tally::read_onnx(std::as_bytes(std::span(sound.data(), sound.size())));
  CHECK(same(decoded, reread(decoded)));
}

TEST_CASE("tensors of every element type survive") {
  for (int type = static_cast<int>(DType::f32); type <= static_cast<int>(DType::complex128); ++type) {
    const auto dtype = static_cast<DType>(type);
    Graph g = small_graph();
    Tensor t(dtype, {3, 5});
    for (size_t i = 0; i < t.bytes(); ++i)
      static_cast<uint8_t*>(t.mutable_data())[i] = static_cast<uint8_t>(dtype == DType::boolean ? i % 2 : i * 37 + 1);
    g.initializers["t"] = t;
    g.initializers["empty"] = Tensor(dtype, {0, 5});
    CHECK(same(g, reread(g)));
  }
}

TEST_CASE("a scope that the name does not tell survives") {
  Graph g = small_graph();
  g.nodes[0].scope = "/blocks/blocks.1";
  CHECK(same(g, reread(g)));
  g.nodes[0].scope = "";
  CHECK(same(g, reread(g)));
}

TEST_CASE("what cannot be written") {
  Graph g = small_graph();
  g.initializers["w"] = Tensor::without_data(DType::f32, {100});
  CHECK_THROWS_WITH_AS(tally::to_onnx(g), "tensor 'w': no values; must have them to be written", tally::Error);
  CHECK_THROWS_AS(tally::write_onnx(small_graph(), "/no/such/folder/model.onnx"), tally::Error);
}

TEST_CASE("files of single tensors") {
  const tally::test::TemporaryFolder folder;
  const fs::path file = folder.path / "input_0.pb";
  tally::write_tensor_proto(file, "x", Tensor::of_int64({4, 5}));
  const tally::NamedTensor read = tally::read_tensor_proto(file);
  CHECK(read.name == "x");
  CHECK(same(read.tensor, Tensor::of_int64({4, 5})));
  CHECK_THROWS_AS(tally::read_tensor_proto(folder.path / "none.pb"), tally::Error);
  folder.write("bad.pb", "\x08\x02\x10\x01");
  CHECK_THROWS_AS(tally::read_tensor_proto(folder.path / "bad.pb"), tally::Error);
}

TEST_CASE("ONNX's conformance models are read, but for sequences and optionals") {
  const fs::path folder = "/usr/share/libonnx-testdata/data";
  if (!fs::exists(folder)) {
    MESSAGE("skipped: libonnx-testdata is not installed");
    return;
  }
  const Tried tried = try_all(folder);
  MESSAGE(tried.read, " models read, ", tried.refused, " refused");
  CHECK(tried.read >= 1048);
  CHECK(tried.refused <= 24);
}

TEST_CASE("the models of TALLY_TEST_DATA are read") {
  const char* folder = std::getenv("TALLY_TEST_DATA");
  if (!folder) {
    MESSAGE("skipped: TALLY_TEST_DATA is not set");
    return;
  }
  const Tried tried = try_all(folder);
  MESSAGE(tried.read, " models read");
  CHECK(tried.read > 0);
  CHECK(tried.refused == 0);
}
