// Models that lie, from file to run: each ends in an Error that names what is wrong, or runs; none crashes, hangs,
// reads outside its bytes or takes more memory than allowed. The sanitizer builds run this too.
#include <doctest/doctest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>

#include "tally/layers/tally.h"
#include "tests/cpu_time.h"

using namespace tally;

namespace {

using Ints = std::vector<int64_t>;

Node make_node(std::string op, std::vector<std::string> inputs, std::vector<std::string> outputs,
               std::map<std::string, Attribute> attributes = {}) {
  Node node;
  node.name = outputs[0];
  node.op = std::move(op);
  node.inputs = std::move(inputs);
  node.outputs = std::move(outputs);
  node.attributes = std::move(attributes);
  node.opset = 17;
  return node;
}

Graph one_node(Shape x, Node node, std::map<std::string, Tensor> constants = {}) {
  Graph g;
  g.opsets[""] = 17;
  std::vector<Dim> dims;
  for (int64_t extent : x) dims.push_back({extent, ""});
  g.inputs = {{"x", DType::f32, dims}};
  g.outputs = {{node.outputs[0], DType::f32, std::nullopt}};
  g.initializers = std::move(constants);
  g.nodes = {std::move(node)};
  return g;
}

LoadOptions small() { return {.max_memory = size_t{64} << 20, .max_macs = 100'000'000}; }

/// The error that loading, planning and running `graph` ends in. Fails the test where there is none.
Error error_of(Graph graph) {
  try {
    graph.sort_and_check();
    Context context(Model(std::move(graph), small()));
    context.run();
  } catch (const Error& error) {
    return error;
  }
  FAIL("the model ran");
  return {ErrorCode::internal, "", "", ""};
}

void check_mentions(const Error& error, const std::string& node, const std::string& found) {
  CHECK_MESSAGE(error.node.find(node) != std::string::npos, std::string(error.what()));
  CHECK_MESSAGE(std::string(error.what()).find(found) != std::string::npos, std::string(error.what()));
  CHECK_MESSAGE(!error.required.empty(), std::string(error.what()));
}

Tensor weights(Shape shape) { return Tensor(DType::f32, std::move(shape)); }

}  // namespace

TEST_CASE("hostile: contradicting shapes and attributes name node, found and required") {
  check_mentions(error_of(one_node({1, 64, 8, 8}, make_node("Conv", {"x", "w"}, {"c3"}, {{"group", int64_t{5}}}),
                                   {{"w", weights({10, 13, 3, 3})}})),
                 "Conv 'c3'", "group=5");
  check_mentions(error_of(one_node({1, 3, 8, 8}, make_node("Conv", {"x", "w"}, {"c"}), {{"w", weights({4, 2, 3, 3})}})),
                 "Conv 'c'", "4x2x3x3");
  check_mentions(error_of(one_node({1, 3, 8, 8}, make_node("Conv", {"x", "w"}, {"c"}, {{"strides", Ints{0, 1}}}),
                                   {{"w", weights({4, 3, 3, 3})}})),
                 "Conv 'c'", "0");
  check_mentions(
      error_of(one_node({1, 3, 8, 8}, make_node("Conv", {"x", "w"}, {"c"}, {{"dilations", Ints{int64_t{1} << 60, 1}}}),
                        {{"w", weights({4, 3, 3, 3})}})),
      "Conv 'c'", "");
  check_mentions(error_of(one_node({1, 3, 8, 8}, make_node("Conv", {"x", "w"}, {"c"}, {{"pads", Ints{1, 1, 1}}}),
                                   {{"w", weights({4, 3, 3, 3})}})),
                 "Conv 'c'", "3");
  check_mentions(error_of(one_node({1, 3, 8, 8}, make_node("MaxPool", {"x"}, {"p"}, {{"kernel_shape", Ints{9, 9}}}))),
                 "MaxPool 'p'", "");
  check_mentions(error_of(one_node({1, 3, 8, 8}, make_node("MaxPool", {"x"}, {"p"}, {{"kernel_shape", Ints{-2, 2}}}))),
                 "MaxPool 'p'", "-2");
  check_mentions(error_of(one_node({4, 5}, make_node("Gemm", {"x", "w"}, {"g"}), {{"w", weights({6, 2})}})), "Gemm 'g'",
                 "5");
  check_mentions(error_of(one_node({4, 5}, make_node("Add", {"x", "w"}, {"a"}), {{"w", weights({3, 5})}})), "Add 'a'",
                 "3x5");
  check_mentions(error_of(one_node({4, 5}, make_node("Reshape", {"x", "s"}, {"r"}), {{"s", Tensor::of_int64({3, 7})}})),
                 "Reshape 'r'", "3x7");
  check_mentions(error_of(one_node({4, 5}, make_node("Transpose", {"x"}, {"t"}, {{"perm", Ints{0, 0}}}))),
                 "Transpose 't'", "");
  check_mentions(error_of(one_node({4, 5}, make_node("Concat", {"x", "w"}, {"t"}, {{"axis", int64_t{7}}}),
                                   {{"w", weights({4, 5})}})),
                 "Concat 't'", "7");
  check_mentions(error_of(one_node({4, 5}, make_node("Frobnicate", {"x"}, {"t"}))), "Frobnicate 't'", "Frobnicate");
  check_mentions(error_of(one_node({4, 5}, make_node("Relu", {"y"}, {"t"}))), "Relu 't'", "y");
}

