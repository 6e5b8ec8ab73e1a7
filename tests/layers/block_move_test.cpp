// DepthToSpace, SpaceToDepth, ReverseSequence, CenterCropPad.
#include "moved.h"

namespace {

using namespace tally;
using namespace tally::test;

TEST_CASE("DepthToSpace and SpaceToDepth: both orders, every element size, both layouts, every ISA") {
  for (const Isa isa : usable_isas())
    for (const DType type : kTypes)
      for (const int64_t b : {1, 2, 3}) {
        const Shape deep{2, 5 * b * b, 3, 4}, wide{2, 5, 3 * b, 4 * b};
        for (const std::string mode : {"DCR", "CRD"}) {
          const Tensor x = counted(type, deep);
          GraphMaker g;
          g.input("x", x).node("DepthToSpace", {"x"}, "y", {{"blocksize", b}, {"mode", mode}}).output("y");
          run_every_candidate(g, isa, [&](const Ran& ran) {
            check_moved(ran.outputs[0], x, wide, [&](const Shape& at) {
              const int64_t block = at[2] % b * b + at[3] % b;
              const int64_t c = mode == "DCR" ? block * 5 + at[1] : at[1] * b * b + block;
              return ((at[0] * deep[1] + c) * 3 + at[2] / b) * 4 + at[3] / b;
            });
          });
        }
        const Tensor x = counted(type, wide);
        GraphMaker g;
        g.input("x", x).node("SpaceToDepth", {"x"}, "y", {{"blocksize", b}}).output("y");
        run_every_candidate(g, isa, [&](const Ran& ran) {
          check_moved(ran.outputs[0], x, deep, [&](const Shape& at) {
            const int64_t block = at[1] / 5;
            return ((at[0] * 5 + at[1] % 5) * 3 * b + at[2] * b + block / b) * 4 * b + at[3] * b + block % b;
          });
        });
      }
  const auto failing = [](const std::string& op, int64_t b) {
    GraphMaker g;
    g.input("x", Tensor(DType::f32, {1, 6, 5, 4})).node(op, {"x"}, "y", {{"blocksize", b}}).output("y");
    return error_of(g);
  };
  CHECK(failing("DepthToSpace", 2) == "DepthToSpace 'y': C=6 must be a multiple of 4");
  CHECK(failing("SpaceToDepth", 2) == "SpaceToDepth 'y': extent 5 of axis 2 must be a multiple of 2");
  CHECK(failing("DepthToSpace", int64_t{1} << 40) == "DepthToSpace 'y': blocksize=1099511627776 must be 1 to 1048576");
}

TEST_CASE("ReverseSequence: both axes, every element size, lengths outside brought in") {
  for (const DType type : kTypes)
    for (const int64_t time_axis : {0, 1}) {
      const Tensor x = counted(type, {3, 3, 2});
      const Ints lengths{2, 0, 9};
      GraphMaker g;
      g.input("x", x).input("n", Tensor::of_int64(lengths));
      g.node("ReverseSequence", {"x", "n"}, "y", {{"time_axis", time_axis}, {"batch_axis", 1 - time_axis}}).output("y");
      check_moved(run_graph(g, best_isa()).outputs[0], x, {3, 3, 2}, [&](const Shape& at) {
        Shape from = at;
        const int64_t length =
            std::min<int64_t>(lengths[static_cast<size_t>(at[static_cast<size_t>(1 - time_axis)])], 3);
        int64_t& t = from[static_cast<size_t>(time_axis)];
        if (t < length) t = length - 1 - t;
        return from[0] * 6 + from[1] * 2 + from[2];
      });
    }
  GraphMaker bad;
  bad.input("x", Tensor(DType::f32, {3, 2}))
      .constant("n", Tensor::of_int64({4, 0}))
      .node("ReverseSequence", {"x", "n"}, "y");
  CHECK(error_of(bad.output("y")) == "ReverseSequence 'y': length 4 must be in [0, 3]");
}

TEST_CASE("CenterCropPad: odd differences, some axes, both layouts") {
  const auto check = [](const Shape& shape, const Ints& wanted, const Ints& axes) {
    const Tensor x = counted(DType::f32, shape);
    GraphMaker g;
    g.input("x", x).constant("s", Tensor::of_int64(wanted));
    g.node("CenterCropPad", {"x", "s"}, "y", {{"axes", axes}}, 18).output("y");
    Shape expected = shape;
    for (size_t i = 0; i < axes.size(); ++i) expected[static_cast<size_t>(axes[i])] = wanted[i];
    const Shape strides = row_major_strides(shape);
    run_every_candidate(g, best_isa(), [&](const Ran& ran) {
      check_moved(ran.outputs[0], x, expected, [&](const Shape& at) {
        int64_t from = 0;
        for (size_t d = 0; d < shape.size(); ++d) {
          const int64_t surplus = shape[d] - expected[d];
          const int64_t i = surplus >= 0 ? at[d] + surplus / 2 : at[d] - -surplus / 2;
          if (i < 0 || i >= shape[d]) return int64_t{-1};
          from += i * strides[d];
        }
        return from;
      });
    });
  };
  check({5, 4, 6}, {2, 7, 6}, {0, 1, 2});
  check({1, 3, 5, 8}, {8, 5}, {2, 3});
  check({7}, {4}, {0});
  check({4}, {7}, {0});
  GraphMaker bad;
  bad.input("x", Tensor(DType::f32, {4}))
      .constant("s", Tensor::of_int64({-1}))
      .node("CenterCropPad", {"x", "s"}, "y", {}, 18);
  CHECK(error_of(bad.output("y")) == "CenterCropPad 'y': extent -1 must be 0 to 2^40");
}

}  // namespace
