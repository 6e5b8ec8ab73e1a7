#include "tally/layers/loop_step.h"

#include <algorithm>
#include <cstring>

#include "tally/engine/reorder.h"
#include "tally/layers/host_step.h"
#include "tally/layers/placement.h"
#include "tally/platforms/kernels/planned_map.h"

namespace tally {

namespace {

struct BoundCopy {
  CopyArgs args;
  int64_t per_trip, per_run;
  bool inwards;

  BoundCopy(const TripCopy& copy, bool in, const BufferTable& buffers)
      : args(copy.args), per_trip(copy.per_trip), per_run(copy.per_run), inwards(in) {
    args.x = (in ? copy.outside : copy.inside).in(buffers);
    args.y = (in ? copy.inside : copy.outside).in(buffers);
  }
  void run(const RunEnv& env, int64_t trip, int64_t run) const noexcept {
    CopyArgs now = args;
    const int64_t moved = trip * per_trip + run * per_run;
    if (inwards)
      now.x = static_cast<const std::byte*>(args.x) + moved;
    else
      now.y = static_cast<std::byte*>(args.y) + moved;
    env.kernels->copy_nd(now, 0, now.items(), env.tally);
  }
};

void copy_bytes(const RunEnv& env, const std::byte* from, std::byte* to, int64_t bytes) noexcept {
  if (bytes == 0) return;
  CopyArgs args = byte_copy_args(bytes);
  args.x = from;
  args.y = to;
  env.kernels->copy_nd(args, 0, args.items(), env.tally);
}

struct BoundCarried {
  BoundCarried(const Carried& carried, const BufferTable& buffers)
      : sizes(carried),
        before(carried.before.in(buffers)),
        after(carried.after.in(buffers)),
        first(carried.first.in(buffers)),
        last(carried.last.in(buffers)) {}
  const Carried& sizes;
  std::byte *before, *after, *first, *last;
};

class BoundLoop final : public BoundStep {
 public:
  BoundLoop(const LoopStep& step, const BufferTable& buffers)
      : label_(step.label),
        trips_(step.trips),
        worth_(step.worth),
        trip_count_(step.trip_count.in(buffers)),
        first_condition_(step.first_condition.in(buffers)),
        condition_(step.condition.in(buffers)),
        iteration_(step.iteration.in(buffers)) {
    for (const PlacedBody& turn : step.turns) turns_.emplace_back(turn, buffers);
    for (const Carried& c : step.carried) carried_.emplace_back(c, buffers);
    for (const TripCopy& slice : step.slices) slices_.emplace_back(slice, true, buffers);
    for (const TripCopy& result : step.results) results_.emplace_back(result, false, buffers);
    for (const auto& [place, bytes] : step.cleared) cleared_.emplace_back(place.in(buffers), bytes);
  }

  void run(const RunEnv& env, int64_t, int64_t) const noexcept override {
    for (const auto& [place, bytes] : cleared_) {
      if (bytes > 0) std::memset(place, 0, static_cast<size_t>(bytes));
      if (env.tally != nullptr) env.tally->bytes_stored += bytes;
    }
    for (size_t r = 0; r < trips_.size(); ++r) run_once(env, static_cast<int64_t>(r));
  }

 private:
  void run_once(const RunEnv& env, int64_t r) const noexcept {
    for (const BoundCarried& c : carried_)
      copy_bytes(env, c.first + r * c.sizes.first_bytes, c.before, c.sizes.first_bytes);
    const int64_t most = std::min(trips_[static_cast<size_t>(r)], read_trip_count(env));
    bool going = read_condition(env, first_condition_);
    int64_t t = 0;
    for (; t < most && going; ++t) {
      if (worth_ > 0 && env.trips != nullptr && !env.trips->take(label_, worth_)) break;
      if (iteration_ != nullptr) {
        std::memcpy(iteration_, &t, sizeof t);
        if (env.tally != nullptr) env.tally->bytes_stored += int64_t{sizeof t};
      }
      for (const BoundCopy& slice : slices_) slice.run(env, t, r);
      const size_t turn = turns_.size() == 1 ? 0 : static_cast<size_t>(t);
      turns_[turn].run(env);
      for (const BoundCarried& c : carried_) copy_bytes(env, c.after, c.before, c.sizes.trip_bytes[turn]);
      for (const BoundCopy& result : results_) result.run(env, t, r);
      going = read_condition(env, condition_);
    }
    for (const BoundCarried& c : carried_)
      if (c.last != nullptr) copy_bytes(env, c.before, c.last + r * c.sizes.last_bytes, c.sizes.last_bytes);
  }

