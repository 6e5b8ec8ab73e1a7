// The Attention operator: every attribute and operand against its definition, on every instruction set.
#include "attention_problem.h"

#include "tally/layers/builder.h"

namespace {

using namespace tally;
using namespace tally::test;

/// Largest difference relative to 1 + |value|; NaN and −∞ must be where they are expected.
double difference(const std::vector<double>& found, const std::vector<double>& expected) {
  REQUIRE(found.size() == expected.size());
  double worst = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    if (std::isnan(expected[i]) || std::isinf(expected[i])) {
      CHECK((std::isnan(expected[i]) ? std::isnan(found[i]) : found[i] == expected[i]));
      continue;
    }
    const double error = std::abs(found[i] - expected[i]) / (1 + std::abs(expected[i]));
    worst = error <= worst ? worst : error;
  }
  return worst;
}

/// Values below 1 in size, sums over at most 30: some units in the last place of the type.
double bound_of(DType type) {
  return type == DType::f64 ? 1e-13 : type == DType::f32 ? 4e-6 : type == DType::f16 ? 2e-3 : 2e-2;
}

void check(const AttentionOptions& o, Isa isa, const char* kernel = nullptr) {
  const AttentionCase c(o);
  const Ran ran = run_graph(c.made, isa);
  const AttentionAnswer expected = c.answer();
  CHECK(difference(ran.outputs[0].to_double(), expected.y) <= bound_of(o.dtype));
  if (o.qk_mode >= 0) CHECK(difference(ran.outputs.back().to_double(), expected.qk) <= bound_of(o.dtype));
  if (o.present) {
    CHECK(ran.outputs[1].shape() == Shape{o.B, o.G, o.past + o.keys, o.d});
    CHECK(ran.outputs[2].shape() == Shape{o.B, o.G, o.past + o.keys, o.e});
  }
  if (kernel) CHECK(ran.plan->rows[0].kernel == kernel);
}

TEST_CASE("Attention: heads apart and interleaved, shared keys, causal, softcap, scale, any type") {
  for (const Isa isa : usable_isas()) {
    CAPTURE(name_of(isa));
    for (const bool flat : {true, false})
      for (const bool causal : {false, true})
        for (const DType dtype : {DType::f32, DType::f64, DType::f16, DType::bf16}) {
          check({.flat = flat, .causal = causal, .dtype = dtype}, isa);
          check({.N = 40, .G = 1, .flat = flat, .causal = causal, .softcap = 1.5, .dtype = dtype}, isa);
          check({.N = 1, .keys = 30, .flat = flat, .causal = causal, .scale = 0.75, .dtype = dtype}, isa);
        }
    check({.N = 40}, isa, "attention");
    check({.N = 1}, isa, "attention_rows");
    check({.dtype = DType::f64}, isa, "host");
    check({.qk_mode = 0}, isa, "host");
  }
}

TEST_CASE("Attention: masks of every shape and type, shorter ones, counts of keys") {
  const Isa isa = best_isa();
  for (const DType mask : {DType::f32, DType::boolean, DType::f16, DType::f64})
    for (const Shape& shape : {Shape{5, 7}, Shape{7}, Shape{1, 7}, Shape{4, 5, 7}, Shape{1, 5, 7}, Shape{2, 1, 5, 7},
                               Shape{2, 4, 1, 7}, Shape{1, 4, 5, 7}, Shape{2, 1, 1, 7}, Shape{5, 1}})
      for (const DType dtype : {DType::f32, DType::f64})
        check({.causal = shape.size() == 3, .dtype = dtype, .mask_dtype = mask, .mask = shape}, isa);
  for (const Shape& shape : {Shape{5, 4}, Shape{2, 4, 5, 6}, Shape{3}})
    for (const DType dtype : {DType::f32, DType::f64})
      check({.dtype = dtype, .mask_dtype = DType::f32, .mask = shape, .opset = 24}, isa);
  for (const bool causal : {false, true})
    for (const bool masked : {false, true})
      for (const DType dtype : {DType::f32, DType::f64}) {
        AttentionOptions o{.causal = causal, .dtype = dtype, .key_counts = {7, 6}, .opset = 24};
        if (masked) o.mask_dtype = DType::boolean, o.mask = {4, 5, 7};
        check(o, isa);
      }
  check({.causal = true, .softcap = 2, .mask_dtype = DType::f32, .mask = {5, 7}}, isa);
}

