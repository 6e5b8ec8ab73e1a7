#include "tally/engine/traffic.h"

#include <algorithm>

namespace tally {

namespace {

/// Counts lines until there are too many, and names them to a model.
class Bounded final : public AccessSink {
 public:
  Bounded(CacheModel& model, int64_t most) : model_(model), most_(most) {}
  void touch(const void* address, int64_t bytes, bool store) override {
    if (!over()) model_.touch(address, bytes, store);
  }
  bool over() const { return model_.touches() > most_; }

 private:
  CacheModel& model_;
  int64_t most_;
};

/// Addresses as a context would give them: the arena at its offsets, everything else on lines of its own, one after the
/// other. Nothing is stored there.
BufferTable imagined_addresses(const Plan& plan) {
  constexpr size_t kPage = 4096;
  BufferTable table;
  uintptr_t next = uintptr_t{1} << (sizeof(uintptr_t) * 4);
  const uintptr_t arena = next;
  next += (plan.arena_bytes + kPage) / kPage * kPage;
  for (const BufferInfo& info : plan.buffers) {
    uintptr_t address = arena + info.offset;
    if (info.kind != BufferKind::arena) {
      address = next;
      next += (info.bytes + 127) / 64 * 64;
    }
    table.address.push_back(reinterpret_cast<std::byte*>(address));
  }
  return table;
}

/// A step that does not tell: once through every buffer, no more of each than the step loads, the last of them written.
void walk_buffers(const Plan& plan, const Step& step, const BufferTable& table, AccessSink& sink) {
  const std::vector<BufferId> ids = step.buffers();
  const Tally& t = step.planned.tally;
  for (size_t i = 0; i < ids.size(); ++i) {
    const auto id = static_cast<size_t>(ids[i]);
    const auto bytes = static_cast<int64_t>(plan.buffers[id].bytes);
    const bool last = i + 1 == ids.size() && plan.buffers[id].kind != BufferKind::weights;
    const int64_t moved = last ? std::max(t.bytes_stored, t.bytes_loaded) : t.bytes_loaded;
    sink.touch(table.address[id], std::min(bytes, moved), last);
  }
}

/// One run; false where it touches too much.
bool run_once(const Plan& plan, const std::vector<std::unique_ptr<BoundStep>>& steps, const BufferTable& table,
              CacheModel& model, Bounded& sink, std::vector<RowTraffic>& rows) {
  const KernelTable& kernels = kernel_table(plan.isa, false);
  rows.assign(plan.rows.size(), {std::vector<LevelTraffic>(model.take().size()), true});
  for (size_t s = 0; s < steps.size(); ++s) {
    const PlannedStep& step = plan.steps[s];
    RowTraffic& row = rows[static_cast<size_t>(step.row)];
    // Large steps in pieces, so that giving up does not take long.
    const int64_t items = step.step->items, piece = items > 4096 ? items / 64 : std::max<int64_t>(items, 1);
    for (int64_t begin = 0; begin < items && row.in_order && !sink.over(); begin += piece)
      row.in_order = steps[s]->trace(kernels, begin, std::min(items, begin + piece), sink);
    if (!row.in_order) walk_buffers(plan, *step.step, table, sink);
    const std::vector<LevelTraffic> moved = model.take();
    for (size_t level = 0; level < moved.size(); ++level) row.beyond[level] += moved[level];
  }
  return !sink.over();
}

}  // namespace

Traffic model_traffic(const Plan& plan, std::span<const CacheShape> caches, int64_t most_touches) {
  CacheModel model({caches.begin(), caches.end()});
  const BufferTable table = imagined_addresses(plan);
  std::vector<std::unique_ptr<BoundStep>> steps;
  for (const PlannedStep& step : plan.steps) steps.push_back(step.step->bind(table));
  Traffic traffic;
  traffic.line_bytes = model.line_bytes();
  Bounded sink(model, most_touches);
  if (!run_once(plan, steps, table, model, sink, traffic.rows)) {
    traffic.rows.clear();
    traffic.missing = text("a run touches more than ", most_touches, " lines, too many to model");
    return traffic;
  }
  traffic.warm = model.touches() <= most_touches / 8;
  if (!traffic.warm) return traffic;
  sink.position = 1;
  run_once(plan, steps, table, model, sink, traffic.rows);
  return traffic;
}

}  // namespace tally
