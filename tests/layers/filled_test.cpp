// Range, EyeLike, OneHot, Trilu, CastLike: tensors made from numbers and shapes.
#include "moved.h"

namespace {

using namespace tally;
using namespace tally::test;

GraphMaker range(const Tensor& start, const Tensor& limit, const Tensor& delta) {
  GraphMaker g;
  g.constant("a", start).constant("b", limit).constant("c", delta).node("Range", {"a", "b", "c"}, "y").output("y");
  return g;
}

Tensor number(int64_t value) { return Tensor::of_int64({value}).reshaped({}); }

TEST_CASE("Range: up, down, empty, floats; folded") {
  const auto ints = [](int64_t a, int64_t b, int64_t c) {
    const Ran ran = run_graph(range(number(a), number(b), number(c)), best_isa());
    CHECK(ran.plan->estimate.layers.empty());
    return whole(ran.outputs[0]);
  };
  CHECK(ints(1, 10, 3) == Ints{1, 4, 7});
  CHECK(ints(1, 11, 3) == Ints{1, 4, 7, 10});
  CHECK(ints(10, 3, -3) == Ints{10, 7, 4});
  CHECK(ints(3, 10, -1).empty());
  CHECK(ints(INT64_MAX - 1, INT64_MAX, 5).size() == 1);
  const Ran floats = run_graph(range(Tensor::scalar(1), Tensor::scalar(2), Tensor::scalar(0.25f)), best_isa());
  CHECK(floats.outputs[0].to_double() == std::vector<double>{1, 1.25, 1.5, 1.75});
}

TEST_CASE("Range: bad operands") {
  CHECK(error_of(range(number(0), number(1), number(0))) == "Range 'y': delta 0 must not be 0");
  CHECK(error_of(range(number(INT64_MIN), number(INT64_MAX), number(1))).find("must be at most 2^40") !=
        std::string::npos);
  CHECK(error_of(range(Tensor::scalar(0), Tensor::scalar(INFINITY), Tensor::scalar(1))).find("must be finite") !=
        std::string::npos);
  CHECK(error_of(range(Tensor::scalar(0), number(3), number(1))) ==
        "Range 'y': operands of types float32 and int64 must be equal");
}

TEST_CASE("EyeLike: every diagonal, the input's type or another") {
  for (int64_t k = -4; k <= 5; ++k) {
    GraphMaker g;
    g.input("x", Tensor(DType::f16, {3, 4})).node("EyeLike", {"x"}, "y", {{"k", k}, {"dtype", int64_t{9}}});
    const Ran ran = run_graph(g.output("y"), best_isa());
    CHECK(ran.outputs[0].dtype() == DType::boolean);
    for (int64_t i = 0; i < 12; ++i) CHECK(whole(ran.outputs[0])[static_cast<size_t>(i)] == (i % 4 - i / 4 == k));
  }
  GraphMaker same;
  same.input("x", Tensor(DType::f16, {2, 2})).node("EyeLike", {"x"}, "y", {{"k", INT64_MIN}}).output("y");
  CHECK(run_graph(same, best_isa()).outputs[0].dtype() == DType::f16);
}

TEST_CASE("OneHot: every axis, negative indices, indices outside, float indices") {
  for (int64_t axis : {0, 1, 2, -1, -3}) {
    const Tensor x = float_tensor({2, 3}, {0, -1, 3, 7, -5, 1});
    GraphMaker g;
    g.input("x", x).constant("d", number(4)).input("v", float_tensor({2}, {5, 9}));
    g.node("OneHot", {"x", "d", "v"}, "y", {{"axis", axis}}).output("y");
    const auto at_axis = static_cast<size_t>(axis < 0 ? axis + 3 : axis);
    Shape shape{2, 3};
    shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(at_axis), 4);
    const Ran ran = run_graph(g, best_isa());
    REQUIRE(ran.outputs[0].shape() == shape);
    const Shape strides = row_major_strides(shape);
    for (int64_t i = 0; i < 24; ++i) {
      Shape at;
      for (size_t d = 0; d < 3; ++d) at.push_back(i / strides[d] % shape[d]);
      const int64_t j = at[at_axis];
      at.erase(at.begin() + static_cast<std::ptrdiff_t>(at_axis));
      const double index = x.to_double()[static_cast<size_t>(at[0] * 3 + at[1])];
      const bool on = index == static_cast<double>(j) || index + 4 == static_cast<double>(j);
      CHECK(whole(ran.outputs[0])[static_cast<size_t>(i)] == (on ? 9 : 5));
    }
  }
  GraphMaker bad;
  bad.input("x", Tensor(DType::i64, {2})).constant("d", number(0)).input("v", Tensor(DType::f32, {2}));
  bad.node("OneHot", {"x", "d", "v"}, "y").output("y");
  CHECK(error_of(bad) == "OneHot 'y': depth 0 must be 1 to 2^40");
}

TEST_CASE("Trilu: every diagonal, upper and lower, every element size") {
  for (const DType type : kTypes)
    for (int64_t k : {int64_t{-9}, int64_t{-2}, int64_t{-1}, int64_t{0}, int64_t{1}, int64_t{3}, INT64_MAX, INT64_MIN})
      for (const bool upper : {false, true}) {
        const Tensor x = counted(type, {2, 3, 4});
        GraphMaker g;
        g.input("x", x)
            .constant("k", number(k))
            .node("Trilu", {"x", "k"}, "y", {{"upper", int64_t{upper}}}, 14)
            .output("y");
        check_moved(run_graph(g, best_isa()).outputs[0], x, {2, 3, 4}, [&](const Shape& at) {
          const bool kept = upper ? at[2] - at[1] >= k : at[2] - at[1] <= k;
          return kept ? at[0] * 12 + at[1] * 4 + at[2] : -1;
        });
      }
}

TEST_CASE("CastLike takes a type, not bytes") {
  GraphMaker g;
  g.input("x", float_tensor({3}, {1.5, -2.5, 3})).input("like", Tensor(DType::i8, {5}));
  g.node("CastLike", {"x", "like"}, "y", {}, 15).output("y");
  const Ran ran = run_graph(g, best_isa());
  CHECK(ran.outputs[0].dtype() == DType::i8);
  CHECK(whole(ran.outputs[0]) == Ints{1, -2, 3});
  CHECK(ran.plan->estimate.layers[0].bytes_read == 12);
}

}  // namespace
