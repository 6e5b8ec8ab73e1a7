// RNN, LSTM and GRU: values against the double-precision reference over their attributes, costs against examples worked
// by hand, and the laws of counting.
#include "recurrent_problem.h"
#include "tally/layers/builder.h"

namespace {

using namespace tally;
using namespace tally::test;

/// Rounding of an element type, as a fraction.
double unit_of(DType dtype) {
  switch (dtype) {
    case DType::f64:
      return 0x1p-53;
    case DType::f16:
      return 0x1p-11;
    case DType::bf16:
      return 0x1p-8;
    default:
      return 0x1p-24;
  }
}

/// Every step errs by at most about K = I + H + 12 roundings (products and sums, activations) of values up to 4; what h
/// carries over is halved each time (see make_recurrent), c at most adds up over the steps, and peepholes lead it back.
double tolerance(const RecurrentOptions& o) {
  return 4 * static_cast<double>(o.I + o.H + 12) * static_cast<double>(o.T + 2) * unit_of(o.dtype);
}

void check_outputs(const RecurrentCase& c, const Ran& ran) {
  const reference::RecurrentAnswer answer = c.answer();
  const std::vector<double>* expected[] = {&answer.y, &answer.y_h, &answer.y_c};
  size_t next = 0;
  for (int i : c.options.wanted) {
    if (i == 2 && c.options.kind != CellKind::lstm) continue;
    const std::vector<double> found = ran.outputs[next++].to_double();
    REQUIRE(found.size() == expected[i]->size());
    double worst = 0;
    for (size_t k = 0; k < found.size(); ++k)
      worst = std::max(worst, std::abs(found[k] - (*expected[i])[k]) / std::max(1.0, std::abs((*expected[i])[k])));
    CAPTURE(i);
    CHECK(worst <= tolerance(c.options));
  }
}

Ran check_recurrent(const RecurrentOptions& options, Isa isa = best_isa()) {
  CAPTURE(std::string(name_of(options.kind)));
  CAPTURE(options.direction);
  CAPTURE(options.seed);
  CAPTURE(name_of(options.dtype));
  CAPTURE(name_of(isa));
  const RecurrentCase c = make_recurrent(options);
  Ran ran = run_graph(c.made, isa);
  check_outputs(c, ran);
  return ran;
}

constexpr CellKind kKinds[] = {CellKind::elman, CellKind::lstm, CellKind::gru};

/// A node drawn at random from all that the operators allow.
RecurrentOptions draw(CellKind kind, DType dtype, uint32_t seed) {
  using Names = std::vector<std::string>;
  // A gate that is not bounded makes states grow beyond all bounds.
  static const Names bounded = {"Sigmoid", "HardSigmoid", "Tanh", "Softsign", "ScaledTanh"};
  static const Names any = {"Tanh", "Sigmoid", "Affine", "LeakyRelu", "Relu", "Elu", "Softplus", "HardSigmoid"};
  std::mt19937 random(seed * 7 + static_cast<uint32_t>(kind));
  const auto pick = [&](int64_t n) { return static_cast<int64_t>(random() % static_cast<uint64_t>(n)); };
  RecurrentOptions o;
  o.kind = kind;
  o.dtype = dtype;
  o.seed = seed;
  o.T = 1 + pick(7);
  o.B = 1 + pick(4);
  o.I = 1 + pick(19);
  o.H = 1 + pick(21);
  o.direction = std::vector<std::string>{"forward", "reverse", "bidirectional"}[static_cast<size_t>(pick(3))];
  o.batch_first = pick(2) != 0;
  o.bias = pick(3) != 0;
  o.initial = pick(2) != 0;
  o.feed_initial = pick(2) != 0;
  o.peepholes = pick(2) != 0;
  o.input_forget = pick(3) == 0;
  o.linear_before_reset = pick(2) != 0;
  if (pick(3) == 0) o.clip = 0.5f;
  const int directions = o.direction == "bidirectional" ? 2 : 1;
  if (pick(2) != 0)
    for (int i = 0; i < directions * functions_of(kind); ++i) {
      const Names& names = kind != CellKind::elman && i % functions_of(kind) == 0 ? bounded : any;
      o.activations.push_back(names[static_cast<size_t>(pick(static_cast<int64_t>(names.size())))]);
    }
  for (size_t i = 0; i < o.activations.size(); ++i) {
    o.alpha.push_back(0.25f + 0.0625f * static_cast<float>(pick(8)));
    o.beta.push_back(0.125f * static_cast<float>(pick(4)));
  }
  if (pick(3) == 0)
    for (int64_t b = 0; b < o.B; ++b) o.lengths.push_back(pick(o.T + 1));
  o.feed_lengths = pick(2) != 0;
  o.wanted = std::vector<std::vector<int>>{{0, 1, 2}, {0}, {1}, {0, 2}, {1, 2}}[static_cast<size_t>(pick(5))];
  if (o.wanted == std::vector<int>{0, 2} && kind != CellKind::lstm) o.wanted = {0, 1};
  return o;
}

TEST_CASE("recurrent: random nodes of every attribute and element type") {
  for (const CellKind kind : kKinds) {
    for (uint32_t seed = 1; seed <= 150; ++seed) check_recurrent(draw(kind, DType::f64, seed));
    for (uint32_t seed = 200; seed <= 260; ++seed)
      for (const Isa isa : usable_isas()) check_recurrent(draw(kind, DType::f32, seed), isa);
    for (uint32_t seed = 300; seed <= 320; ++seed) {
      check_recurrent(draw(kind, DType::f16, seed));
      check_recurrent(draw(kind, DType::bf16, seed));
    }
  }
}

TEST_CASE("recurrent: every activation, its defaults and its parameters") {
  for (const char* name : {"Relu", "Tanh", "Sigmoid", "Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh",
                           "HardSigmoid", "Elu", "Softsign", "Softplus", "softPLUS"}) {
    CAPTURE(name);
    RecurrentOptions o{.kind = CellKind::elman, .activations = {name}, .dtype = DType::f64};
    check_recurrent(o);
    o.alpha = {0.75f};
    o.beta = {0.25f};
    check_recurrent(o);
    o.dtype = DType::f32;
    for (const Isa isa : usable_isas()) check_recurrent(o, isa);
  }
}

CellActivation activation_of(std::vector<std::string> names, std::vector<float> alpha, std::vector<float> beta, int i) {
  Node node;
  node.name = node.op = "LSTM";
  node.attributes = {{"activations", names}, {"activation_alpha", alpha}, {"activation_beta", beta}};
  return read_recurrent(node, CellKind::lstm).activations[static_cast<size_t>(i)];
}

TEST_CASE("recurrent: alpha and beta go to the activations that take them, or one to each") {
  const std::vector<std::string> names = {"Sigmoid", "LeakyRelu", "HardSigmoid"};
  CHECK(activation_of(names, {}, {}, 1) == CellActivation{CellFunction::leaky_relu, 0.01f, 0});
  CHECK(activation_of(names, {}, {}, 2) == CellActivation{CellFunction::hard_sigmoid, 0.2f, 0.5f});
  CHECK(activation_of(names, {0.5f}, {0.25f}, 1) == CellActivation{CellFunction::leaky_relu, 0.5f, 0});
  CHECK(activation_of(names, {0.5f}, {0.25f}, 2) == CellActivation{CellFunction::hard_sigmoid, 0.2f, 0.25f});
  CHECK(activation_of(names, {0.5f, 0.75f}, {}, 2) == CellActivation{CellFunction::hard_sigmoid, 0.75f, 0.5f});
  CHECK(activation_of(names, {9, 0.5f, 0.75f}, {9, 9, 0.125f}, 2) ==
        CellActivation{CellFunction::hard_sigmoid, 0.75f, 0.125f});
}

TEST_CASE("recurrent: lengths of none, some and all steps; known and fed; each direction") {
  for (const CellKind kind : kKinds)
    for (const char* direction : {"forward", "reverse", "bidirectional"})
      for (const bool fed : {false, true})
        for (const bool initial : {false, true})
          for (const bool batch_first : {false, true}) {
            RecurrentOptions o{.kind = kind, .T = 4, .B = 4, .direction = direction, .batch_first = batch_first};
            o.initial = initial;
            o.lengths = {4, 0, 1, 3};
            o.feed_lengths = fed;
            const Ran ran = check_recurrent(o);
            const PlanRow& row = ran.plan->rows[0];
            // Of 16 steps 8 lie beyond an end: left out where that is known.
            CHECK(row.ideal.macs == o.H * (o.I + o.H) * gates_of(kind) * 16 * (direction[0] == 'b' ? 2 : 1));
            CHECK((row.gap.macs.contains("steps_skipped") ? row.gap.macs.at("steps_skipped") : 0) ==
                  (fed ? 0 : -row.ideal.macs / 2));
          }
}

TEST_CASE("recurrent: a forget gate that is 1 − i is not computed, and the gap says so") {
  const Ran ran = check_recurrent({.kind = CellKind::lstm, .input_forget = true, .dtype = DType::f64});
  CHECK(ran.plan->rows[0].ideal.macs == 5 * 3 * 4 * 6 * (4 + 6));
  CHECK(ran.plan->rows[0].gap.macs.at("gates_skipped") == -5 * 3 * 6 * (4 + 6));
}

TEST_CASE("recurrent: no steps, no sequences") {
  for (const CellKind kind : kKinds)
    for (const bool initial : {false, true}) {
      check_recurrent({.kind = kind, .T = 0, .direction = "bidirectional", .initial = initial});
      check_recurrent({.kind = kind, .B = 0, .initial = initial});
      check_recurrent({.kind = kind, .T = 0, .B = 0, .batch_first = true});
    }
}

// ----------------------------------------------------------------------------------------------------------------
// costs

TEST_CASE("recurrent: costs of examples worked by hand") {
  const auto estimate_of = [](const RecurrentOptions& o) {
    return run_graph(make_recurrent(o).made, Isa::scalar).plan->estimate;
  };
  // LSTM, T 5, B 2, I 3, H 4: a step 4·(3+4)·4 = 112 products.
  RecurrentOptions o{.kind = CellKind::lstm, .T = 5, .B = 2, .I = 3, .H = 4};
  NodeEstimate e = estimate_of(o).layers[0];
  CHECK(e.cost.macs == 1120);
  CHECK(e.ops_sequential() == 2240);
  CHECK(e.ops_fused() == 1120 + 5 * 2 * 4 * 4);
  CHECK(e.cost.elementwise == 4 * 40);
  CHECK(e.cost.special == 5 * 40);
  CHECK(e.params == 48 + 64 + 32);
  CHECK(e.bytes_read == 4 * 30);
  CHECK(e.bytes_weights == 4 * 144);
  CHECK(e.bytes_written == 4 * (40 + 8 + 8));
  CHECK(e.operations() == 2240 + 160 + 200);
  // Peepholes are parameters, initial states neither parameters nor bytes, fed or not.
  o.peepholes = o.initial = true;
  const NodeEstimate constant = estimate_of(o).layers[0];
  CHECK(constant.params == 144 + 12);
  CHECK(constant.bytes_read == 4 * 30);
  CHECK(constant.bytes_weights == 4 * 156);
  o.feed_initial = true;
  CHECK(estimate_of(o).layers[0].bytes_read == 4 * 30);
  // GRU in both directions: 2·3·(3+4)·4 a step and sequence.
  o = {.kind = CellKind::gru, .T = 5, .B = 2, .I = 3, .H = 4, .direction = "bidirectional"};
  e = estimate_of(o).layers[0];
  CHECK(e.cost.macs == 1680);
  CHECK(e.ops_fused() == 1680 + 2 * 3 * 40);
  CHECK(e.cost.elementwise == 2 * 5 * 40);
  CHECK(e.cost.special == 2 * 3 * 40);
  CHECK(e.params == 2 * (36 + 48 + 24));
  // Elman without biases, Y_h alone.
  o = {.kind = CellKind::elman, .T = 5, .B = 2, .I = 3, .H = 4, .bias = false, .wanted = {1}};
  const Estimate whole = estimate_of(o);
  e = whole.layers[0];
  CHECK(e.cost.macs == 280);
  CHECK(e.ops_fused() == 280);
  CHECK(e.cost.elementwise == 0);
  CHECK(e.cost.special == 40);
  CHECK(e.bytes_written == 4 * 8);
  CHECK(e.output_elements == 8);
  CHECK(whole.totals.activation_elements_textbook == 8);
}

TEST_CASE("recurrent: formulas with their numbers, and the source where lengths are not counted") {
  RecurrentOptions o{.kind = CellKind::lstm, .T = 2, .B = 2, .I = 3, .H = 4};
  o.lengths = {1, 2};
  const Cost cost = run_graph(make_recurrent(o).made, Isa::scalar).plan->estimate.layers[0].cost;
  REQUIRE(cost.formulas.size() == 4);
  CHECK(cost.formulas[0].symbols == "D·B·T·gates·(I+H)·H");
  CHECK(cost.formulas[0].numbers == "1·2·2·4·7·4");
  CHECK(cost.formulas[0].value == cost.macs);
  CHECK(cost.source.find("every sequence counts as T steps") != std::string::npos);
}

// --------------------------------------------------------------------------------------------------------------
// builder

TEST_CASE("recurrent: a first-order recursive filter is a linear net of one unit") {
  // y_t = b·x_t + a·y_(t−1): two products a step.
  const float a = 0.875f, b = 0.125f;
  Builder builder;
  const auto x = builder.input({8, 1, 1});
  const auto y = builder.rnn(x, builder.constant({1, 1, 1}, {b}), builder.constant({1, 1, 1}, {a}), {},
                             {.activations = {"Affine"}, .alpha = {1}, .beta = {0}});
  GraphMaker made;
  made.graph = builder.graph({y.y});
  const std::vector<double> pulse = {1, 0, 0, 0, 1, -1, 0.5, 0};
  made.feeds["input_0"] = float_tensor({8, 1, 1}, pulse);
  const Ran ran = run_graph(made, best_isa());
  double state = 0;
  for (size_t t = 0; t < pulse.size(); ++t) {
    state = b * pulse[t] + a * state;
    CHECK(ran.outputs[0].to_double()[t] == doctest::Approx(state).epsilon(1e-6));
  }
  CHECK(ran.plan->estimate.totals.macs == 2 * 8);
  CHECK(ran.executed().macs == 2 * 8);
}

TEST_CASE("recurrent: built without ONNX, with every option") {
  Builder b;
  const auto x = b.input({5, 2, 3});
  const auto c = [&](const Shape& shape) {
    return b.constant(Tensor(float_tensor(shape, random_values(element_count(shape), 4))));
  };
  const auto h = b.lstm(x, c({1, 16, 3}), c({1, 16, 4}), c({1, 32}));
  const auto two = b.lstm(x, c({2, 16, 3}), c({2, 16, 4}), c({2, 32}),
                          {.direction = "bidirectional", .clip = 2.0f, .input_forget = true, .peepholes = c({2, 12})});
  const auto g = b.gru(x, c({1, 12, 3}), c({1, 12, 4}), c({1, 24}),
                       {.direction = "reverse", .linear_before_reset = true, .initial_h = c({1, 2, 4})});
  GraphMaker made;
  made.graph = b.graph({h, h.y_h, h.y_c, two.y, g.y_h});
  made.feeds["input_0"] = float_tensor({5, 2, 3}, random_values(30, 9));
  const Ran ran = run_graph(made, best_isa());
  CHECK(ran.outputs[0].shape() == Shape{5, 1, 2, 4});
  CHECK(ran.outputs[1].shape() == Shape{1, 2, 4});
  CHECK(ran.outputs[3].shape() == Shape{5, 2, 2, 4});
  for (size_t i = 0; i < 8; ++i) CHECK(ran.outputs[0].to_double()[32 + i] == ran.outputs[1].to_double()[i]);
  CHECK(ran.plan->estimate.layers[0].params == 48 + 64 + 32);
}

// ---------------------------------------------------------------------------------------------------------------
// errors

/// The error of an LSTM (T 5, B 3, I 4, H 6) after `change`.
template <class Change>
std::string error_after(Change change, const RecurrentOptions& options = {}) {
  RecurrentCase c = make_recurrent(options);
  change(c.made);
  try {
    run_graph(c.made, Isa::scalar);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

template <class Value>
std::string error_with(const char* attribute, Value value, const RecurrentOptions& options = {}) {
  return error_after([&](GraphMaker& g) { g.graph.nodes[0].attributes[attribute] = value; }, options);
}

std::string error_with_constant(const char* name, Tensor tensor) {
  return error_after([&](GraphMaker& g) { g.graph.initializers[name] = std::move(tensor); },
                     {.initial = true, .peepholes = true, .lengths = {5, 5, 5}});
}

TEST_CASE("recurrent: wrong operands name node, found and required") {
  const auto zeros = [](const Shape& shape) { return Tensor(DType::f32, shape); };
  CHECK(error_with_constant("w", zeros({1, 24, 5})) ==
        "LSTM 'LSTM': W of shape 1x24x5 must have shape 1x24x4 (directions, gates·H, I)");
  CHECK(error_with_constant("r", zeros({1, 24, 7})) == "LSTM 'LSTM': hidden_size=6 must equal R's H=7");
  CHECK(error_with_constant("r", zeros({2, 24, 6})) ==
        "LSTM 'LSTM': R of shape 2x24x6 must have shape 1x24x6 (directions, gates·H, H)");
  CHECK(error_with_constant("r", zeros({24, 6})) ==
        "LSTM 'LSTM': R of shape 24x6 must have rank 3: directions, gates·H, H");
  CHECK(error_with_constant("b", zeros({1, 24})) ==
        "LSTM 'LSTM': B of shape 1x24 must have shape 1x48 (directions, 2·gates·H)");
  CHECK(error_with_constant("p", zeros({1, 24})) ==
        "LSTM 'LSTM': P of shape 1x24 must have shape 1x18 (directions, 3·H)");
  CHECK(error_with_constant("h0", zeros({3, 1, 6})) ==
        "LSTM 'LSTM': initial_h of shape 3x1x6 must have shape 1x3x6 (directions, batch, H)");
  CHECK(error_with_constant("c0", zeros({1, 3, 5})) ==
        "LSTM 'LSTM': initial_c of shape 1x3x5 must have shape 1x3x6 (directions, batch, H)");
  CHECK(error_with_constant("lengths", Tensor(DType::i32, {4})) ==
        "LSTM 'LSTM': sequence_lens of shape 4 must have shape 3 (batch)");
  CHECK(error_with_constant("lengths", Tensor(DType::i64, {3})) ==
        "LSTM 'LSTM': sequence_lens of type int64 must be int32");
  const std::vector<int32_t> beyond = {5, 6, 1}, before = {-1, 2, 3};
  CHECK(error_with_constant("lengths", Tensor::of<int32_t>(DType::i32, {3}, beyond)) ==
        "LSTM 'LSTM': sequence_lens[1]=6 must be 0 to 5");
  CHECK(error_with_constant("lengths", Tensor::of<int32_t>(DType::i32, {3}, before)) ==
        "LSTM 'LSTM': sequence_lens[0]=-1 must be 0 to 5");
  CHECK(error_with_constant("w", Tensor(DType::f64, {1, 24, 4})) ==
        "LSTM 'LSTM': W of type float64 must be float32 like X");
  CHECK(error_with_constant("r", zeros({1, int64_t{0}, 0})) ==
        "LSTM 'LSTM': R of shape 1x0x0 must have 1 to 2^40 hidden units in dimension 2");
  CHECK(error_after([](GraphMaker& g) { g.graph.nodes[0].inputs.resize(2); }) ==
        "LSTM 'LSTM': 2 inputs must be 3 to 8");
  CHECK(error_after([](GraphMaker& g) { g.graph.nodes[0].inputs[1] = ""; }) ==
        "LSTM 'LSTM': input 1 is absent; must be given");
}

TEST_CASE("recurrent: wrong attributes name node, found and required") {
  CHECK(error_with("hidden_size", int64_t{5}) == "LSTM 'LSTM': hidden_size=5 must equal R's H=6");
  CHECK(error_with("hidden_size", int64_t{-6}) == "LSTM 'LSTM': hidden_size=-6 must be >= 1");
  CHECK(error_with("hidden_size", INT64_MAX) == "LSTM 'LSTM': hidden_size=9223372036854775807 must equal R's H=6");
  CHECK(error_with("direction", std::string("sideways")) ==
        "LSTM 'LSTM': direction='sideways' must be forward, reverse or bidirectional");
  CHECK(error_with("layout", int64_t{2}) == "LSTM 'LSTM': layout=2 must be 0 or 1");
  CHECK(error_with("clip", -1.0f) == "LSTM 'LSTM': clip=-1 must be > 0");
  CHECK(error_with("activations", std::vector<std::string>{"Sigmoid", "Tanh"}) ==
        "LSTM 'LSTM': 2 activations must be 3: 3 a direction");
  CHECK(error_with("activations", std::vector<std::string>{"Sigmoid", "Tanh", "Cosine"}) ==
        "LSTM 'LSTM': activation 'Cosine' must be one of Relu, Tanh, Sigmoid, Affine, LeakyRelu, ThresholdedRelu, "
        "ScaledTanh, HardSigmoid, Elu, Softsign, Softplus");
  CHECK(error_with("activations", std::string("Tanh")) ==
        "LSTM 'LSTM': activations of another type must be a list of strings");
  CHECK(error_with("activation_alpha", std::vector<float>{1, 2}) ==
        "LSTM 'LSTM': activation_alpha of 2 values must have at most 0 (one an activation that takes it) or 3");
  CHECK(error_with("direction", std::string("bidirectional")) ==
        "LSTM 'LSTM': R of shape 1x24x6 must have shape 2x24x6 (directions, gates·H, H)");
}

TEST_CASE("recurrent: gigantic extents end in an error") {
  const int64_t huge = int64_t{1} << 45;
  CHECK(error_after([&](GraphMaker& g) {
          g.graph.nodes[0].attributes.erase("hidden_size");
          g.graph.initializers["r"] = Tensor::without_data(DType::f32, {1, 0, huge});
        }).find("must have 1 to 2^40 hidden units") != std::string::npos);
  CHECK(error_after([&](GraphMaker& g) {
          g.graph.nodes[0].attributes.erase("hidden_size");
          g.graph.initializers["r"] = Tensor::without_data(DType::f32, {1, 0, huge / 64});
        }).find("LSTM 'LSTM': R of shape") != std::string::npos);
  const std::string long_sequence = error_after([&](GraphMaker& g) {
    g.graph.inputs[0] = declare("x", DType::f32, {huge, 3, 4});
  });
  CHECK(long_sequence.find("must be at most") != std::string::npos);
}

}  // namespace