TEST_CASE("hostile: volumes without elements, whose extents multiply beyond any number") {
  constexpr int64_t kWide = int64_t{1} << 20, kFar = int64_t{1} << 31;
  const Ints pads(6, kWide);
  check_mentions(error_of(one_node({1, 16, 1, 1, 1}, make_node("Conv", {"x", "w"}, {"c"}, {{"pads", pads}}),
                                   {{"w", weights({0, 16, kWide, kWide, kWide})}})),
                 "Conv 'c'", "a filter");
  check_mentions(error_of(one_node({0, 1, kFar, kFar, kFar}, make_node("Conv", {"x", "w"}, {"c"}),
                                   {{"w", weights({1, 1, 1, 1, 1})}})),
                 "Conv 'c'", "an image of X");
  check_mentions(error_of(one_node({0, 1, kFar, kFar, kFar}, make_node("ConvTranspose", {"x", "w"}, {"c"}),
                                   {{"w", weights({1, 1, 1, 1, 1})}})),
                 "ConvTranspose 'c'", "a map of X");
}

TEST_CASE("hostile: a training mode without a value") {
  check_mentions(error_of(one_node({2}, make_node("Dropout", {"x", "ratio", "mode"}, {"d"}),
                                   {{"ratio", weights({})}, {"mode", Tensor(DType::boolean, {0})}})),
                 "Dropout 'd'", "training_mode of shape 0");
}

TEST_CASE("hostile: a long volume without channels takes no tables as long") {
  constexpr int64_t kLong = 4'200'000;
  Graph g = one_node({1, 0, 1, 1, 1}, make_node("Conv", {"x", "w"}, {"c"}, {{"pads", Ints{kLong, 0, 0, 0, 0, 0}}}),
                     {{"w", weights({1, 0, 1, 1, 1})}});
  g.sort_and_check();
  Context context(Model(std::move(g), small()));
  CHECK(context.plan().rows.at(0).kernel == "host");
}

