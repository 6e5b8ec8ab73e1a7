#pragma once
// What layers that run on the host share: one plain way to run, and bytes planned by operand.
#include <initializer_list>

#include "tally/layers/copy_steps.h"
#include "tally/layers/host_step.h"
#include "tally/layers/placement.h"

namespace tally {

/// A layer of one candidate, all plain, on the host.
class HostLayer : public Layer {
 public:
  using Layer::Layer;
  std::vector<Candidate> candidates(const PlanContext&, Operands in, std::span<const TensorType> out) const override {
    double elements = 0;
    for (const TensorType& type : out) elements += static_cast<double>(element_count(type.shape));
    return {uniform_candidate("host", in.size(), out.size(), Layout::plain, Layout::plain,
                              kHostCyclesPerElement * elements)};
  }
};

/// Bytes that a step loads of input `input`.
struct InputLoad {
  int input;
  int64_t bytes;
};

/// Planned tally of a host path: loads of constants are weights, those of other inputs activations.
inline Planned host_planned(Preparation& preparation, std::initializer_list<InputLoad> loads, int64_t stored_bytes) {
  int64_t activations = 0, weights = 0;
  for (const InputLoad& load : loads)
    (preparation.inputs()[static_cast<size_t>(load.input)].constant ? weights : activations) += load.bytes;
  return host_planned(activations, weights, stored_bytes);
}

/// Calls f(Bytes<N>{}) with as many raw bytes as an element has: 1, 2, 4, 8 or 16.
template <int64_t N>
struct Bytes {
  char at[N];
};
template <class F>
void with_element_bytes(int64_t bytes, F&& f) {
  switch (bytes) {
    case 1:
      return f(Bytes<1>{});
    case 2:
      return f(Bytes<2>{});
    case 4:
      return f(Bytes<4>{});
    case 8:
      return f(Bytes<8>{});
    default:
      return f(Bytes<16>{});
  }
}

}  // namespace tally
