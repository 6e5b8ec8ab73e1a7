#include "tally/engine/body.h"

#include <limits>

#include "tally/engine/estimate.h"
#include "tally/engine/typed_graph.h"

namespace tally {

namespace {

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

}  // namespace

Operand Body::output(size_t index) const {
  const TypedValue& value = graph->values[static_cast<size_t>(graph->outputs[index])];
  return {value.dtype, value.shape, value.constant ? &*value.constant : nullptr, value.name, true};
}

int64_t trips_of(const Bodies& bodies) {
  int64_t sum = 0;
  for (const Body& body : bodies.list) {
    int64_t a_run = 1, all = 0;
    for (const TypedNode& node : body.graph->nodes)
      if (const Bodies* inner = node.layer->bodies())
        if (__builtin_add_overflow(a_run, trips_of(*inner), &a_run)) return kMost;
    if (__builtin_mul_overflow(a_run, body.runs, &all) || __builtin_add_overflow(sum, all, &sum)) return kMost;
  }
  return sum;
}

int64_t work_of(const Bodies& bodies) {
  int64_t sum = 0;
  for (const Body& body : bodies.list) {
    const EstimateTotals once = estimate_graph(*body.graph).totals;
    for (int64_t part : {once.macs, once.elementwise, once.special, once.comparisons, once.output_elements})
      if (__builtin_mul_overflow(part, body.runs, &part) || __builtin_add_overflow(sum, part, &sum)) return kMost;
  }
  return sum;
}

}  // namespace tally
