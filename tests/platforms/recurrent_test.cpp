// The recurrent kernel of every usable ISA against the definition in double: unit counts around the vectors, both walks
// through the weights, products made before, streams, reversed time, activations, counts.
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tally/platforms/kernels/pack_recurrent.h"
#include "tally/platforms/kernels/planned_recurrent.h"
#include "tests/platforms/kernel_check.h"
#include "tests/reference/recurrent_reference.h"

using namespace tally;
using namespace tally::test;
using reference::RecurrentProblem;

namespace {

constexpr RecurrentCell kCells[] = {RecurrentCell::elman, RecurrentCell::lstm, RecurrentCell::gru,
                                    RecurrentCell::gru_reset_first};

struct Case {
  RecurrentCell cell = RecurrentCell::elman;
  int64_t T = 1, B = 1, I = 1, H = 1;
  bool alternate = false, gates = false, reversed = false, bias = true, initial = true, y = true, final_state = true;
  GateActivation f = GateActivation::sigmoid, g = GateActivation::tanh, output = GateActivation::tanh;
  float clip = 0;
};

std::string describe(const Case& c) {
  return "cell " + std::to_string(static_cast<int>(c.cell)) + " T " + std::to_string(c.T) + " B " +
         std::to_string(c.B) + " I " + std::to_string(c.I) + " H " + std::to_string(c.H) +
         (c.alternate ? " alternate" : "") + (c.gates ? " gates" : "") + (c.reversed ? " reversed" : "") +
         (c.bias ? "" : " no bias");
}

std::vector<float> random(int64_t n, uint32_t seed, float scale) {
  std::vector<float> v(static_cast<size_t>(n));
  fill_random(v, seed);
  for (float& f : v) f *= scale;
  return v;
}

/// Operands of a case: one RecurrentProblem a sequence, and the kernel's buffers. Everything the kernel writes lies in
/// `written`: y, y_h, y_c, then h, c and scratch.
struct Problem {
  Case c;
  int64_t G;
  std::vector<RecurrentProblem> sequences;
  RecurrentArgs args;
  Floats x, gates, packed, bias, initial_h, initial_c, written;
  std::vector<int32_t> turns;
  int64_t y_h_at, y_c_at, state_at;

  static RecurrentArgs shape_args(const Case& c, const Geometry& g) {
    RecurrentArgs a;
    a.cell = c.cell;
    a.T = c.T;
    a.B = c.B;
    a.I = c.gates ? 0 : c.I;
    a.H = c.H;
    a.lanes = recurrent_lanes(c.H, g);
    a.padded = (c.H + a.lanes - 1) / a.lanes * a.lanes;
    a.alternate = c.alternate;
    a.f = c.f;
    a.g = c.g;
    a.output = c.output;
    a.clip = c.clip;
    return a;
  }

  Problem(const Case& k, const Geometry& g)
      : c(k),
        G(k.cell == RecurrentCell::lstm    ? 4
          : k.cell == RecurrentCell::elman ? 1
                                           : 3),
        args(shape_args(k, g)),
        x(size(k.T * k.B * args.I)),
        gates(size(k.gates ? k.T * k.B * G * k.H : 0)),
        packed(size(recurrent_weight_elements(args))),
        bias(size(recurrent_bias_elements(args))),
        initial_h(size(k.B * k.H)),
        initial_c(size(k.B * k.H)),
        written(size(k.T * k.B * k.H + 2 * k.B * k.H + 5 * k.B * args.padded)),
        turns(size(k.B)),
        y_h_at(k.T * k.B * k.H),
        y_c_at(y_h_at + k.B * k.H),
        state_at(y_c_at + k.B * k.H) {
    RecurrentProblem p;
    p.cell = c.cell;
    p.T = c.T;
    p.I = c.I;
    p.H = c.H;
    p.f = c.f;
    p.g = c.g;
    p.output = c.output;
    p.clip = c.clip;
    p.w = random(G * c.H * c.I, 1, 1);
    p.r = random(G * c.H * c.H, 2, 2 / std::sqrt(static_cast<float>(c.H)));
    if (c.bias) p.wb = random(G * c.H, 3, 1), p.rb = random(G * c.H, 4, 1);
    for (int64_t b = 0; b < c.B; ++b) {
      const auto seed = static_cast<uint32_t>(b) * 16;
      p.x = random(c.T * c.I, seed + 5, 1);
      p.h = random(c.H, seed + 6, c.initial ? 1.0f : 0.0f);
      p.c = random(c.H, seed + 7, c.initial ? 1.0f : 0.0f);
      sequences.push_back(p);
    }
    lay_out(g);
  }