  int64_t read_trip_count(const RunEnv& env) const noexcept {
    if (trip_count_ == nullptr) return INT64_MAX;
    int64_t count = 0;
    std::memcpy(&count, trip_count_, sizeof count);
    if (env.tally != nullptr) env.tally->bytes_loaded += int64_t{sizeof count};
    return count;
  }

  static bool read_condition(const RunEnv& env, const std::byte* place) noexcept {
    if (place == nullptr) return true;
    if (env.tally != nullptr) env.tally->bytes_loaded += 1;
    return *place != std::byte{0};
  }

  const std::string& label_;
  const std::vector<int64_t>& trips_;
  int64_t worth_;
  const std::byte *trip_count_, *first_condition_, *condition_;
  std::byte* iteration_;
  std::vector<BoundBody> turns_;
  std::vector<BoundCarried> carried_;
  std::vector<BoundCopy> slices_, results_;
  std::vector<std::pair<std::byte*, int64_t>> cleared_;
};

}  // namespace

int64_t LoopStep::worth_of_trip() const {
  constexpr double kMacsPerCycle = kLeastTripMacs / kStepCycles, kMost = 0x1p62;
  double cycles_of_trip = kStepCycles;
  for (const PlacedBody& turn : turns) cycles_of_trip = std::max(cycles_of_trip, cycles_of(*turn.plan));
  return static_cast<int64_t>(std::min(cycles_of_trip * kMacsPerCycle, kMost));
}

Gap LoopStep::plan_trips(const std::vector<int64_t>& made) {
  Planned a_run, a_trip, around;
  for (const Carried& c : carried) {
    a_run += planned_copy(byte_copy_args(c.first_bytes));
    if (c.last.buffer >= 0) a_run += planned_copy(byte_copy_args(c.last_bytes));
  }
  a_run += host_planned((trip_count.buffer >= 0 ? 8 : 0) + (first_condition.buffer >= 0 ? 1 : 0), 0, 0);
  for (const std::vector<TripCopy>* copies : {&slices, &results})
    for (const TripCopy& copy : *copies) a_trip += planned_copy(copy.args);
  a_trip += host_planned(condition.buffer >= 0 ? 1 : 0, 0, iteration.buffer >= 0 ? 8 : 0);
  for (const auto& [place, bytes] : cleared) around += host_planned(0, 0, bytes);
  add_checked(around, a_run, static_cast<int64_t>(made.size()), label);

  Gap gap;
  planned = {};
  cycles = 0;
  for (const int64_t trips_made : made) {
    add_checked(around, a_trip, trips_made, label);
    for (size_t k = 0; k < turns.size(); ++k) {
      const int64_t times = turns.size() == 1 ? trips_made : int64_t{static_cast<int64_t>(k) < trips_made};
      const Plan& plan = *turns[k].plan;
      for (const Carried& c : carried) add_checked(around, planned_copy(byte_copy_args(c.trip_bytes[k])), times, label);
      add_checked(planned, planned_of(plan), times, label);
      add_to(gap, gap_of(plan), times);
      cycles += static_cast<double>(times) * cycles_of(plan);
    }
  }
  planned += around;
  if (around.tally.bytes_loaded != 0) gap.bytes_loaded["control"] += around.tally.bytes_loaded;
  if (around.tally.bytes_stored != 0) gap.bytes_stored["control"] += around.tally.bytes_stored;
  cycles += static_cast<double>(around.tally.bytes_loaded + around.tally.bytes_stored) / 16;
  return gap;
}

std::unique_ptr<BoundStep> LoopStep::bind(const BufferTable& buffers) const {
  return std::make_unique<BoundLoop>(*this, buffers);
}

std::vector<BufferId> LoopStep::buffers() const {
  std::vector<BufferId> ids;
  const auto add = [&](const BodyPlace& place) {
    if (place.buffer >= 0) ids.push_back(place.buffer);
  };
  for (const PlacedBody& turn : turns) turn.list_buffers(ids);
  for (const BodyPlace& place : {trip_count, first_condition, condition, iteration}) add(place);
  for (const Carried& c : carried)
    for (const BodyPlace& place : {c.before, c.after, c.first, c.last}) add(place);
  for (const std::vector<TripCopy>* copies : {&slices, &results})
    for (const TripCopy& copy : *copies) add(copy.outside), add(copy.inside);
  for (const auto& [place, bytes] : cleared) add(place);
  return ids;
}

}  // namespace tally