TEST_CASE("hostile: type confusion among operands and attributes") {
  check_mentions(error_of(one_node({1, 3, 8, 8}, make_node("Conv", {"x", "w"}, {"c"}, {{"group", std::string("two")}}),
                                   {{"w", weights({4, 3, 3, 3})}})),
                 "Conv 'c'", "group");
  check_mentions(
      error_of(one_node({1, 3, 8, 8}, make_node("Conv", {"x", "w"}, {"c"}), {{"w", Tensor(DType::i64, {4, 3, 3, 3})}})),
      "Conv 'c'", "int64");
  check_mentions(error_of(one_node({4, 5}, make_node("Reshape", {"x", "s"}, {"r"}), {{"s", weights({2})}})),
                 "Reshape 'r'", "");
  check_mentions(error_of(one_node({4, 5}, make_node("Add", {"x", "s"}, {"a"}), {{"s", Tensor(DType::i64, {5})}})),
                 "Add 'a'", "int64");
  check_mentions(error_of(one_node({4, 5}, make_node("Conv", {"x"}, {"c"}))), "Conv 'c'", "1 input");
  check_mentions(error_of(one_node({4, 5}, make_node("Relu", {""}, {"c"}))), "Relu 'c'", "");
}

TEST_CASE("hostile: operands that are not there, or more than there may be") {
  for (const char* op :
       {"Relu", "Flatten", "Identity", "Squeeze", "Unsqueeze", "Reshape", "Conv", "Shape", "If", "Sum"})
    check_mentions(error_of(one_node({4, 5}, make_node(op, {}, {"y"}))), "'y'", "");
  check_mentions(error_of(one_node({4, 5}, make_node("Flatten", {}, {"y"}))), "Flatten 'y'", "no inputs");
  for (const char* op : {"Flatten", "Identity"})
    check_mentions(error_of(one_node({4, 5}, make_node(op, {"x", "x"}, {"y"}))), "'y'", "2 inputs");
  check_mentions(error_of(one_node({4, 5}, make_node("Reshape", {"x", ""}, {"y"}))), "Reshape 'y'", "no shape");
  check_mentions(error_of(one_node({4, 5}, make_node("Unsqueeze", {"x", ""}, {"y"}))), "Unsqueeze 'y'", "no axes");
  const std::map<std::string, Tensor> no_mode{{"mode", Tensor(DType::boolean, {0})}};
  for (const std::vector<std::string>& outputs : {std::vector<std::string>{"y"}, {"y", "mask"}})
    check_mentions(error_of(one_node({4, 5}, make_node("Dropout", {"x", "", "mode"}, outputs), no_mode)), "Dropout 'y'",
                   "training_mode");
}

TEST_CASE("hostile: inputs without a type") {
  for (const DType type : {DType::undefined, DType::string}) {
    Graph g = one_node({4, 5}, make_node("Identity", {"x"}, {"y"}));
    g.inputs[0].dtype = type;
    check_mentions(error_of(std::move(g)), "input 'x'", std::string(name_of(type)));
  }
}

TEST_CASE("hostile: constants without elements have an address all the same") {
  Graph g = one_node({1, 2}, make_node("Add", {"x", "r"}, {"y"}), {{"e", weights({0, 2})}});
  g.nodes.insert(g.nodes.begin(), make_node("ReduceLogSumExp", {"e"}, {"r"}, {{"axes", Ints{0}}}));
  Context context(Model(std::move(g), small()));
  context.run();
  CHECK(context.output<float>(0)[1] == -std::numeric_limits<float>::infinity());

  Tensor nothing(DType::f64, {2, 0});  // a product over no element
  Graph product = one_node({0, 3}, make_node("MatMul", {"e", "d"}, {"y"}), {{"e", nothing}});
  product.nodes.insert(product.nodes.begin(), make_node("Cast", {"x"}, {"d"}, {{"to", int64_t{11}}}));
  Context doubles(Model(std::move(product), small()));
  doubles.run();
  CHECK(doubles.output<double>(0)[5] == 0);
}

