// Transpose, Concat, Pad, ConstantOfShape, Shape, Size, Cast: data moved, nothing computed.
#include "moved.h"

#include <algorithm>
#include <numeric>

#include "tally/layers/pad.h"

namespace {

using namespace tally;
using namespace tally::test;

void check_transpose(const Shape& shape, const Ints& perm, DType type, Isa isa) {
  CAPTURE(to_string(shape));
  const Tensor x = counted(type, shape);
  GraphMaker g;
  g.input("x", x).node("Transpose", {"x"}, "y", {{"perm", perm}}).output("y");
  Shape expected;
  for (int64_t axis : perm) expected.push_back(shape[static_cast<size_t>(axis)]);
  const Shape strides = row_major_strides(shape);
  run_every_candidate(g, isa, [&](const Ran& ran) {
    check_moved(ran.outputs[0], x, expected, [&](const Shape& at) {
      int64_t from = 0;
      for (size_t d = 0; d < at.size(); ++d) from += at[d] * strides[static_cast<size_t>(perm[d])];
      return from;
    });
    const auto bytes = static_cast<int64_t>(x.bytes());
    const NodeEstimate& e = ran.plan->estimate.layers[0];
    CHECK(e.bytes_read == bytes);
    CHECK(e.bytes_written == bytes);
    CHECK(e.operations() == 0);
  });
}

TEST_CASE("Transpose: every permutation, every element size, both layouts, every ISA") {
  Ints perm = {0, 1, 2, 3};
  do check_transpose({2, 19, 5, 3}, perm, DType::f32, best_isa());
  while (std::next_permutation(perm.begin(), perm.end()));
  for (const Isa isa : usable_isas()) {
    CAPTURE(name_of(isa));
    for (const DType type : kTypes) {
      check_transpose({7, 9}, {1, 0}, type, isa);
      check_transpose({2, 3, 4}, {2, 0, 1}, type, isa);
      check_transpose({1, 3, 1, 5}, {2, 3, 0, 1}, type, isa);
    }
    check_transpose({1, 20, 6, 7}, {0, 2, 3, 1}, DType::f32, isa);
    check_transpose({1, 6, 7, 20}, {0, 3, 1, 2}, DType::f32, isa);
    check_transpose({3, 0, 2}, {2, 1, 0}, DType::f32, isa);
    check_transpose({2, 1, 2, 1, 2, 2, 2, 2, 2}, {8, 7, 6, 5, 4, 3, 2, 1, 0}, DType::f32, isa);
  }
}

TEST_CASE("Transpose: without perm all axes are reversed; constants keep their identity") {
  GraphMaker g;
  g.input("x", counted(DType::f32, {2, 3})).node("Transpose", {"x"}, "y").output("y");
  CHECK(run_graph(g, best_isa()).outputs[0].to_double() == std::vector<double>{0, 3, 1, 4, 2, 5});
  // One table, used as it is and transposed: 6 parameters, the second use shared.
  GraphMaker shared;
  shared.input("x", counted(DType::f32, {1, 2})).constant("w", counted(DType::f32, {2, 3}));
  shared.node("MatMul", {"x", "w"}, "h").node("Transpose", {"w"}, "t").node("MatMul", {"h", "t"}, "y").output("y");
  const EstimateTotals totals = run_graph(shared, best_isa()).plan->estimate.totals;
  CHECK(totals.params == 6);
  CHECK(totals.params_shared == 6);
}

TEST_CASE("Concat: any axis, any number of operands, every element size, both layouts") {
  const std::vector<Ints> extents = {{3}, {1, 4}, {16, 16}, {5, 0, 2, 7}};
  for (const Isa isa : usable_isas())
    for (const DType type : kTypes)
      for (const Ints& parts : extents)
        for (const int64_t axis : {0, 1, 2, -1}) {
          const size_t along = static_cast<size_t>(axis < 0 ? axis + 4 : axis);
          GraphMaker g;
          std::vector<std::string> names;
          std::vector<Tensor> tensors;
          Shape shape = {2, 3, 4, 2};
          shape[along] = 0;
          for (size_t i = 0; i < parts.size(); ++i) {
            Shape one = {2, 3, 4, 2};
            one[along] = parts[i];
            shape[along] += parts[i];
            names.push_back(text("x", i));
            tensors.push_back(counted(type, one));
            i == 1 ? g.constant(names.back(), tensors.back()) : g.input(names.back(), tensors.back());
          }
          g.node("Concat", names, "y", {{"axis", axis}}).output("y");
          run_every_candidate(g, isa, [&](const Ran& ran) {
            REQUIRE(ran.outputs[0].shape() == shape);
            int64_t offset = 0;
            for (const Tensor& x : tensors) {
              const Shape own = row_major_strides(x.shape()), all = row_major_strides(shape);
              for (int64_t i = 0; i < x.elements(); ++i) {
                int64_t at = offset * all[along];
                for (size_t d = 0; d < 4; ++d) at += i / own[d] % x.shape()[d] * all[d];
                if (element(ran.outputs[0], at) != element(x, i)) {
                  FAIL_CHECK("element " << at);
                  break;
                }
              }
              offset += x.shape()[along];
            }
          });
        }
}

TEST_CASE("Concat: bad operands") {
  GraphMaker g;
  g.input("a", Tensor(DType::f32, {2, 3}))
      .input("b", Tensor(DType::f32, {2, 4}))
      .node("Concat", {"a", "b"}, "y", {{"axis", int64_t{0}}})
      .output("y");
  CHECK(error_of(g) == "Concat 'y': input 1 of shape 2x4 must equal 2x3 but for axis 0");
  g.graph.nodes[0].attributes["axis"] = int64_t{2};
  CHECK(error_of(g) == "Concat 'y': axis=2 must be in [-2, 2)");
  g.graph.nodes[0].attributes.clear();
  CHECK(error_of(g) == "Concat 'y': no axis; must have the attribute axis");
}

// ------------------------------------------------------------------------------------------------------------------
// pad

/// Index into one axis of `n` elements (cropped first), or −1 for the fill.
int64_t padded_source(int64_t at, int64_t n, int64_t before, int64_t after, const std::string& mode) {
  const int64_t first = std::max<int64_t>(0, -before), kept = n - first - std::max<int64_t>(0, -after);
  int64_t i = at - std::max<int64_t>(0, before);
  if (mode == "constant") return i >= 0 && i < kept ? first + i : -1;
  while (i < 0 || i >= kept) {
    if (mode == "edge")
      i = i < 0 ? 0 : kept - 1;
    else if (mode == "wrap")
      i += i < 0 ? kept : -kept;
    else if (kept == 1)
      i = 0;
    else
      i = i < 0 ? -i : 2 * (kept - 1) - i;
  }
  return first + i;
}

void check_pad(const Shape& shape, const Ints& pads, const std::string& mode, DType type, Isa isa) {
  CAPTURE(mode);
  CAPTURE(to_string(shape));
  const size_t rank = shape.size();
  const Tensor x = counted(type, shape);
  GraphMaker g;
  g.input("x", x)
      .constant("pads", Tensor::of_int64(pads))
      .node("Pad", {"x", "pads"}, "y", {{"mode", mode}}, 19)
      .output("y");
  Shape expected = shape;
  for (size_t d = 0; d < rank; ++d) expected[d] += pads[d] + pads[d + rank];
  const Shape strides = row_major_strides(shape);
  run_every_candidate(g, isa, [&](const Ran& ran) {
    check_moved(ran.outputs[0], x, expected, [&](const Shape& at) {
      int64_t from = 0;
      for (size_t d = 0; d < rank; ++d) {
        const int64_t i = padded_source(at[d], shape[d], pads[d], pads[d + rank], mode);
        if (i < 0) return int64_t{-1};
        from += i * strides[d];
      }
      return from;
    });
    // Every element of the result is written once.
    if (ran.plan->rows[0].layouts == "plain→plain")
      CHECK(ran.tallies[0].bytes_stored == static_cast<int64_t>(ran.outputs[0].bytes()));
  });
}

TEST_CASE("Pad: every mode, negative and large pads, every element size, both layouts, every ISA") {
  for (const Isa isa : usable_isas()) {
    CAPTURE(name_of(isa));
    for (const char* mode : {"constant", "reflect", "edge", "wrap"}) {
      for (const DType type : kTypes) check_pad({2, 3, 4}, {0, 1, 2, 1, 0, 1}, mode, type, isa);
      check_pad({1, 19, 5, 4}, {0, 0, 2, 1, 0, 0, 1, 3}, mode, DType::f32, isa);
      check_pad({2, 3, 5, 4}, {0, 2, -1, 1, 0, 1, 2, -2}, mode, DType::f32, isa);
      check_pad({3, 2}, {7, 5, 6, 4}, mode, DType::f32, isa);
      check_pad({1, 4}, {2, 0, 3, 0}, mode, DType::f32, isa);
      check_pad({5}, {-2, -3}, mode, DType::f32, isa);
      check_pad({4, 4}, {0, 0, 0, 0}, mode, DType::f32, isa);
    }
    check_pad({2, 0}, {1, 1, 0, 2}, "constant", DType::f32, isa);
    check_pad({2, 3, 300}, {1, 0, 0, 0, 1, 270}, "constant", DType::f32, isa);  // fills of several rows and a rest
  }
}

TEST_CASE("Pad: pieces of an axis") {
  const std::vector<PadPiece> pieces =
      pad_pieces(3, 4, 2, PadMode::reflect, "Pad");  // 0 1 | 2 1 | 0 1 2 | 1 0 is 0 1 2 1 …
  std::vector<int64_t> read;
  for (const PadPiece& p : pieces)
    for (int64_t i = 0; i < p.size; ++i) read.push_back(p.in_begin + i * p.in_step);
  CHECK(read == std::vector<int64_t>{0, 1, 2, 1, 0, 1, 2, 1, 0});
  CHECK_THROWS_AS(pad_pieces(2, 100000, 0, PadMode::wrap, "Pad"), Error);
}

TEST_CASE("Pad: fill values from constants, operands and attributes; axes") {
  const Tensor x = counted(DType::f32, {2, 2});
  const auto pad = [&](GraphMaker g) { return run_graph(g.output("y"), best_isa()).outputs[0].to_double(); };
  using V = std::vector<double>;
  GraphMaker constant;
  constant.input("x", x)
      .constant("p", Tensor::of_int64({0, 1, 0, 0}))
      .constant("v", Tensor::scalar(9))
      .node("Pad", {"x", "p", "v"}, "y");
  CHECK(pad(constant) == V{9, 0, 1, 9, 2, 3});
  GraphMaker fed;
  fed.input("x", x)
      .input("p", Tensor::of_int64({0, 1, 0, 0}))
      .input("v", Tensor::scalar(9))
      .node("Pad", {"x", "p", "v"}, "y");
  CHECK(pad(fed) == V{9, 0, 1, 9, 2, 3});
  GraphMaker attributes;
  attributes.input("x", x).node("Pad", {"x"}, "y", {{"pads", Ints{1, 0, 0, 0}}, {"value", 5.0f}}, 6);
  CHECK(pad(attributes) == V{5, 5, 0, 1, 2, 3});
  GraphMaker axes;
  axes.input("x", x)
      .constant("p", Tensor::of_int64({1, 0}))
      .constant("a", Tensor::of_int64({-1}))
      .node("Pad", {"x", "p", "", "a"}, "y", {}, 18);
  CHECK(pad(axes) == V{0, 0, 1, 0, 2, 3});
}

TEST_CASE("Pad: bad attributes") {
  const auto failing = [](const Ints& pads, const std::string& mode, const Shape& shape, int opset = 18) {
    GraphMaker g;
    g.input("x", Tensor(DType::f32, shape))
        .constant("p", Tensor::of_int64(pads))
        .node("Pad", {"x", "p"}, "y", {{"mode", mode}}, opset)
        .output("y");
    return error_of(g);
  };
  CHECK(failing({1, 1}, "constant", {2, 2}) == "Pad 'y': pads of 2 values must have 4");
  CHECK(failing({1, 1}, "wrap", {2}) == "Pad 'y': mode='wrap' must be constant, reflect or edge");
  CHECK(failing({-3, 0}, "constant", {2}) == "Pad 'y': pads -3 and 0 on an axis of 2 must leave no negative extent");
  CHECK(failing({1, 0}, "edge", {0}) == "Pad 'y': an empty axis must have elements that padding can repeat");
}

// --------------------------------------------------------------------------------------- ConstantOfShape, Shape, Size,
// Cast

TEST_CASE("ConstantOfShape follows the value of its operand") {
  GraphMaker g;
  g.input("s", Tensor::of_int64({2, 3}));
  g.node("ConstantOfShape", {"s"}, "y", {{"value", Tensor::of_int64({7})}}).output("y");
  const Ran ran = run_graph(g, best_isa());
  CHECK(ran.outputs[0].shape() == Shape{2, 3});
  CHECK(ran.outputs[0].to_int64() == Ints(6, 7));
  GraphMaker bad;
  bad.input("s", Tensor::of_int64({2, -1})).node("ConstantOfShape", {"s"}, "y").output("y");
  CHECK(error_of(bad) == "ConstantOfShape 'y': extent -1 must be >= 0");
}

TEST_CASE("ConstantOfShape: a weight that it makes is a weight") {
  GraphMaker g;
  g.input("x", Tensor(DType::f32, {1, 3})).constant("s", Tensor::of_int64({3, 5}));
  g.node("ConstantOfShape", {"s"}, "w").node("MatMul", {"x", "w"}, "y").output("y");
  const Ran ran = run_graph(g, best_isa());
  CHECK(ran.plan->estimate.totals.params == 15);
  CHECK(ran.plan->rows.size() == 1);
}

TEST_CASE("Shape and Size are folded") {
  GraphMaker g;
  g.input("x", Tensor(DType::f32, {2, 3, 4}));
  g.node("Shape", {"x"}, "s", {{"start", int64_t{-2}}, {"end", int64_t{5}}})
      .node("Size", {"x"}, "n")
      .output("s")
      .output("n");
  const Ran ran = run_graph(g, best_isa());
  CHECK(ran.outputs[0].to_int64() == Ints{3, 4});
  CHECK(ran.outputs[1].to_int64() == Ints{24});
  CHECK(ran.outputs[1].shape().empty());
  CHECK(ran.plan->estimate.layers.empty());
}

TEST_CASE("Cast: every pair of types, limits, boolean") {
  const std::vector<DType> types = {DType::f32, DType::f64, DType::f16, DType::bf16, DType::i8,  DType::u8,
                                    DType::i16, DType::u16, DType::i32, DType::u32,  DType::i64, DType::u64};
  const std::map<DType, int64_t> codes = {{DType::f32, 1},  {DType::u8, 2},   {DType::i8, 3},   {DType::u16, 4},
                                          {DType::i16, 5},  {DType::i32, 6},  {DType::i64, 7},  {DType::boolean, 9},
                                          {DType::f16, 10}, {DType::f64, 11}, {DType::u32, 12}, {DType::u64, 13},
                                          {DType::bf16, 16}};
  for (const DType from : types)
    for (const DType to : types) {
      GraphMaker g;
      g.input("x", counted(DType::f32, {5}));
      g.node("Cast", {"x"}, "a", {{"to", codes.at(from)}}).node("Cast", {"a"}, "y", {{"to", codes.at(to)}}).output("y");
      const Ran ran = run_graph(g, best_isa());
      CHECK(ran.outputs[0].dtype() == to);
      CHECK(ran.outputs[0].to_double() == std::vector<double>{0, 1, 2, 3, 4});
    }
  const auto cast = [&](const std::vector<double>& x, DType to) {
    GraphMaker g;
    g.input("x", float_tensor({static_cast<int64_t>(x.size())}, x))
        .node("Cast", {"x"}, "y", {{"to", codes.at(to)}})
        .output("y");
    return run_graph(g, best_isa()).outputs[0].to_double();
  };
  using V = std::vector<double>;
  CHECK(cast({-1.9, 2.9, 300, -300, NAN}, DType::i8) == V{-1, 2, 127, -128, 0});
  CHECK(cast({-1, 1e30}, DType::u32) == V{0, 4294967295.0});
  CHECK(cast({0, 0.5, -2}, DType::boolean) == V{0, 1, 1});
  GraphMaker bad;
  bad.input("x", Tensor::scalar(1)).node("Cast", {"x"}, "y", {{"to", int64_t{8}}}).output("y");
  CHECK(error_of(bad) == "Cast 'y': to must be a number or boolean of 8 bits or more (out of scope: strings)");
}

}  // namespace
