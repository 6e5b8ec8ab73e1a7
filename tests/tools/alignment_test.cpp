#include "tools/compare/alignment.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

using namespace tally::tools;

namespace {

RecordedLayer layer(const std::string& name, const std::string& op, const std::string& shapes = "1×8",
                    std::vector<std::string> nodes = {}) {
  RecordedLayer l;
  l.name = name;
  l.op = op;
  l.output_shapes = shapes;
  l.nodes = nodes.empty() ? std::vector<std::string>{name} : std::move(nodes);
  return l;
}

/// "0-0 name; 1+2-1 name; -2 only B"
std::string told(const std::vector<LayerPair>& pairs) {
  std::string words;
  for (const LayerPair& pair : pairs) {
    words += words.empty() ? "" : "; ";
    for (size_t i = 0; i < pair.a.size(); ++i) words += (i == 0 ? "" : "+") + std::to_string(pair.a[i]);
    words += "-";
    for (size_t i = 0; i < pair.b.size(); ++i) words += (i == 0 ? "" : "+") + std::to_string(pair.b[i]);
    words += " " + std::string(name_of(pair.match));
  }
  return words;
}

}  // namespace

TEST_CASE("layers of the same name pair, wherever they stand") {
  const std::vector<RecordedLayer> a{layer("x", "Conv"), layer("y", "Relu"), layer("z", "Gemm")};
  const std::vector<RecordedLayer> b{layer("z", "Gemm"), layer("x", "Conv"), layer("y", "Relu")};
  CHECK(told(align(a, a)) == "0-0 name; 1-1 name; 2-2 name");
  CHECK(told(align(a, b)) == "0-1 name; 1-2 name; 2-0 name");
}

TEST_CASE("a layer that absorbed others stands beside all of them") {
  const std::vector<RecordedLayer> apart{layer("conv", "Conv"), layer("bn", "BatchNormalization"),
                                         layer("relu", "Relu"), layer("fc", "Gemm")};
  const std::vector<RecordedLayer> fused{layer("conv", "Conv", "1×8", {"conv", "bn", "relu"}), layer("fc", "Gemm")};
  CHECK(told(align(apart, fused)) == "0+1+2-0 name; 3-1 name");
  CHECK(told(align(fused, apart)) == "0-0+1+2 name; 1-3 name");
}

TEST_CASE("a name that occurs more than once pairs by its occurrence") {
  const std::vector<RecordedLayer> a{layer("Conv", "Conv"), layer("Conv", "Conv"), layer("Conv", "Conv")};
  const std::vector<RecordedLayer> b{layer("Conv", "Conv"), layer("Conv", "Conv")};
  CHECK(told(align(a, b)) == "0-0 name; 1-1 name; 2- only A");
}

TEST_CASE("renamed layers pair by operator, shape and order between the same neighbours") {
  const std::vector<RecordedLayer> a{layer("c1", "Conv", "1×8"), layer("anchor", "Add"), layer("c2", "Conv", "1×16"),
                                     layer("c3", "Conv", "1×32")};
  const std::vector<RecordedLayer> b{layer("k1", "Conv", "1×8"), layer("anchor", "Add"), layer("k3", "Conv", "1×32"),
                                     layer("k2", "Conv", "1×16")};
  CHECK(told(align(a, b)) == "0-0 order; 1-1 name; 2-3 order; 3-2 order");
  // Other shapes (another batch size): the operator and the place decide.
  std::vector<RecordedLayer> wider = b;
  for (RecordedLayer& l : wider) l.output_shapes = "4" + l.output_shapes;
  CHECK(told(align(a, wider)) == "0-0 order; 1-1 name; 2-2 order; 3-3 order");
}

TEST_CASE("what has no counterpart stays alone, at its place") {
  const std::vector<RecordedLayer> a{layer("x", "Conv"), layer("gone", "Relu"), layer("z", "Gemm")};
  const std::vector<RecordedLayer> b{layer("first", "Pad"), layer("x", "Conv"), layer("new", "Softmax"),
                                     layer("z", "Gemm")};
  CHECK(told(align(a, b)) == "-0 only B; 0-1 name; -2 only B; 1- only A; 2-3 name");
  CHECK(told(align(a, {})) == "0- only A; 1- only A; 2- only A");
  CHECK(told(align({}, b)) == "-0 only B; -1 only B; -2 only B; -3 only B");
  CHECK(align({}, {}).empty());
}

TEST_CASE("every layer is in exactly one pair") {
  std::mt19937 random(1);
  for (int trial = 0; trial < 200; ++trial) {
    const auto layers = [&] {
      std::vector<RecordedLayer> list;
      for (size_t n = random() % 12; n > 0; --n) {
        std::vector<std::string> nodes;
        for (size_t k = random() % 3 + 1; k > 0; --k) nodes.push_back("n" + std::to_string(random() % 8));
        list.push_back(layer(nodes[0], random() % 2 == 0 ? "Conv" : "Relu", random() % 2 == 0 ? "1" : "2", nodes));
      }
      return list;
    };
    const auto a = layers(), b = layers();
    std::vector<int> of_a(a.size(), 0), of_b(b.size(), 0);
    for (const LayerPair& pair : align(a, b)) {
      CHECK((!pair.a.empty() || !pair.b.empty()));
      CHECK((pair.match == Match::only_a) == pair.b.empty());
      CHECK((pair.match == Match::only_b) == pair.a.empty());
      for (const size_t i : pair.a) ++of_a[i];
      for (const size_t j : pair.b) ++of_b[j];
    }
    CHECK(std::all_of(of_a.begin(), of_a.end(), [](int n) { return n == 1; }));
    CHECK(std::all_of(of_b.begin(), of_b.end(), [](int n) { return n == 1; }));
  }
}