TEST_CASE("hostile: gigantic extents, products that overflow") {
  CHECK(error_of(one_node({int64_t{1} << 40}, make_node("Relu", {"x"}, {"y"}))).code == ErrorCode::limit);
  CHECK(error_of(one_node({int64_t{1} << 32, int64_t{1} << 32}, make_node("Relu", {"x"}, {"y"}))).code ==
        ErrorCode::limit);
  CHECK(error_of(one_node({1, 1, 100'000, 100'000}, make_node("Relu", {"x"}, {"y"}))).code == ErrorCode::limit);
  error_of(one_node({1, 4}, make_node("ConstantOfShape", {"s"}, {"y"}), {{"s", Tensor::of_int64({int64_t{1} << 40})}}));
  error_of(one_node({1, 4}, make_node("Pad", {"x", "p"}, {"y"}),
                    {{"p", Tensor::of_int64({0, int64_t{1} << 62, 0, int64_t{1} << 62})}}));
  error_of(one_node({1, 1, 4, 4}, make_node("Conv", {"x", "w"}, {"c"}, {{"pads", Ints{INT64_MAX, 0, INT64_MAX, 0}}}),
                    {{"w", weights({1, 1, 1, 1})}}));
  CHECK(error_of(one_node({1, 64, 512, 512}, make_node("Conv", {"x", "w"}, {"c"}), {{"w", weights({64, 64, 3, 3})}}))
            .code == ErrorCode::limit);
}

TEST_CASE("hostile: constants are computed within the limits") {
  // 3000² of ConstantOfShape squared: 2.7e10 products that no input asks for.
  const Graph product = [] {
    Graph g = one_node({1}, make_node("Add", {"x", "m"}, {"y"}));
    g.initializers["s"] = Tensor::of_int64({1000, 1000});
    g.nodes.insert(g.nodes.begin(),
                   {make_node("ConstantOfShape", {"s"}, {"c"}), make_node("MatMul", {"c", "c"}, {"m"})});
    return g;
  }();
  const Error work = error_of(product);
  CHECK(work.code == ErrorCode::limit);
  check_mentions(work, "MatMul 'm'", "constants");
  Graph many = one_node({1}, make_node("Sum", {"x"}, {"y"}));
  many.initializers["s"] = Tensor::of_int64({1024, 1024});
  for (int i = 0; i < 20; ++i) {
    many.nodes.insert(many.nodes.begin(), make_node("ConstantOfShape", {"s"}, {"c" + std::to_string(i)}));
    many.nodes.back().inputs.push_back("c" + std::to_string(i));
  }
  const Error bytes = error_of(many);
  CHECK(bytes.code == ErrorCode::limit);
  check_mentions(bytes, "ConstantOfShape", "computed constants");
  // Each alone is within the limits; what has been folded leaves less for the plan.
  Graph rest =
      one_node({1, 1, 2900, 2900}, make_node("Add", {"x", "c"}, {"y"}), {{"s", Tensor::of_int64({3000, 1000})}});
  rest.nodes = {make_node("ConstantOfShape", {"s"}, {"c"}), make_node("Size", {"c"}, {"n"}),
                make_node("Relu", {"x"}, {"y"})};
  CHECK_NOTHROW(Context(Model(rest, {.max_memory = size_t{80} << 20})));
  CHECK_THROWS_AS(Context(Model(rest, {.max_memory = size_t{70} << 20})), Error);
}

TEST_CASE("hostile: --max-macs bounds comparisons, other operations and output elements too") {
  const auto refused = [](Shape x, Node node) {
    const Error error = error_of(one_node(std::move(x), std::move(node)));
    CHECK(error.code == ErrorCode::limit);
    CHECK_MESSAGE(std::string(error.what()).find("--max-macs") != std::string::npos, std::string(error.what()));
  };
  refused({1, 1, 400, 400}, make_node("MaxPool", {"x"}, {"p"}, {{"kernel_shape", Ints{200, 200}}}));
  refused({1, 1, 400, 400}, make_node("AveragePool", {"x"}, {"p"}, {{"kernel_shape", Ints{200, 200}}}));
  Graph g = one_node({1 << 20}, make_node("Identity", {"x"}, {"v0"}));
  for (int i = 0; i < 200; ++i)
    g.nodes.push_back(
        make_node(i % 2 == 0 ? "Transpose" : "Relu", {"v" + std::to_string(i)}, {"v" + std::to_string(i + 1)}));
  g.outputs[0].name = "v200";
  CHECK(error_of(g).code == ErrorCode::limit);
}

