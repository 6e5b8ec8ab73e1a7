// Rotary embeddings spelled out in all the ways that exporters know: one layer, the same bits; and what only looks like
// one.
#include <functional>

#include "pattern_run.h"

namespace {

using namespace tally;
using namespace tally::test;

const Shape kX = {2, 3, 5, 12};  // batches, heads, positions, elements
constexpr int64_t kHalf = 6;

GraphMaker start(int64_t entries, bool trailing = false, const Shape& x = kX) {
  GraphMaker g;
  Shape table = {1, 1, 5, entries};
  if (trailing) table.push_back(1);
  g.input("x", random_tensor(x, 1)).constant("cos", random_tensor(table, 2)).constant("sin", random_tensor(table, 3));
  return g;
}

Tensor index(int64_t i) {
  Tensor t(DType::i64, {});
  t.mutable_values<int64_t>()[0] = i;
  return t;
}

/// Elements [begin, end) of x's last axis, every `step`-th.
void slice(GraphMaker& g, const std::string& x, const std::string& y, int64_t begin, int64_t end, int64_t step = 1) {
  g.constant(y + "_b", Tensor::of_int64({begin})).constant(y + "_e", Tensor::of_int64({end}));
  g.constant(y + "_a", Tensor::of_int64({-1})).constant(y + "_s", Tensor::of_int64({step}));
  g.node("Slice", {x, y + "_b", y + "_e", y + "_a", y + "_s"}, y);
}

void two_outputs(GraphMaker& g, const std::string& op, const std::string& x, const std::string& a, const std::string& b,
                 int64_t axis) {
  g.node(op, {x}, a, {{"axis", axis}}, 13);
  g.graph.nodes.back().outputs.push_back(b);
}

/// x·cos + turned·sin, the turned x from x1 and x2.
GraphMaker summed(GraphMaker g, bool stacked, const char* minus = "Neg") {
  g.node(minus, {"x2"}, "minus");
  if (stacked) {
    g.constant("last", Tensor::of_int64({-1})).constant("rows", Tensor::of_int64({2, 3, 5, 12}));
    g.node("Unsqueeze", {"minus", "last"}, "m").node("Unsqueeze", {"x1", "last"}, "p");
    g.node("Concat", {"m", "p"}, "stack", {{"axis", int64_t{-1}}}).node("Reshape", {"stack", "rows"}, "turned");
  } else {
    g.node("Concat", {"minus", "x1"}, "turned", {{"axis", int64_t{-1}}});
  }
  g.node("Mul", {"x", "cos"}, "c").node("Mul", {"sin", "turned"}, "s").node("Add", {"c", "s"}, "y");
  return g.output("y");
}

/// The four products of x1 and x2 and what they make.
GraphMaker& products(GraphMaker& g) {
  g.node("Mul", {"x1", "cos"}, "a").node("Mul", {"sin", "x2"}, "b").node("Sub", {"a", "b"}, "one");
  g.node("Mul", {"x1", "sin"}, "c").node("Mul", {"x2", "cos"}, "d").node("Add", {"d", "c"}, "two");
  return g;
}

GraphMaker halves(int64_t cut = kHalf) {
  GraphMaker g = start(2 * kHalf);
  slice(g, "x", "x1", 0, cut);
  slice(g, "x", "x2", cut, INT64_MAX);
  return summed(g, false);
}

TEST_CASE("rotary pattern: halves with tables of the whole width") {
  CHECK(count_of(halves(), "RotaryEmbedding", 0) == 1);
  GraphMaker split = start(2 * kHalf);
  two_outputs(split, "Split", "x", "x1", "x2", 3);
  CHECK(count_of(summed(split, false), "RotaryEmbedding", 0) == 1);
}

TEST_CASE("rotary pattern: halves with a value a pair, joined by Concat") {
  GraphMaker g = start(kHalf);
  two_outputs(g, "Split", "x", "x1", "x2", -1);
  products(g).node("Concat", {"one", "two"}, "y", {{"axis", int64_t{3}}}).output("y");
  CHECK(count_of(g, "RotaryEmbedding", 0) == 1);

  GraphMaker rows = start(kHalf);  // [2, 3, 5, 2, 6], its halves by index
  rows.constant("pairs", Tensor::of_int64({2, 3, 5, 2, 6})).node("Reshape", {"x", "pairs"}, "r");
  rows.constant("0", index(0)).constant("1", index(1));
  rows.node("Gather", {"r", "0"}, "x1", {{"axis", int64_t{3}}})
      .node("Gather", {"r", "1"}, "x2", {{"axis", int64_t{3}}});
  products(rows).node("Concat", {"one", "two"}, "y", {{"axis", int64_t{3}}}).output("y");
  CHECK(count_of(rows, "RotaryEmbedding", 0) == 1);
}

TEST_CASE("rotary pattern: neighbours with tables of the whole width") {
  GraphMaker g = start(2 * kHalf);
  slice(g, "x", "x1", 0, INT64_MAX, 2);
  slice(g, "x", "x2", 1, INT64_MAX, 2);
  CHECK(count_of(summed(g, true), "RotaryEmbedding", 0) == 1);
}

TEST_CASE("rotary pattern: neighbours as complex numbers") {
  for (const bool split : {true, false}) {
    GraphMaker g = start(kHalf, split);
    g.constant("pairs", Tensor::of_int64({2, 3, 5, 6, 2})).constant("rows", Tensor::of_int64({2, 3, 5, 12}));
    g.constant("last", Tensor::of_int64({-1})).node("Reshape", {"x", "pairs"}, "r");
    std::string one = "one", two = "two";
    if (split) {
      two_outputs(g, "Split", "r", "x1", "x2", 4);
      products(g);
    } else {
      g.constant("0", index(0)).constant("1", index(1));
      g.node("Gather", {"r", "0"}, "x1", {{"axis", int64_t{-1}}})
          .node("Gather", {"r", "1"}, "x2", {{"axis", int64_t{-1}}});
      products(g).node("Unsqueeze", {"one", "last"}, "u").node("Unsqueeze", {"two", "last"}, "v");
      one = "u", two = "v";
    }
    g.node("Concat", {one, two}, "stack", {{"axis", int64_t{4}}}).node("Reshape", {"stack", "rows"}, "y").output("y");
    CHECK(count_of(g, "RotaryEmbedding", 0) == 1);
  }
}

TEST_CASE("rotary pattern: what is read elsewhere, cut elsewhere or turned otherwise is left alone") {
  CHECK(count_of(halves(4), "RotaryEmbedding", 0) == 0);  // not halves: x1 and x2 change places unevenly
  CHECK(count_of(halves().output("turned"), "RotaryEmbedding", 0) == 0);
  GraphMaker g = start(2 * kHalf);
  two_outputs(g, "Split", "x", "x1", "x2", 3);
  CHECK(count_of(summed(g, false, "Abs"), "RotaryEmbedding", 0) == 0);
  GraphMaker swapped = start(2 * kHalf);
  two_outputs(swapped, "Split", "x", "x2", "x1", 3);
  CHECK(count_of(summed(swapped, false), "RotaryEmbedding", 0) == 0);
  GraphMaker other = start(kHalf);  // the second result from other tables
  other.constant("cos2", random_tensor({1, 1, 5, kHalf}, 9));
  two_outputs(other, "Split", "x", "x1", "x2", -1);
  other.node("Mul", {"x1", "cos"}, "a").node("Mul", {"x2", "sin"}, "b").node("Sub", {"a", "b"}, "one");
  other.node("Mul", {"x1", "sin"}, "c").node("Mul", {"x2", "cos2"}, "d").node("Add", {"c", "d"}, "two");
  other.node("Concat", {"one", "two"}, "y", {{"axis", int64_t{3}}}).output("y");
  CHECK(count_of(other, "RotaryEmbedding", 0) == 0);
}

TEST_CASE("rotary pattern: tables that positions make, and one for each batch") {
  GraphMaker g;
  g.input("x", random_tensor(kX, 1)).input("angles", random_tensor({2, 5, 6}, 2));
  g.constant("heads", Tensor::of_int64({1}));
  g.node("Concat", {"angles", "angles"}, "wide", {{"axis", int64_t{-1}}}).node("Unsqueeze", {"wide", "heads"}, "w");
  g.node("Cos", {"w"}, "cos").node("Sin", {"w"}, "sin");
  slice(g, "x", "x1", 0, kHalf);
  slice(g, "x", "x2", kHalf, INT64_MAX);
  CHECK(count_of(summed(g, false), "RotaryEmbedding", 0) == 1);
}

TEST_CASE("rotary pattern: heads are read as they lie before their transposition") {
  GraphMaker g;
  g.input("rows", random_tensor({2, 5, 3, 12}, 1));
  g.constant("cos", random_tensor({1, 1, 5, 12}, 2)).constant("sin", random_tensor({1, 1, 5, 12}, 3));
  g.node("Transpose", {"rows"}, "x", {{"perm", Ints{0, 2, 1, 3}}});
  slice(g, "x", "x1", 0, kHalf);
  slice(g, "x", "x2", kHalf, INT64_MAX);
  check_rewrite(summed(g, false), {{"x", "x1", "x2", "minus", "turned", "c", "s", "y"}}, 0);
}

/// y of one node, its heads turned; in double by the definition.
std::vector<double> defined(const std::vector<double>& x, const std::vector<double>& cos,
                            const std::vector<double>& sin, int64_t B, int64_t H, int64_t N, int64_t width,
                            int64_t rotated, bool interleaved, bool heads_apart) {
  std::vector<double> y = x;
  const int64_t half = rotated / 2;
  for (int64_t b = 0; b < B; ++b)
    for (int64_t h = 0; h < H; ++h)
      for (int64_t n = 0; n < N; ++n)
        for (int64_t i = 0; i < half; ++i) {
          const int64_t row = heads_apart ? ((b * H + h) * N + n) * width : ((b * N + n) * H + h) * width;
          const auto one = static_cast<size_t>(row + (interleaved ? 2 * i : i));
          const size_t two = one + static_cast<size_t>(interleaved ? 1 : half);
          const auto at = static_cast<size_t>((b * N + n) * half + i);
          y[one] = cos[at] * x[one] - sin[at] * x[two];
          y[two] = sin[at] * x[one] + cos[at] * x[two];
        }
  return y;
}

TEST_CASE("RotaryEmbedding: heads apart and side by side, whole and in part") {
  constexpr int64_t B = 2, H = 3, N = 4, W = 10, R = 6;
  for (const bool apart : {true, false})
    for (const bool interleaved : {true, false}) {
      const Tensor x = random_tensor(apart ? Shape{B, H, N, W} : Shape{B, N, H * W}, 1),
                   cos = random_tensor({B, N, R / 2}, 2), sin = random_tensor({B, N, R / 2}, 3);
      GraphMaker g;
      g.input("x", x).input("cos", cos).constant("sin", sin);
      std::map<std::string, Attribute> attributes = {{"interleaved", int64_t{interleaved}},
                                                     {"rotary_embedding_dim", R}};
      if (!apart) attributes["num_heads"] = H;
      g.node("RotaryEmbedding", {"x", "cos", "sin"}, "y", attributes, 23).output("y");
      const std::vector<double> expected =
          defined(x.to_double(), cos.to_double(), sin.to_double(), B, H, N, W, R, interleaved, apart);
      for (const Isa isa : usable_isas()) {
        const Ran ran = run_graph(g, isa);
        CHECK(ran.plan->rows.back().kernel == "rotary");
        check_close(ran.outputs[0], expected, std::vector<double>(expected.size(), 2), 2);
      }
    }
}

}  // namespace
