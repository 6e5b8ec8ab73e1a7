// Which recurrent layers run on the kernel, and that those large enough for its other ways (a product over time,
// weights walked from either end) give the right values too.
#include "recurrent_problem.h"

namespace {

using namespace tally;
using namespace tally::test;

constexpr CellKind kKinds[] = {CellKind::elman, CellKind::lstm, CellKind::gru};

std::string kernel_of(const RecurrentOptions& options) {
  const RecurrentCase c = make_recurrent(options);
  const CompiledModel model(c.made.graph, registry(), {.isa = best_isa()});
  return Context(model).plan().rows[0].kernel;
}

/// Kernels must count as planned (run_graph checks it) and agree with the reference.
void check_large(const RecurrentOptions& o, Isa isa, int steps) {
  CAPTURE(std::string(name_of(o.kind)));
  CAPTURE(std::string(name_of(isa)));
  CAPTURE(o.direction);
  const RecurrentCase c = make_recurrent(o);
  const Ran ran = run_graph(c.made, isa);
  const CompiledModel model(c.made.graph, registry(), {.isa = isa});
  const Context context(model);
  const PlanRow& row = context.plan().rows[0];
  CHECK(row.kernel == "recurrent");
  CHECK(row.step_count == steps);
  const reference::RecurrentAnswer answer = c.answer();
  const std::vector<double>* expected[] = {&answer.y, &answer.y_h, &answer.y_c};
  // About I + H + 12 roundings a step of sums up to I / 2; what h carries over is halved each time (make_recurrent), c
  // at most adds up.
  const double bound = static_cast<double>(o.I * (o.I + o.H + 12) * (o.T + 2)) * 0x1p-24;
  for (size_t k = 0; k < ran.outputs.size(); ++k) {
    const std::vector<double> found = ran.outputs[k].to_double();
    REQUIRE(found.size() == expected[k]->size());
    double worst = 0;
    for (size_t i = 0; i < found.size(); ++i) worst = std::max(worst, std::abs(found[i] - (*expected[k])[i]));
    CHECK(worst <= bound);
  }
}

TEST_CASE("recurrent kernel: what it serves") {
  for (const CellKind kind : kKinds) {
    CHECK(kernel_of({.kind = kind}) == "recurrent");
    CHECK(kernel_of({.kind = kind, .direction = "bidirectional", .batch_first = true}) == "recurrent");
    CHECK(kernel_of({.kind = kind, .linear_before_reset = true, .clip = 0.5f}) == "recurrent");
    CHECK(kernel_of({.kind = kind, .initial = true, .feed_initial = true}) == "recurrent");
    CHECK(kernel_of({.kind = kind, .lengths = {5, 5, 5}}) == "recurrent");
    CHECK(kernel_of({.kind = kind, .lengths = {5, 2, 5}}) == "host");
    CHECK(kernel_of({.kind = kind, .dtype = DType::f64}) == "host");
    const size_t functions = static_cast<size_t>(functions_of(kind));
    CHECK(kernel_of({.kind = kind, .activations = std::vector<std::string>(functions, "Relu")}) == "recurrent");
    CHECK(kernel_of({.kind = kind, .activations = std::vector<std::string>(functions, "Softsign")}) == "host");
  }
  CHECK(kernel_of({.kind = CellKind::lstm, .peepholes = true}) == "host");
  CHECK(kernel_of({.kind = CellKind::lstm, .input_forget = true}) == "host");
}

TEST_CASE("recurrent kernel: large layers, the input product over time") {
  for (const CellKind kind : kKinds)
    for (const Isa isa : usable_isas())
      for (const char* direction : {"forward", "reverse", "bidirectional"})
        for (const bool variant : {false, true}) {
          RecurrentOptions o{.kind = kind, .T = 4, .B = 2, .I = 45, .H = 83, .direction = direction};
          o.batch_first = o.initial = o.linear_before_reset = variant;
          const int directions = std::string(direction) == "bidirectional" ? 2 : 1;
          check_large(o, isa, 2 * directions);
          o.T = o.B = 1;
          check_large(o, isa, directions);
        }
}

TEST_CASE("recurrent kernel: a large layer step by step") {
  for (const CellKind kind : kKinds)
    for (const Isa isa : usable_isas())
      for (const bool variant : {false, true}) {
        CAPTURE(std::string(name_of(kind)));
        CAPTURE(std::string(name_of(isa)));
        // One input: no product over time, so that the stream has the bits of the whole.
        RecurrentOptions o{.kind = kind, .T = 5, .B = 2, .I = 1, .H = 97, .wanted = {0}};
        o.initial = o.linear_before_reset = variant;
        const RecurrentCase c = make_recurrent(o);
        const Ran whole = run_graph(c.made, isa);
        Context stream(CompiledModel(c.made.graph, registry(), {.isa = isa, .stream = true}));
        const Tensor& x = c.made.feeds.at("x");
        const auto row = static_cast<size_t>(o.B * o.I), units = static_cast<size_t>(o.B * o.H);
        for (int pass = 0; pass < 2; ++pass, stream.reset())
          for (size_t t = 0; t < static_cast<size_t>(o.T); ++t) {
            std::copy_n(x.values<float>().begin() + static_cast<std::ptrdiff_t>(t * row), row,
                        stream.input<float>("x").begin());
            stream.step();
            CHECK(std::memcmp(stream.output<float>(0).data(), whole.outputs[0].values<float>().data() + t * units,
                              units * sizeof(float)) == 0);
          }
      }
}

}  // namespace
