#pragma once
// A graph run as it stands and rewritten: what rules must keep, and which rows they must leave.
#include "layer_run.h"

#include <set>

namespace tally::test {

using Ints = std::vector<int64_t>;

inline Tensor random_tensor(const Shape& shape, uint32_t seed) {
  return float_tensor(shape, random_values(element_count(shape), seed));
}

inline Tensor positive_tensor(const Shape& shape, uint32_t seed) {
  std::vector<double> values = random_values(element_count(shape), seed);
  for (double& v : values) v = 1.5 + v;
  return float_tensor(shape, values);
}

/// The rows that run, each as the set of ONNX nodes that it stands for; reorders and copies left out.
inline std::multiset<std::set<std::string>> rows_of(const Ran& ran) {
  std::multiset<std::set<std::string>> rows;
  for (const PlanRow& row : ran.plan->rows)
    if (!row.nodes.empty()) rows.insert({row.nodes.begin(), row.nodes.end()});
  return rows;
}

using Rows = std::multiset<std::set<std::string>>;

/// Largest difference of two results, relative to 1 + |value|; NaN where one is.
inline double difference(const Tensor& found, const Tensor& expected) {
  const std::vector<double> a = found.to_double(), b = expected.to_double();
  REQUIRE(a.size() == b.size());
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double error = std::abs(a[i] - b[i]) / (1 + std::abs(b[i]));
    worst = error <= worst ? worst : error;
  }
  return worst;
}

/// Runs with and without rewriting: outputs agree to `tolerance` (folding and reassociation round differently),
/// executed products agree exactly, and the rewritten plan has these rows.
inline void check_rewrite(const GraphMaker& g, const Rows& expected, double tolerance = 1e-4) {
  for (const Isa isa : usable_isas()) {
    CAPTURE(name_of(isa));
    const Ran rewritten = run_graph(g, isa, true), plain = run_graph(g, isa, false);
    CHECK(rows_of(rewritten) == expected);
    CHECK(rewritten.executed().macs == plain.executed().macs);
    int64_t ideal = 0;
    for (const PlanRow& row : rewritten.plan->rows) ideal += row.ideal.macs;
    CHECK(ideal == rewritten.plan->estimate.totals.macs);
    for (size_t o = 0; o < plain.outputs.size(); ++o)
      CHECK(difference(rewritten.outputs[o], plain.outputs[o]) <= tolerance);
  }
}

}  // namespace tally::test
