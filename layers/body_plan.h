#pragma once
// A body's plan as part of a step: its buffers are those of the plan around it, so that nothing is allocated when it
// runs, and it counts into the tally of the node whose body it is.
#include <memory>
#include <vector>

#include "tally/engine/body.h"
#include "tally/engine/plan.h"

namespace tally {

/// Bytes of the plan around a body.
struct BodyPlace {
  BufferId buffer = -1;
  int64_t offset = 0;

  std::byte* in(const BufferTable& buffers) const {
    return buffer < 0 ? nullptr : buffers.address[static_cast<size_t>(buffer)] + offset;
  }
};

/// A body's plan and where its buffers lie; by the plan's BufferId.
struct PlacedBody {
  std::shared_ptr<const Plan> plan;
  std::vector<BodyPlace> places;

  /// Lays input or output `i` of the body at `place`.
  void place_input(size_t i, BodyPlace place) { places[static_cast<size_t>(plan->inputs[i].buffer)] = place; }
  void place_output(size_t i, BodyPlace place) { places[static_cast<size_t>(plan->outputs[i].buffer)] = place; }
  void list_buffers(std::vector<BufferId>& ids) const;
};

/// Bodies of one node, planned. Their weights and state become the preparation's own, what they capture lies where the
/// node's operands lie, and as one runs at a time they share one arena. Own inputs, and outputs, are left to be placed.
std::vector<PlacedBody> place_bodies(Preparation& preparation, const Bodies& bodies);

/// What a trip is worth at least, in multiply-accumulates: its step's cycles at 16 a cycle, though its body do nothing.
inline constexpr int64_t kLeastTripMacs = 960;

/// Error(limit) naming `who` where the trips that planning knows of are worth more than a run may do.
void check_trips(const Preparation& preparation, const Bodies& bodies, const std::string& who);

/// A placed body whose operands are addresses.
class BoundBody {
 public:
  BoundBody(const PlacedBody& body, const BufferTable& buffers);
  void run(const RunEnv& env) const noexcept {
    for (const auto& [step, items] : steps_) step->run(env, 0, items);
  }

 private:
  std::vector<std::pair<std::unique_ptr<BoundStep>, int64_t>> steps_;
};

/// Bytes of an input or output of a plan.
int64_t bytes_of_input(const Plan& plan, size_t i);
int64_t bytes_of_output(const Plan& plan, size_t i);

/// What one run of a plan does, and why that is not its ideal.
Planned planned_of(const Plan& plan);
Gap gap_of(const Plan& plan);

/// Planned cycles of one run on one core.
double cycles_of(const Plan& plan);

/// planned += times · one. Throws Error(limit) naming `who` where a part exceeds 63 bits.
void add_checked(Planned& planned, const Planned& one, int64_t times, const std::string& who);

/// Rough cycles of all that bodies do: for choosing only, before they are planned.
double rough_cycles(const Bodies& bodies);

}  // namespace tally
