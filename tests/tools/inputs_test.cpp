#include "tools/input/inputs.h"

#include <doctest/doctest.h>

#include <random>

#include "tally/engine/error.h"
#include "tally/engine/onnx/tensor_proto.h"
#include "tally/layers/builder.h"
#include "tests/engine/temporary_folder.h"
#include "tools/input/npy.h"

using namespace tally;
using namespace tally::tools;
using tally::test::TemporaryFolder;

namespace {

/// Outputs that are the inputs, by name.
Model hands_on(const std::vector<std::pair<std::string, DType>>& inputs, const Shape& shape) {
  Builder b;
  for (const auto& [name, dtype] : inputs) b.output(b.identity(b.named(b.input(shape, dtype), name)));
  return b.build();
}

InputOptions given(std::vector<std::string> files) { return {std::move(files), std::nullopt}; }
InputOptions seeded(uint64_t seed) { return {{}, seed}; }

template <class F>
ErrorCode code_of(F call) {
  try {
    call();
  } catch (const Error& e) {
    return e.code;
  }
  FAIL("no error");
  return ErrorCode::internal;
}

}  // namespace

TEST_CASE("a seed fills floats uniformly in [0,1) and everything else with 0, always alike") {
  const Model model = hands_on({{"a", DType::f32},
                                {"b", DType::f16},
                                {"c", DType::bf16},
                                {"d", DType::f64},
                                {"i", DType::i64},
                                {"t", DType::boolean}},
                               {50, 20});
  const auto inputs = read_inputs(model, seeded(7));
  REQUIRE(inputs.size() == 6);
  for (const char* name : {"a", "b", "c", "d"}) {
    const std::vector<double> values = inputs.at(name).to_double();
    double mean = 0;
    for (const double value : values) {
      CHECK(value >= 0);
      CHECK(value < 1);
      mean += value / static_cast<double>(values.size());
    }
    CHECK(mean == doctest::Approx(0.5).epsilon(0.1));
  }
  for (const char* name : {"i", "t"})
    for (const int64_t value : inputs.at(name).to_int64()) CHECK(value == 0);
  const auto same = read_inputs(model, seeded(7)), other = read_inputs(model, seeded(8));
  CHECK(same.at("d").to_double() == inputs.at("d").to_double());
  CHECK(other.at("a").to_double() != inputs.at("a").to_double());
  // The first numbers of the 64-bit Mersenne twister for seed 7, so that files stay comparable over versions.
  std::mt19937_64 generator(7);
  CHECK(inputs.at("a").values<float>()[0] == static_cast<float>(static_cast<double>(generator() >> 40) / (1 << 24)));
}

TEST_CASE("files fill inputs by name and in order, as .npy or TensorProto") {
  const TemporaryFolder folder;
  const std::string npy = (folder.path / "x.npy").string(), proto = (folder.path / "x=1.pb").string();
  const std::vector<float> first{1, 2}, second{3, 4};
  write_npy(npy, Tensor::of<float>(DType::f32, {2}, first));
  write_tensor_proto(proto, "whatever", Tensor::of<float>(DType::f32, {2}, second));
  const Model model = hands_on({{"a", DType::f32}, {"b=c", DType::f32}}, {2});
  for (const auto& files :
       {std::vector<std::string>{npy, proto}, {"b=c=" + proto, npy}, {"b=c=" + proto, "a=" + npy}}) {
    const auto inputs = read_inputs(model, given(files));
    CHECK(inputs.at("a").to_double() == std::vector<double>{1, 2});
    CHECK(inputs.at("b=c").to_double() == std::vector<double>{3, 4});
  }
  Context context = make_context(model, given({npy, proto}));
  context.run();
  CHECK(context.output_tensor(1).to_double() == std::vector<double>{3, 4});
}

TEST_CASE("what is missing, unknown or too much is named") {
  const TemporaryFolder folder;
  const std::string npy = (folder.path / "x.npy").string();
  write_npy(npy, Tensor(DType::f32, {2}));
  const Model model = hands_on({{"a", DType::f32}, {"b", DType::f32}}, {2});
  CHECK(code_of([&] { read_inputs(model, given({npy})); }) == ErrorCode::model);
  CHECK(code_of([&] { read_inputs(model, given({npy, npy, npy})); }) == ErrorCode::usage);
  CHECK(code_of([&] { read_inputs(model, given({"a=" + npy, "a=" + npy})); }) == ErrorCode::usage);
  CHECK(code_of([&] { read_inputs(model, given({"c=" + npy})); }) == ErrorCode::usage);
  CHECK(code_of([&] { read_inputs(model, given({"/no/such"})); }) == ErrorCode::model);
  CHECK(code_of([&] { read_inputs(model, given({folder.path.string()})); }) == ErrorCode::model);
  CHECK(code_of([&] { read_inputs(model, given({folder.write("junk.pb", "\x08\xff\xff").string()})); }) ==
        ErrorCode::model);
  write_npy(npy, Tensor(DType::f32, {3}));
  CHECK(code_of([&] { make_context(model, given({npy, npy})); }) == ErrorCode::model);
  write_npy(npy, Tensor(DType::f64, {2}));
  CHECK(code_of([&] { make_context(model, given({npy, npy})); }) == ErrorCode::model);
}
