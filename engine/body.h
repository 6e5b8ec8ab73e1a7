#pragma once
// Bodies: the graphs within If, Loop and Scan. A body is typed and planned like a model of its own; what it reads of
// the graphs around it are further operands of its node, so that liveness, folding and dead code need to know of no
// bodies.
#include <memory>
#include <string>
#include <vector>

#include "tally/engine/layer.h"

namespace tally {

struct TypedGraph;

/// What a body finds at one of its inputs: always the same type, and the same value where there is one.
struct BodyInput {
  TensorType type;
  const Tensor* value = nullptr;
};

/// A body, typed.
struct Body {
  std::shared_ptr<const TypedGraph> graph;  ///< its inputs: the body's own, in order, and then what it captures
  std::vector<int> captures;                ///< by captured input: the operand of the node that it is
  int64_t runs = 1;                         ///< in one run of the node, as far as planning knows

  Operand output(size_t index) const;
};

/// All that a node runs besides itself.
struct Bodies {
  std::vector<Body> list;
  bool one_a_trip = false;  ///< the list is one body, typed anew for each trip
  /// Where data decide what runs: the gap term for it ("iterations", "branch"). The runs are then those of one trip, or
  /// of the costliest branch. Else empty.
  std::string varies;
};

/// How often a body begins in one run of the node, bodies within bodies included; INT64_MAX where that exceeds 63 bits.
int64_t trips_of(const Bodies& bodies);

/// What bodies do in one run of the node: multiply-accumulates, other operations, comparisons and elements written;
/// INT64_MAX where that exceeds 63 bits.
int64_t work_of(const Bodies& bodies);

/// Types the bodies of the node at hand.
class BodyTyper {
 public:
  virtual ~BodyTyper() = default;
  /// `inputs`: one a body input. Throws Error(model) where the body contradicts them, Error(limit) where bodies were
  /// typed for more nodes than kMaxTypedNodes.
  virtual Body type(const Graph& body, std::span<const BodyInput> inputs) = 0;
  /// Bound of all trips of an inference.
  virtual int64_t max_trips() const = 0;
};

/// Nodes that the bodies of a model may have, those counted again that are typed again (a loop whose shapes depend on
/// the iteration has its body typed once a trip).
inline constexpr int64_t kMaxTypedNodes = int64_t{1} << 18;

}  // namespace tally
