#pragma once
#include "tally/engine/gap_terms.h"
#include "tally/engine/layer.h"
#include "tally/engine/placement.h"
#include "tally/engine/step.h"
#include "tally/platforms/memory.h"

namespace tally {

struct BufferInfo;
struct Plan;
struct TypedGraph;

/// Handed to Layer::prepare by the planner: where the operands lie, and where steps go.
class Preparation {
 public:
  virtual ~Preparation() = default;

  virtual const KernelTable& kernels() const = 0;
  const Geometry& geometry() const { return kernels().geometry; }
  virtual Operands inputs() const = 0;
  virtual std::span<const TensorType> outputs() const = 0;

  /// Placement of a data input or output. A constant input is placed plain, its bytes among the plan's weights.
  virtual Placement input(int i) = 0;
  virtual Placement output(int i) = 0;

  /// Packed weights or tables of the plan: registered as weights, counted as such.
  virtual BufferId add_weights(AlignedBuffer bytes, std::string name) = 0;
  /// Arena bytes that live while this layer runs; Error(limit) beyond the memory allowed, whatever size_t can hold.
  virtual BufferId add_scratch(int64_t bytes) = 0;

  /// Bytes that belong to a context and outlive its runs: recurrent state, caches. `initial`: what a new or reset
  /// context finds there, as many bytes, or empty for zero. `growth`: bytes that each step adds to what is kept there.
  virtual BufferId add_state(size_t bytes, std::string name, AlignedBuffer initial = {}, size_t growth = 0) = 0;

  // For layers with bodies.

  /// The plan of a body, made by the rules and options of this one; throws Error.
  virtual std::shared_ptr<const Plan> plan_body(const TypedGraph& body) = 0;
  /// Of all loops in one run, in multiply-accumulates.
  virtual int64_t max_trips() const = 0;
  /// Weights or state of a body's plan become this plan's own.
  virtual BufferId adopt(const BufferInfo& buffer) = 0;
  /// executed − ideal of the layer, whose work is that of its bodies' plans. `varies`: as in PlanRow; where it is empty
  /// and a row of those plans varies, the layer varies as that row does.
  virtual void explain(Gap gap, std::string varies) = 0;
  /// Data decide how much of its planned work the layer does: `term` is the gap term of executed − planned.
  virtual void vary(std::string term) = 0;

  /// Appends a step; steps of a layer run in order.
  virtual void add_step(std::unique_ptr<Step> step) = 0;

  /// Appends a kernel step. Usage:
  ///   add_kernel<[](const KernelTable& t) { return t.pool; }>(args, {{offsetof(PoolArgs, x), in.buffer}}, planned,
  ///   cycles);
  template <auto Select, class Args>
  KernelStep<Args, Select>& add_kernel(const Args& args, std::vector<PointerBinding> pointers, const Planned& planned,
                                       double cycles) {
    auto step = std::make_unique<KernelStep<Args, Select>>(args, std::move(pointers));
    step->planned = planned;
    step->cycles = cycles;
    auto& added = *step;
    add_step(std::move(step));
    return added;
  }
};

}  // namespace tally