TEST_CASE("Attention: past and present, scores of every mode") {
  const Isa isa = best_isa();
  for (const bool flat : {true, false})
    for (const DType dtype : {DType::f32, DType::f16})
      for (const bool causal : {true, false}) {
        check({.flat = flat, .causal = causal, .present = true, .dtype = dtype}, isa);
        check({.past = 6, .flat = flat, .causal = causal, .present = true, .dtype = dtype}, isa);
        check({.N = 1, .keys = 1, .past = 11, .flat = flat, .causal = causal, .dtype = dtype}, isa);
        for (const int mode : {0, 1, 2, 3})
          check({.past = 6,
                 .flat = flat,
                 .causal = causal,
                 .softcap = 2,
                 .dtype = dtype,
                 .mask_dtype = DType::f32,
                 .mask = {5, 13},
                 .qk_mode = mode},
                isa);
      }
}

TEST_CASE("Attention: present is past and new rows, as they came") {
  const AttentionCase c({.past = 3, .present = true});
  const Ran ran = run_graph(c.made, best_isa());
  const auto k = c.made.feeds.at("k").values<float>(), past = c.made.feeds.at("past_k").values<float>();
  const auto present = ran.outputs[1].values<float>();
  for (size_t g = 0; g < 2; ++g)
    for (size_t i = 0; i < 6; ++i) {
      CHECK(present[g * 60 + i] == past[g * 18 + i]);
      CHECK(present[g * 60 + 18 + i] == k[g * 6 + i]);
    }
}

TEST_CASE("Attention: a worked example of its cost") {
  // B=1, H=2, N=M=4, d=e=8: 2·4·4·16 = 512 MACs; causal hides 6 of 16 pairs a head.
  const AttentionCase c({.B = 1, .N = 4, .keys = 4, .H = 2, .G = 2, .d = 8, .e = 8, .causal = true});
  const Ran ran = run_graph(c.made, best_isa());
  const Cost& cost = ran.plan->estimate.layers[0].cost;
  CHECK(cost.macs == 512);
  CHECK(cost.macs_masked == 2 * 6 * 16);
  CHECK(cost.comparisons == 8 * 3);
  CHECK(cost.special == 8 * 4);
  CHECK(cost.elementwise == 8 * (3 * 4 - 1) + 8 * 4 + 2 * (4 + 4) * 8);  // softmax, mask, scale
  CHECK(ran.plan->rows[0].gap.macs.at("causal_skipped") == -cost.macs_masked);
  CHECK(ran.executed().macs == 512 - 192);
}

