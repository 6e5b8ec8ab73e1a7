#pragma once
// Trips through a body: what Loop and Scan run.
#include <cstdint>
#include <string>
#include <vector>

#include "tally/layers/body_plan.h"
#include "tally/platforms/kernel_args.h"

namespace tally {

/// Bytes that a trip copies between a tensor outside and an input or output of the body: a slice of what a loop scans,
/// or a result to stack. x and y of `args` are where trip 0 of run 0 begins; `per_trip` and `per_run` move the outer
/// one.
struct TripCopy {
  CopyArgs args;
  BodyPlace outside, inside;
  int64_t per_trip = 0, per_run = 0;  ///< bytes, may be negative
};

/// A tensor that a trip finds as the trip before left it: copied from `after` to `before`. (Two bindings of the body
/// that swap the places would save the copy, but loops within loops would double them at every depth.)
struct Carried {
  BodyPlace before, after;  ///< the body's input and output
  BodyPlace first;          ///< its value before the first trip, outside
  BodyPlace last;           ///< where its last value goes, outside; buffer -1: nowhere
  int64_t first_bytes = 0;  ///< first and last values follow each other from run to run
  int64_t last_bytes = 0;
  std::vector<int64_t> trip_bytes;  ///< by turn: as it leaves that trip
};

/// For each run (one; of a Scan before opset 9 one an element of the batch):
///   for (t = 0; t < trips && condition; ++t) { slices in; body; results out; condition = body's }
class LoopStep final : public Step {
 public:
  std::string label;
  /// What trips run: one plan for all, or one a trip.
  std::vector<PlacedBody> turns;
  std::vector<int64_t> trips;  ///< by run: at most
  int64_t worth = 0;           ///< of a trip, taken from the run's budget; 0 where planning knows how many there are
  // Places with buffer -1: there is none.
  BodyPlace trip_count;       ///< int64, outside: at most so many too
  BodyPlace first_condition;  ///< bool, outside
  BodyPlace condition;        ///< bool, what the body says of the next trip
  BodyPlace iteration;        ///< int64, t for the body
  std::vector<Carried> carried;
  std::vector<TripCopy> slices, results;
  std::vector<std::pair<BodyPlace, int64_t>> cleared;  ///< filled with this many zero bytes at first

  /// A trip's planned cycles as multiply-accumulates of a fast kernel.
  int64_t worth_of_trip() const;

  /// Sets `planned` for `made` trips by run, and gives executed − ideal by cause: that of the bodies, and "control",
  /// all that moves around them. Throws Error(limit).
  Gap plan_trips(const std::vector<int64_t>& made);

  std::unique_ptr<BoundStep> bind(const BufferTable& buffers) const override;
  std::vector<BufferId> buffers() const override;
};

}  // namespace tally
