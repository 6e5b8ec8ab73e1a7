#pragma once
// Graphs that spell a layer out, run with and without rewriting.
#include "rewritten.h"

namespace tally::test {

inline Tensor one(double value) { return float_tensor({}, {value}); }

/// Rows whose operator is `op` after rewriting, results and ideal costs as without it.
inline int count_of(const GraphMaker& g, const std::string& op, double tolerance = 1e-5) {
  int count = 0;
  for (const Isa isa : {Isa::scalar, best_isa()}) {
    CAPTURE(name_of(isa));
    const Ran rewritten = run_graph(g, isa, true), plain = run_graph(g, isa, false);
    for (size_t o = 0; o < plain.outputs.size(); ++o)
      CHECK(difference(rewritten.outputs[o], plain.outputs[o]) <= tolerance);
    int64_t ideal = 0;
    size_t origins = 0;
    count = 0;
    for (const PlanRow& row : rewritten.plan->rows) {
      ideal += row.ideal.macs;
      origins += row.origins.size();
      count += row.op == op;
    }
    CHECK(ideal == plain.plan->estimate.totals.macs);
    CHECK(origins == plain.plan->estimate.layers.size());
  }
  return count;
}

}  // namespace tally::test