TEST_CASE("Attention: what does not fit is refused by name") {
  const auto error_of = [](const AttentionOptions& o, auto change) -> std::string {
    AttentionCase c(o);
    change(c.made);
    try {
      run_graph(c.made, Isa::scalar);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  const auto set = [](const char* key, Attribute value) {
    return [=](GraphMaker& made) { made.graph.nodes[0].attributes[key] = value; };
  };
  CHECK(error_of({}, set("q_num_heads", int64_t{5})) ==
        "Attention 'attention': Q of shape 2x5x24 must have a last extent divisible by 5 heads");
  CHECK(error_of({}, set("q_num_heads", int64_t{3})) ==
        "Attention 'attention': K with 6 elements a head must have 8 like Q");
  CHECK(error_of({}, set("kv_num_heads", int64_t{-1})) == "Attention 'attention': kv_num_heads=-1 must be > 0");
  CHECK(error_of({}, set("qk_matmul_output_mode", int64_t{4})) ==
        "Attention 'attention': qk_matmul_output_mode=4 must be 0, 1, 2 or 3");
  CHECK(error_of({}, set("softcap", -1.0f)) == "Attention 'attention': softcap=-1 must be >= 0");
  CHECK(error_of({.mask_dtype = DType::f32, .mask = {5, 6}}, set("is_causal", int64_t{0})) ==
        "Attention 'attention': attn_mask of shape 5x6 must broadcast to 2x4x5x7");
  CHECK(error_of({.flat = false}, [](GraphMaker& made) {
          made.feeds["q"] = Tensor(DType::f32, {2, 3, 5, 6});
          made.graph.inputs[0] = declare("q", DType::f32, {2, 3, 5, 6});
        }) == "Attention 'attention': 3 query heads must be a multiple of 2 key heads");
  CHECK(error_of({.past = 2}, [](GraphMaker& made) { made.graph.nodes[0].inputs[5] = ""; }) ==
        "Attention 'attention': one of past_key and past_value must be given both or neither");
}

// ------------------------------------------------------------------------------------------------------------
// streaming

/// x → q, k, v → causal attention → y over T steps, with what the options add.
GraphMaker sequence(int64_t T, bool causal, bool masked) {
  GraphMaker g;
  g.input("x", float_tensor({1, T, 8}, random_values(T * 8, 1)));
  for (const char* name : {"q", "k", "v"}) {
    g.constant(std::string("w") + name,
               float_tensor({8, name[0] == 'q' ? 8 : 4},
                            random_values(name[0] == 'q' ? 64 : 32, static_cast<uint32_t>(name[0]))));
    g.node("MatMul", {"x", std::string("w") + name}, name);
  }
  std::vector<std::string> in = {"q", "k", "v"};
  if (masked) {
    g.constant("mask", float_tensor({2, T, T}, random_values(2 * T * T, 9)));
    in.push_back("mask");
  }
  g.node("Attention", in, "y",
         {{"q_num_heads", int64_t{2}}, {"kv_num_heads", int64_t{1}}, {"is_causal", int64_t{causal}}}, 23);
  return g.output("y");
}

Context context_of(const GraphMaker& made, bool stream, Isa isa) {
  LoadOptions options;
  options.isa = isa;
  options.stream = stream;
  return Context(CompiledModel(made.graph, registry(), options));
}

TEST_CASE("Attention: causal, a step at a time with its keys in the context") {
  constexpr int64_t T = 150;
  for (const Isa isa : usable_isas())
    for (const bool masked : {false, true}) {
      CAPTURE(name_of(isa));
      const GraphMaker g = sequence(T, true, masked);
      const std::vector<double> whole = run_graph(g, isa).outputs[0].to_double();
      Context stream = context_of(g, true, isa);
      const auto x = g.feeds.at("x").values<float>();
      for (int round = 0; round < 2; ++round) {
        for (int64_t t = 0; t < T + 3; ++t) {  // beyond the last: no result, but nothing is written elsewhere
          const int64_t from = std::min(t, T - 1) * 8;
          for (int64_t c = 0; c < 8; ++c)
            stream.input<float>("x")[static_cast<size_t>(c)] = x[static_cast<size_t>(from + c)];
          RunRecord record = stream.make_record(true, false);
          stream.run_recorded(record);
          if (t == 0)
            for (size_t r = 0; r < record.tallies.size(); ++r)
              CHECK(record.tallies[r] == stream.plan().rows[r].planned.tally);
          double worst = 0;
          for (int64_t c = 0; c < 8 && t < T; ++c)
            worst = std::max(worst, std::abs(stream.output<float>(0)[static_cast<size_t>(c)] -
                                             whole[static_cast<size_t>(t * 8 + c)]));
          CHECK(worst <= 4e-6);
        }
        stream.reset();
      }
      CHECK(stream.plan().state_bytes == 2 * T * 4 * 4);
    }
}

TEST_CASE("Attention: without a causal mask no step can be alone") {
  CHECK_THROWS_WITH_AS(
      context_of(sequence(10, false, false), true, best_isa()),
      "Attention 'y': attends to later time steps (no causal mask) must run one time step at a time to be streamed",
      Error);
}

}  // namespace
