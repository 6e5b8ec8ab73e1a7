#include "tally/layers/body_plan.h"

#include <algorithm>

#include "tally/engine/estimate.h"
#include "tally/layers/placement.h"

namespace tally {

namespace {

PlacedBody place_body(Preparation& p, const Body& body, std::shared_ptr<const Plan> plan, BufferId arena) {
  PlacedBody placed{std::move(plan), {}};
  for (const BufferInfo& buffer : placed.plan->buffers) {
    switch (buffer.kind) {
      case BufferKind::arena:
        placed.places.push_back({arena, static_cast<int64_t>(buffer.offset)});
        break;
      case BufferKind::weights:
      case BufferKind::state:
        placed.places.push_back({p.adopt(buffer), 0});
        break;
      case BufferKind::input:
      case BufferKind::output:
        placed.places.emplace_back();
        break;
    }
  }
  const size_t own = placed.plan->inputs.size() - body.captures.size();
  for (size_t i = 0; i < body.captures.size(); ++i) placed.place_input(own + i, {p.input(body.captures[i]).buffer, 0});
  return placed;
}

}  // namespace

void PlacedBody::list_buffers(std::vector<BufferId>& ids) const {
  for (const BodyPlace& place : places)
    if (place.buffer >= 0) ids.push_back(place.buffer);
}

std::vector<PlacedBody> place_bodies(Preparation& p, const Bodies& bodies) {
  std::vector<std::shared_ptr<const Plan>> plans;
  size_t arena_bytes = 0;
  for (const Body& body : bodies.list) {
    plans.push_back(p.plan_body(*body.graph));
    arena_bytes = std::max(arena_bytes, plans.back()->arena_bytes);
  }
  const BufferId arena = p.add_scratch(static_cast<int64_t>(arena_bytes));
  std::vector<PlacedBody> placed;
  for (size_t i = 0; i < plans.size(); ++i) placed.push_back(place_body(p, bodies.list[i], std::move(plans[i]), arena));
  return placed;
}

BoundBody::BoundBody(const PlacedBody& body, const BufferTable& buffers) {
  BufferTable inner;
  for (const BodyPlace& place : body.places) inner.address.push_back(place.in(buffers));
  for (const PlannedStep& planned : body.plan->steps)
    steps_.emplace_back(planned.step->bind(inner), planned.step->items);
}

void check_trips(const Preparation& preparation, const Bodies& bodies, const std::string& who) {
  const int64_t trips = trips_of(bodies), most = preparation.max_trips();
  if (trips > most / kLeastTripMacs)
    fail(who, text(trips, " trips"),
         text("must be worth at most ", most, " MACs, each at least ", kLeastTripMacs, " (--max-macs)"),
         ErrorCode::limit);
}

int64_t bytes_of_input(const Plan& plan, size_t i) {
  return static_cast<int64_t>(plan.buffers[static_cast<size_t>(plan.inputs[i].buffer)].bytes);
}

int64_t bytes_of_output(const Plan& plan, size_t i) {
  return static_cast<int64_t>(plan.buffers[static_cast<size_t>(plan.outputs[i].buffer)].bytes);
}

Planned planned_of(const Plan& plan) {
  Planned sum;
  for (const PlanRow& row : plan.rows) sum += row.planned;
  return sum;
}

Gap gap_of(const Plan& plan) {
  Gap sum;
  for (const PlanRow& row : plan.rows) add_to(sum, row.gap);
  return sum;
}

double cycles_of(const Plan& plan) {
  double sum = 0;
  for (const PlannedStep& planned : plan.steps) sum += planned.step->cycles;
  return sum;
}

void add_checked(Planned& planned, const Planned& one, int64_t times, const std::string& who) {
  const auto add = [&](int64_t& sum, int64_t term) {
    if (__builtin_mul_overflow(term, times, &term) || __builtin_add_overflow(sum, term, &sum))
      fail(who, text(times, " trips"), "must do less than 2^63 of anything", ErrorCode::limit);
  };
  for (const auto part : kPlannedParts) add(planned.*part, one.*part);
  for (const auto field :
       {&Tally::macs, &Tally::lane_macs, &Tally::lane_fma_other, &Tally::bytes_loaded, &Tally::bytes_stored})
    add(planned.tally.*field, one.tally.*field);
}

double rough_cycles(const Bodies& bodies) {
  double sum = 0;
  for (const Body& body : bodies.list) {
    const EstimateTotals cost = estimate_graph(*body.graph).totals;
    const auto once = static_cast<double>(cost.macs + cost.bytes_compulsory) / 16 +
                      kStepCycles * static_cast<double>(body.graph->nodes.size());
    sum += static_cast<double>(body.runs) * once;
  }
  return sum;
}

}  // namespace tally