TEST_CASE("hostile: cycles, duplicates, dangling names") {
  Graph g = one_node({4}, make_node("Relu", {"b"}, {"a"}));
  g.nodes.push_back(make_node("Relu", {"a"}, {"b"}));
  error_of(g);
  g = one_node({4}, make_node("Relu", {"x"}, {"a"}));
  g.nodes.push_back(make_node("Tanh", {"x"}, {"a"}));
  error_of(g);
  g = one_node({4}, make_node("Relu", {"x"}, {"a"}));
  g.outputs = {{"nowhere", DType::f32, std::nullopt}};
  error_of(g);
}

/// CPU time to check, plan and run a chain of so many nodes.
double cost_of_chain(int nodes) {
  Graph g;
  g.opsets[""] = 17;
  g.inputs = {{"v0", DType::f32, std::vector<Dim>{{16, ""}}}};
  for (int i = 0; i < nodes; ++i)
    g.nodes.push_back(make_node(i % 3 == 0   ? "Tanh"
                                : i % 3 == 1 ? "Transpose"
                                             : "Identity",
                                {"v" + std::to_string(i)}, {"v" + std::to_string(i + 1)}));
  g.outputs = {{"v" + std::to_string(nodes), DType::f32, std::nullopt}};
  const double begin = test::thread_cpu_seconds();
  g.sort_and_check();
  Context context(Model(std::move(g), small()));
  context.run();
  return test::thread_cpu_seconds() - begin;
}

TEST_CASE("hostile: a long chain's cost grows with its length, not with its square") {
  const double quarter = cost_of_chain(25'000), whole = cost_of_chain(100'000);
  CHECK(whole < 60);
  CHECK_MESSAGE(whole < 8 * quarter, "quadratic would be 16 times: ", quarter, " s, then ", whole, " s");
}

TEST_CASE("hostile: a real model with bytes flipped, cut and spliced") {
  const std::filesystem::path file = std::filesystem::path(TALLY_SOURCE_DIR) / "tools/models/lenet5_fashion.onnx";
  std::ifstream in(file, std::ios::binary);
  REQUIRE(in);
  const std::string original((std::istreambuf_iterator<char>(in)), {});
  std::mt19937 random(20);
  int ran = 0, refused = 0;
  // Bytes outside the large tensors are few: mutations go where structure is.
  for (int round = 0; round < 1500; ++round) {
    std::string bytes = original;
    const int edits = 1 + static_cast<int>(random() % 3);
    for (int e = 0; e < edits; ++e) {
      const bool in_tail = random() % 2 != 0;
      const size_t place = in_tail ? bytes.size() - 1 - random() % std::min<size_t>(bytes.size(), 1500)
                                   : random() % std::min<size_t>(bytes.size(), 3000);
      switch (random() % 4) {
        case 0:
          bytes[place] = static_cast<char>(bytes[place] ^ (1 << random() % 8));
          break;
        case 1:
          bytes[place] = static_cast<char>(random());
          break;
        case 2:
          bytes.erase(place, random() % 9);
          break;
        default:
          bytes.insert(place, bytes.substr(random() % (bytes.size() - 16), random() % 16));
          break;
      }
    }
    if (random() % 10 == 0) bytes.resize(random() % bytes.size());
    try {
      Context context(Model::parse(std::as_bytes(std::span(bytes)), small()));
      context.run();
      ++ran;
    } catch (const Error& error) {
      CHECK_MESSAGE(error.code != ErrorCode::internal, std::string(error.what()));
      ++refused;
    }
  }
  CHECK(refused > 100);
  CHECK(ran > 10);
}