  static size_t size(int64_t n) { return static_cast<size_t>(n); }

  /// Time of the kernel's operands runs backwards where the case is reversed: step t lies at position T − 1 − t.
  int64_t position(int64_t t) const { return c.reversed ? c.T - 1 - t : t; }

  void lay_out(const Geometry& g) {
    const RecurrentProblem& p = sequences[0];
    const RecurrentWeights raw{p.w.data(), p.r.data(), c.bias ? p.wb.data() : nullptr, c.bias ? p.rb.data() : nullptr};
    pack_recurrent(args, raw, g, packed.data());
    pack_recurrent_bias(args, raw, bias.data());
    for (int64_t b = 0; b < c.B; ++b) {
      const RecurrentProblem& s = sequences[size(b)];
      std::memcpy(initial_h.data() + b * c.H, s.h.data(), size(c.H) * 4);
      std::memcpy(initial_c.data() + b * c.H, s.c.data(), size(c.H) * 4);
      for (int64_t t = 0; t < c.T; ++t) {
        const int64_t row = position(t) * c.B + b;
        if (!c.gates)
          std::memcpy(x.data() + row * c.I, s.x.data() + t * c.I, size(c.I) * 4);
        else
          for (int64_t k = 0; k < G * c.H; ++k) gates[size(row * G * c.H + k)] = product(s, t, k);
      }
    }
    const int64_t last = position(0) * c.B, way = c.reversed ? -1 : 1;
    args.x = x.data() + last * args.I;
    args.x_step = way * c.B * args.I;
    args.x_sequence = args.I;
    args.gates = c.gates ? gates.data() + last * G * c.H : nullptr;
    args.gates_step = way * c.B * G * c.H;
    args.gates_sequence = G * c.H;
    args.w = packed.data();
    args.bias = c.bias ? bias.data() : nullptr;
    args.initial_h = c.initial ? initial_h.data() : nullptr;
    args.initial_c = c.initial ? initial_c.data() : nullptr;
    args.initial_sequence = args.state_sequence = args.y_sequence = c.H;
    args.y = c.y ? written.data() + last * c.H : nullptr;
    args.y_step = way * c.B * c.H;
    args.y_h = c.final_state ? written.data() + y_h_at : nullptr;
    args.y_c = c.final_state && c.cell == RecurrentCell::lstm ? written.data() + y_c_at : nullptr;
    args.h = written.data() + state_at;
    args.c = args.h + 2 * c.B * args.padded;
    args.scratch = args.c + c.B * args.padded;
  }

