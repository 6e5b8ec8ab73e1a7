// HannWindow, HammingWindow, BlackmanWindow, MelWeightMatrix: values known when a plan is made.
#include "typed_tensor.h"

namespace {

using namespace tally;
using namespace tally::test;

GraphMaker window(const std::string& op, int64_t size, bool periodic, DType size_type = DType::i64, int64_t type = 1) {
  GraphMaker g;
  g.input("n", typed_tensor(size_type, {}, {static_cast<double>(size)}));
  return g.node(op, {"n"}, "y", {{"periodic", int64_t{periodic}}, {"output_datatype", type}}).output("y");
}

std::vector<double> values(const std::string& op, int64_t size, bool periodic) {
  const Ran ran = run_graph(window(op, size, periodic, DType::i32, 11), Isa::scalar);
  CHECK(ran.outputs[0].dtype() == DType::f64);
  CHECK(ran.plan->estimate.layers.empty());
  return ran.outputs[0].to_double();
}

void check_values(const std::vector<double>& found, const std::vector<double>& expected) {
  REQUIRE(found.size() == expected.size());
  for (size_t i = 0; i < found.size(); ++i) CHECK(std::abs(found[i] - expected[i]) <= 1e-15);
}

TEST_CASE("windows, by hand") {
  // Cosines of quarters of a turn.
  check_values(values("HannWindow", 4, true), {0, 0.5, 1, 0.5});
  check_values(values("HannWindow", 5, false), {0, 0.5, 1, 0.5, 0});
  check_values(values("HammingWindow", 4, true), {4.0 / 46, 25.0 / 46, 1, 25.0 / 46});
  check_values(values("BlackmanWindow", 4, true), {0, 0.34, 1, 0.34});
  check_values(values("BlackmanWindow", 5, false), {0, 0.34, 1, 0.34, 0});
  for (const char* op : {"HannWindow", "HammingWindow", "BlackmanWindow"}) {
    check_values(values(op, 1, false), {1});
    CHECK(values(op, 0, true).empty());
  }
}

TEST_CASE("windows of other types") {
  for (const auto& [code, type] : {std::pair(1, DType::f32), std::pair(10, DType::f16), std::pair(16, DType::bf16)}) {
    const Ran ran = run_graph(window("HannWindow", 4, true, DType::i64, code), Isa::scalar);
    CHECK(ran.outputs[0].dtype() == type);
    CHECK(ran.outputs[0].to_double() == std::vector<double>{0, 0.5, 1, 0.5});
  }
  // Cut off, as a cast does.
  CHECK(run_graph(window("HannWindow", 4, true, DType::i64, 2), Isa::scalar).outputs[0].to_double() ==
        std::vector<double>{0, 0, 1, 0});
}

TEST_CASE("windows: bad operands") {
  CHECK(error_text(window("HannWindow", -1, true)) == "HannWindow 'y': size -1 must be >= 0");
  CHECK(error_text(window("HannWindow", int64_t{1} << 61, true)).find("HannWindow 'y'") == 0);
  CHECK(error_text(window("HannWindow", 3, true, DType::i64, 9)) ==
        "HannWindow 'y': output_datatype must be a number of 8 bits or more");
  CHECK(error_text(window("HannWindow", 3, true, DType::f32)) ==
        "HannWindow 'y': size of type float32 must be int32 or int64");
}

struct Mel {
  double bands = 2, length = 16, rate = 1600, lower = 0, upper = 700;
};

GraphMaker mel(const Mel& m) {
  GraphMaker g;
  g.input("a", typed_tensor(DType::i64, {}, {m.bands})).input("b", typed_tensor(DType::i64, {}, {m.length}));
  g.input("c", typed_tensor(DType::i64, {}, {m.rate})).input("d", typed_tensor(DType::f32, {}, {m.lower}));
  g.input("e", typed_tensor(DType::f32, {}, {m.upper}));
  return g.node("MelWeightMatrix", {"a", "b", "c", "d", "e"}, "y").output("y");
}

TEST_CASE("MelWeightMatrix, by hand") {
  // Four steps of a quarter of mel(700) = 2595·log10 2: edges at 700·(2^(m/4) − 1) = 0, 132.4, 289.9, 477.3 Hz, which
  // are bins ⌊17·f/1600⌋ = 0, 1, 3, 5.
  const Ran ran = run_graph(mel({}), Isa::scalar);
  CHECK(ran.outputs[0].shape() == Shape{9, 2});
  std::vector<double> expected(18);
  expected[1 * 2 + 0] = 1;
  expected[2 * 2 + 0] = 0.5;
  expected[2 * 2 + 1] = 0.5;
  expected[3 * 2 + 1] = 1;
  expected[4 * 2 + 1] = 0.5;
  CHECK(ran.outputs[0].to_double() == expected);
  CHECK(ran.plan->estimate.layers.empty());
}

TEST_CASE("MelWeightMatrix: edges above the last bin are out of sight") {
  const std::vector<double> w = run_graph(mel({.rate = 100}), Isa::scalar).outputs[0].to_double();
  CHECK(w[8 * 2 + 0] == 8.0f / 22);  // rises to a peak at bin ⌊17·132.4/100⌋ = 22
  CHECK(w[8 * 2 + 1] == 0);
}

TEST_CASE("MelWeightMatrix: bad operands") {
  CHECK(error_text(mel({.rate = 0})) == "MelWeightMatrix 'y': sample_rate 0 must be 1 to 2^40");
  CHECK(error_text(mel({.bands = -1})).find("num_mel_bins -1") != std::string::npos);
  CHECK(error_text(mel({.length = 0x1p50})).find("dft_length") != std::string::npos);
  CHECK(error_text(mel({.lower = 800})) == "MelWeightMatrix 'y': edges at 800 and 700 Hz must not fall");
  CHECK(error_text(mel({.upper = NAN})).find("Hz must be 0 to 2^60") != std::string::npos);
  CHECK(error_text(mel({.bands = 0x1p39, .length = 0x1p39})).find("MelWeightMatrix 'y'") == 0);
}

}  // namespace