  /// What a matrix product over time would have made: bias and W·x of gate row k, rounded to float.
  float product(const RecurrentProblem& s, int64_t t, int64_t k) const {
    const bool apart = c.cell == RecurrentCell::gru && k >= 2 * c.H;
    double sum = c.bias ? double{s.wb[size(k)]} + (apart ? 0.0 : double{s.rb[size(k)]}) : 0.0;
    for (int64_t i = 0; i < c.I; ++i) sum += double{s.w[size(k * c.I + i)]} * s.x[size(t * c.I + i)];
    return static_cast<float>(sum);
  }
};

void check(const KernelTable& counted, const KernelTable& uncounted, const Case& c) {
  const std::string text = describe(c);
  CAPTURE(text);
  Problem p(c, counted.geometry);
  const Planned planned = planned_recurrent(p.args, counted.geometry);
  check_kernel(
      p.written, p.args.items(), [&](int64_t b, int64_t e, Tally* t) { counted.recurrent(p.args, b, e, t); },
      [&](int64_t b, int64_t e, Tally* t) { uncounted.recurrent(p.args, b, e, t); }, planned,
      operands(p.x, p.gates, p.packed, p.bias, p.initial_h, p.initial_c));
  check_nest(loop_nest(p.args, counted.geometry), planned);
  CHECK(planned.tally.macs == c.T * c.B * p.G * c.H * (p.args.I + c.H));
  size_t wrong = 0;
  double worst = 0;
  const auto compare = [&](float got, const reference::Approximate& want) {
    const double error = std::fabs(got - want.value);
    wrong += !(error <= want.error);
    worst = std::max(worst, error / want.error);
  };
  for (int64_t b = 0; b < c.B; ++b) {
    const auto expected = reference::RecurrentReference(p.sequences[static_cast<size_t>(b)]).run();
    for (int64_t j = 0; j < c.H; ++j) {
      for (int64_t t = 0; c.y && t < c.T; ++t)
        compare(p.written[static_cast<size_t>((p.position(t) * c.B + b) * c.H + j)],
                expected.y[static_cast<size_t>(t * c.H + j)]);
      if (p.args.y_h) compare(p.args.y_h[b * c.H + j], expected.y[static_cast<size_t>((c.T - 1) * c.H + j)]);
      if (p.args.y_c) compare(p.args.y_c[b * c.H + j], expected.c[static_cast<size_t>(j)]);
    }
  }
  CAPTURE(worst);
  CHECK(wrong == 0);
}

/// Unit counts around a vector of every width, and panels of every width.
std::vector<int64_t> unit_counts(const Geometry& g) {
  const int64_t L = g.lanes;
  std::vector<int64_t> counts = {1, 2, 3, 7, 8, 9, 37};
  for (const int64_t n : {L - 1, L, L + 1, L + L / 2, 2 * L, 3 * L - 1, 5 * L, 7 * L, 11 * L + 1})
    if (n > 0) counts.push_back(n);
  return counts;
}

}  // namespace

TEST_CASE("recurrent: every count of units, both walks") {
  on_every_isa([](const KernelTable& counted, const KernelTable& uncounted) {
    for (const RecurrentCell cell : kCells)
      for (const int64_t H : unit_counts(counted.geometry))
        for (const bool alternate : {false, true})
          check(counted, uncounted, {.cell = cell, .T = 3, .I = 1 + H % 5, .H = H, .alternate = alternate});
  });
}

TEST_CASE("recurrent: steps, sequences, inputs") {
  on_every_isa([](const KernelTable& counted, const KernelTable& uncounted) {
    for (const RecurrentCell cell : kCells)
      for (const int64_t T : {1, 2, 7})
        for (const int64_t B : {1, 3})
          for (const int64_t I : {1, 4, 13})
            for (const bool alternate : {false, true})
              check(counted, uncounted,
                    {.cell = cell, .T = T, .B = B, .I = I, .H = 19, .alternate = alternate, .reversed = B == 3});
  });
}

TEST_CASE("recurrent: products of x made before") {
  on_every_isa([](const KernelTable& counted, const KernelTable& uncounted) {
    for (const RecurrentCell cell : kCells)
      for (const int64_t H : unit_counts(counted.geometry))
        check(
            counted, uncounted,
            {.cell = cell, .T = 2, .B = 2, .I = 5, .H = H, .alternate = H % 2 == 0, .gates = true, .bias = H % 3 != 0});
  });
}

TEST_CASE("recurrent: operands that may be absent") {
  on_every_isa([](const KernelTable& counted, const KernelTable& uncounted) {
    for (const RecurrentCell cell : kCells) {
      check(counted, uncounted, {.cell = cell, .T = 3, .B = 2, .I = 2, .H = 11, .bias = false});
      check(counted, uncounted, {.cell = cell, .T = 3, .B = 2, .I = 2, .H = 11, .initial = false});
      check(counted, uncounted, {.cell = cell, .T = 3, .B = 2, .I = 2, .H = 11, .y = false});
      check(counted, uncounted, {.cell = cell, .T = 3, .B = 2, .I = 2, .H = 11, .final_state = false});
    }
  });
}

TEST_CASE("recurrent: activations and clip") {
  on_every_isa([](const KernelTable& counted, const KernelTable& uncounted) {
    constexpr GateActivation kKinds[] = {GateActivation::sigmoid, GateActivation::tanh, GateActivation::relu};
    for (const RecurrentCell cell : kCells)
      for (const GateActivation f : kKinds)
        for (const GateActivation g : kKinds)
          for (const float clip : {0.0f, 0.4f})
            check(counted, uncounted,
                  {.cell = cell,
                   .T = 3,
                   .I = 3,
                   .H = 21,
                   .f = f,
                   .g = g,
                   .output = g == f ? kKinds[0] : f,
                   .clip = clip});
  });
}

TEST_CASE("recurrent: a stream gives the bits of the whole sequence") {
  on_every_isa([](const KernelTable& counted, const KernelTable& uncounted) {
    for (const RecurrentCell cell : kCells) {
      for (const bool alternate : {false, true}) {
        Problem whole({.cell = cell, .T = 6, .B = 2, .I = 3, .H = 37, .alternate = alternate, .initial = false},
                      counted.geometry);
        uncounted.recurrent(whole.args, 0, 2, nullptr);
        const std::vector<float> y(whole.written.data(), whole.written.data() + whole.y_h_at);

        Problem stream(whole.c, counted.geometry);
        std::memset(stream.args.h, 0, static_cast<size_t>(5 * 2 * stream.args.padded) * 4);
        stream.args.turn = stream.turns.data();
        stream.args.y_h = stream.args.y_c = nullptr;
        Tally tally;
        int64_t first = 0;
        for (const int64_t steps : {1, 1, 3, 1}) {
          RecurrentArgs args = stream.args;
          args.T = steps;
          args.x += first * args.x_step;
          args.y += first * args.y_step;
          Tally part;
          counted.recurrent(args, 0, 2, &part);
          CHECK(part == planned_recurrent(args, counted.geometry).tally);
          first += steps;
        }
        CHECK(std::memcmp(y.data(), stream.written.data(), y.size() * 4) == 0);
      }
    }
  });
}

TEST_CASE("recurrent: the counts of one LSTM step by hand") {
  on_every_isa([](const KernelTable& counted, const KernelTable&) {
    Problem p({.cell = RecurrentCell::lstm, .I = 1, .H = 8, .initial = false}, counted.geometry);
    const Planned planned = planned_recurrent(p.args, counted.geometry);
    CHECK(planned.tally.macs == 4 * 8 * (1 + 8));
    if (p.args.lanes != 8) return;
    // AVX2 and AVX-512: one panel of 8 lanes, nothing padded. Weights and bias once; x, h and c once; h and c stored,
    // and at the end read and stored again; at the start both zeroed.
    CHECK(planned.lane_padding == 0);
    CHECK(planned.loaded_weights == 4 * (4 * 8 * 9 + 4 * 8));
    CHECK(planned.loaded_activations == 4);
    CHECK(planned.loaded_state == 4 * (8 + 8 + 16));
    CHECK(planned.stored_state == 4 * (16 + 16));
    CHECK(planned.stored_outputs == 4 * (8 + 16));
  });
}
